#include "server/service/identity.h"

namespace objpool::server {

std::string IdentityOf(const CallInfo& info) {
  return info.call != nullptr ? info.call->peer() : std::string(info.peer);
}

uint64_t HashIdentity(const lease::Secret& secret, const std::string& identity) {
  return lease::HashRequest(secret, identity, "identity").id;
}

}  // namespace objpool::server
