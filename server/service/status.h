// What the server shows of itself as JSON: objpool.status.v1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/rpc/boot_clock.h"
#include "server/service/pool_set.h"

namespace objpool::server {

// A worker, as its transport counts.
struct WorkerView {
  uint32_t cpu = 0;
  uint32_t node = 0;
  bool pinned = false;
  uint64_t calls = 0;
  uint64_t calls_under_way = 0;
  rpc::BootNs busy_ns = 0;
  rpc::BootNs turned_at = 0;  // 0: not yet
};

struct ServerView {
  std::string version;
  std::string engine;
  std::string address;
  bool serving = false;
  rpc::BootNs up_since = 0;
  uint64_t sessions = 0;
  std::vector<WorkerView> workers;
};

// The whole server, pools without their slots. Any thread.
[[nodiscard]] std::string StatusJson(const ServerView& server, const PoolSet& pools,
                                     rpc::BootNs now);
// One pool with its slots; none where there is no such pool.
[[nodiscard]] std::optional<std::string> PoolStatusJson(const PoolSet& pools, std::string_view pool,
                                                        rpc::BootNs now);

}  // namespace objpool::server
