// ServerDelta: what the server counted while a load ran, for all its clients.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "client/ctl/json_writer.h"
#include "objpool/v1/pool_service.pb.h"

namespace objpool::client {

struct ServerDelta {
  std::string engine;
  uint64_t granted = 0;
  uint64_t returned = 0;
  uint64_t expired = 0;
  uint64_t revoked = 0;
  uint64_t local_hits = 0;
  uint64_t depot_hits = 0;
  uint64_t misses = 0;
  // Handles that went from one slot to another, by distance; and of those, the ones that went
  // straight to a client.
  uint64_t same_core = 0;
  uint64_t same_cache = 0;
  uint64_t same_node = 0;
  uint64_t remote_node = 0;
  uint64_t acquired_by_steal = 0;

  [[nodiscard]] uint64_t steals() const { return same_core + same_cache + same_node + remote_node; }
};
[[nodiscard]] ServerDelta DeltaOf(const v1::GetPoolStatsResponse& before,
                                  const v1::GetPoolStatsResponse& after);
// As one line, and as the field "server_delta".
void WriteDelta(const ServerDelta& delta, std::ostream& out);
void WriteDelta(const ServerDelta& delta, JsonWriter& json);

}  // namespace objpool::client
