// A pool as text and as fields of a JSON object, for all commands that show one.
#pragma once

#include <string>

#include "client/ctl/json_writer.h"
#include "objpool/v1/pool_service.pb.h"

namespace objpool::client {

// "ids", "labels" or "buffers"; with what is to be said of them.
[[nodiscard]] std::string KindName(const v1::Pool& pool);
[[nodiscard]] std::string KindText(const v1::Pool& pool);
// "ACTIVE", "FREE" and so on, or the number of a state that this program does not know.
[[nodiscard]] std::string PoolStateName(v1::PoolState state);
[[nodiscard]] std::string HandleStateName(v1::HandleState state);

// "12s", or "-" where nobody waits.
[[nodiscard]] std::string OldestWaitText(const v1::Pool& pool);

void PoolFields(const v1::Pool& pool, JsonWriter& json);

}  // namespace objpool::client
