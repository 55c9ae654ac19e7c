#include "client/load/lease_script.h"

#include <utility>

namespace objpool::load {

bool TakeGrants(std::string_view response, uint32_t count, RisingFences& fences,
                std::vector<GrantBytes>& grants, std::string& why) {
  if (!ReadGrants(response, grants) || grants.size() != count) {
    why = "a lease of " + std::to_string(count) + " was answered with something else";
    return false;
  }
  for (const GrantBytes& grant : grants) {
    if (fences.Note(grant.handle, grant.fence)) continue;
    why = "the fence of handle " + std::to_string(grant.handle) + " did not rise";
    return false;
  }
  return true;
}

LeaseScript::LeaseScript(std::string pool, uint32_t batch)
    : pool_(std::move(pool)), batch_(batch), lease_(LeaseRequestBytes(pool_, batch)) {}

std::vector<std::string> LeaseScript::paths() const {
  return {std::string(kLeasePath), std::string(kReturnPath)};
}

bool LeaseScript::Request(std::size_t call, std::string_view reply, std::string& request,
                          std::string& why) {
  if (call == 0) {
    request.append(lease_);
    return true;
  }
  if (!TakeGrants(reply, batch_, fences_, grants_, why)) return false;
  AppendReturnRequest(pool_, grants_, request);
  return true;
}

bool LeaseScript::Finish(std::string_view reply, std::string& why) {
  if (SaysAllReturned(reply, batch_)) return true;
  why = "a return did not bring all handles back";
  return false;
}

}  // namespace objpool::load
