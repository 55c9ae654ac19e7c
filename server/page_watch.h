// PageWatch: whether the pages of buffers are on the NUMA nodes that they are for.
//
// The kernel is asked now and then about some of them (ObjectMemory::LookAtPages), on the thread of
// whoever reads the metrics: up to kPoolsALook pools at a time, those first that were never looked
// at, at most every kLookEveryNs. Between looks the last answers stand.
//
// Threads: any; one at a time gets on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "pool/object_memory.h"
#include "server/rpc/boot_clock.h"
#include "server/service/pool_set.h"

namespace objpool::server {

class PageWatch {
 public:
  static constexpr std::size_t kPoolsALook = 16;
  static constexpr rpc::BootNs kLookEveryNs = 10'000'000'000;

  // By pool; those that have buffers and were looked at.
  using Found = std::map<std::string, std::vector<ObjectMemory::NodePages>>;
  [[nodiscard]] Found Look(const PoolSet::Held& pools, rpc::BootNs now);

 private:
  std::mutex lock_;
  Found found_;
  std::string last_;  // the pool that was looked at last
  rpc::BootNs next_look_ = 0;
};

// Whether the kernel says where pages are; a sandbox may refuse.
[[nodiscard]] bool KernelTellsPages();

}  // namespace objpool::server
