// Identity: who a client is, as far as the server can tell without believing it.
#pragma once

#include <cstdint>
#include <string>

#include "server/lease/grant_key.h"
#include "server/service/typed_handler.h"

namespace objpool::server {

// What the transport says of the client of a call (rpc/peer.h).
[[nodiscard]] std::string IdentityOf(const CallInfo& info);

// As a number, for quotas.
[[nodiscard]] uint64_t HashIdentity(const lease::Secret& secret, const std::string& identity);

}  // namespace objpool::server
