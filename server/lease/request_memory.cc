#include "server/lease/request_memory.h"

#include <algorithm>

namespace objpool::lease {

RequestMemory::Found RequestMemory::Begin(const RequestHash& request, BootMs now,
                                          Answered& answer) {
  Part& part = PartOf(request);
  const std::scoped_lock lock(part.lock);
  DropOld(part, now);
  const auto known = part.entries.find(request.id);
  if (known != part.entries.end()) {
    const Entry& entry = known->second;
    if (entry.keep_until == 0 || now < entry.keep_until) {
      if (entry.content != request.content) return Found::kOther;
      if (entry.keep_until == 0) return Found::kPending;
      answer = {entry.grants, entry.restored};
      return Found::kAnswered;
    }
    part.grants -= entry.grants.size();
    known->second = {.content = request.content, .keep_until = 0, .grants = {}, .restored = false};
    return Found::kNew;
  }
  if (part.entries.size() >= kMax / kParts || part.grants >= kMaxGrants / kParts) {
    return Found::kFull;
  }
  part.entries[request.id].content = request.content;
  return Found::kNew;
}

// A few at each call, so that what was forgotten goes as fast as what is new comes.
void RequestMemory::DropOld(Part& part, BootMs now) {
  constexpr int kAtOnce = 4;
  for (int i = 0; i < kAtOnce && !part.old.empty(); ++i) {
    const Id id = part.old.front();
    part.old.pop_front();
    const auto entry = part.entries.find(id);
    if (entry == part.entries.end()) continue;
    if (entry->second.keep_until != 0 && entry->second.keep_until <= now) {
      part.grants -= entry->second.grants.size();
      part.entries.erase(entry);
    } else if (entry->second.keep_until != 0) {
      part.old.push_back(id);
    }
  }
}

void RequestMemory::Answer(const RequestHash& request, std::span<const GrantRef> grants,
                           BootMs keep_until) {
  Part& part = PartOf(request);
  const std::scoped_lock lock(part.lock);
  const Id id = request.id;
  part.grants += grants.size();
  part.entries[id] = {.content = request.content,
                      .keep_until = keep_until,
                      .grants = {grants.begin(), grants.end()},
                      .restored = false};
  part.old.push_back(id);
}

bool RequestMemory::Restore(const RequestHash& request, const GrantRef& grant, BootMs keep_until) {
  Part& part = PartOf(request);
  const std::scoped_lock lock(part.lock);
  if (part.grants >= kMaxGrants / kParts) return false;
  const auto known = part.entries.find(request.id);
  if (known == part.entries.end()) {
    if (part.entries.size() >= kMax / kParts) return false;
    part.entries[request.id] = {
        .content = request.content, .keep_until = keep_until, .grants = {grant}, .restored = true};
    part.old.push_back(request.id);
  } else {
    known->second.grants.push_back(grant);
    known->second.keep_until = std::max(known->second.keep_until, keep_until);
  }
  ++part.grants;
  return true;
}

void RequestMemory::Complete(const RequestHash& request, std::span<const GrantRef> more,
                             BootMs keep_until) {
  Part& part = PartOf(request);
  const std::scoped_lock lock(part.lock);
  const auto known = part.entries.find(request.id);
  if (known == part.entries.end()) return;
  Entry& entry = known->second;
  entry.grants.insert(entry.grants.end(), more.begin(), more.end());
  entry.keep_until = std::max(entry.keep_until, keep_until);
  entry.restored = false;
  part.grants += more.size();
}

void RequestMemory::Forget(const RequestHash& request) {
  Part& part = PartOf(request);
  const std::scoped_lock lock(part.lock);
  part.entries.erase(request.id);
}

std::size_t RequestMemory::size() const {
  std::size_t sum = 0;
  for (const Part& part : parts_) {
    const std::scoped_lock lock(part.lock);
    sum += part.entries.size();
  }
  return sum;
}

}  // namespace objpool::lease
