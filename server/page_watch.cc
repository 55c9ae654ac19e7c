#include "server/page_watch.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <utility>

namespace objpool::server {

PageWatch::Found PageWatch::Look(const PoolSet::Held& pools, rpc::BootNs now) {
  const std::scoped_lock lock(lock_);
  // In turn, beginning behind the last one; those never looked at come first.
  std::vector<const NamedPool*> turn;
  for (const NamedPool& pool : pools) {
    if (pool.memory != nullptr) turn.push_back(&pool);
  }
  std::ranges::sort(turn, {}, [this](const NamedPool* pool) {
    const std::string& name = pool->spec.name;
    return std::pair(found_.contains(name) ? (name > last_ ? 1 : 2) : 0, std::string_view(name));
  });
  Found kept;
  for (const NamedPool* const pool : turn) {
    if (const auto at = found_.find(pool->spec.name); at != found_.end()) {
      kept.insert(found_.extract(at));
    }
  }
  found_ = std::move(kept);
  if (now < next_look_) return found_;
  next_look_ = now + kLookEveryNs;
  turn.resize(std::min(turn.size(), kPoolsALook));
  for (const NamedPool* const pool : turn) {
    found_[pool->spec.name] = pool->memory->LookAtPages();
    last_ = pool->spec.name;
  }
  return found_;
}

bool KernelTellsPages() {
  int here = 0;
  void* page = &here;
  int node = -1;
  return syscall(SYS_move_pages, 0, 1, &page, nullptr, &node, 0) == 0;
}

}  // namespace objpool::server
