// Steps of a walk over the grants of a session: each takes up one run of them (grants of one pool),
// asks the pool, and tells the session's grants what came of it.
//
// Pools are found by name at each step: one that is gone has no grants any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "google/rpc/status.pb.h"
#include "objpool/v1/session.pb.h"
#include "server/lease/session_directory.h"
#include "server/lease/session_grants.h"
#include "server/service/disk_answers.h"
#include "server/service/pool_set.h"

namespace objpool::server {

struct SessionStep {
  PoolSet& pools;
  lease::SessionDirectory& directory;
  DiskAnswers& disk;
  uint64_t& ticket;  // of what answers have to wait for
  uint32_t worker;
  lease::BootMs now;
};

// What there is to say of a grant.
struct GrantNews {
  v1::SessionNoticeKind kind;
  const std::string& pool;
  const lease::GrantRef& ref;
  uint64_t remaining_ms = 0;         // EXPIRING_SOON only
  const google::rpc::Status reason;  // of those that have ended
};
using OnNews = std::function<void(const GrantNews&)>;

// Each works at the grants before `end`, 1 <= most <= kMaxBatch of them at the most, and moves
// `end` to the first that it worked at.

// Returns them, and forgets them whatever came of it. Says how many it has returned.
[[nodiscard]] uint32_t ReturnRun(const SessionStep& step, lease::SessionGrants& grants,
                                 std::size_t& end, std::size_t most, lease::Disposition as);
// Renews them: for `ttl_ms` within the pool's bounds, else for what they were last given. Says how
// many; those that have ended are told of and forgotten.
[[nodiscard]] uint32_t RenewRun(const SessionStep& step, lease::SessionGrants& grants,
                                std::size_t& end, std::size_t most, std::optional<uint64_t> ttl_ms,
                                const OnNews& lost);
// Forgets them, and tells of each that it was lost for that reason.
void LoseRun(const SessionStep& step, lease::SessionGrants& grants, std::size_t& end,
             std::size_t most, const google::rpc::Status& reason, const OnNews& lost);
// Looks at them. Tells of those that expire soon, and of those that have ended, which it forgets.
void LookAtRun(const SessionStep& step, lease::SessionGrants& grants, std::size_t& end,
               std::size_t most, const OnNews& news);

}  // namespace objpool::server
