#include "server/service/session_runs.h"

#include <algorithm>
#include <span>

#include "server/lease/batch_room.h"
#include "server/service/errors.h"

namespace objpool::server {
namespace {

using lease::BatchRoom;
using lease::GrantRef;
using lease::Outcome;
using lease::SessionGrants;
using lease::Verdict;

struct Run {
  std::size_t first;
  std::size_t end;
  std::string name;  // a copy: it may be forgotten with the last of its grants
  NamedPool* pool;   // null: gone
  std::span<const GrantRef> refs;
};

Run TakeRun(const SessionStep& step, const SessionGrants& grants, std::size_t& end,
            std::size_t most, BatchRoom<GrantRef>& room) {
  Run run{
      .first = grants.FirstOfRun(end, most), .end = end, .name = {}, .pool = nullptr, .refs = {}};
  run.name = grants.PoolOf(grants.at(run.first));
  run.pool = step.pools.Find(run.name);
  const auto refs = room.First(run.end - run.first);
  for (std::size_t i = run.first; i < run.end; ++i) refs[i - run.first] = grants.at(i).ref;
  run.refs = refs;
  end = run.first;
  return run;
}

// Removes what a run has lost, and keeps count.
class Forgetter {
 public:
  Forgetter(const SessionStep& step, SessionGrants& grants)
      : step_(step), grants_(grants), before_(grants.size()) {}
  ~Forgetter() { step_.directory.Count(before_, grants_.size()); }
  Forgetter(const Forgetter&) = delete;
  Forgetter& operator=(const Forgetter&) = delete;

 private:
  const SessionStep& step_;
  SessionGrants& grants_;
  const std::size_t before_;
};

v1::SessionNoticeKind KindOf(Outcome outcome) {
  if (outcome == Outcome::kExpired) return v1::SESSION_NOTICE_KIND_EXPIRED;
  if (outcome == Outcome::kRevoked) return v1::SESSION_NOTICE_KIND_REVOKED;
  return v1::SESSION_NOTICE_KIND_ENDED;
}

void TellLost(const Run& run, std::size_t place, const Verdict& verdict, lease::BootMs now,
              const OnNews& lost) {
  const GrantRef& ref = run.refs[place - run.first];
  lost({.kind = KindOf(verdict.outcome),
        .pool = run.name,
        .ref = ref,
        .reason = FromVerdict(verdict, {.pool = run.name,
                                        .field = "grant.handle",
                                        .handle = ref.handle,
                                        .capacity = run.pool->capacity(),
                                        .now = now})});
}

// All of the run are lost.
void LoseAll(const Run& run, SessionGrants& grants, const google::rpc::Status& reason,
             const OnNews& lost) {
  for (std::size_t i = run.end; i > run.first; --i) {
    lost({.kind = v1::SESSION_NOTICE_KIND_ENDED,
          .pool = run.name,
          .ref = run.refs[i - 1 - run.first],
          .reason = reason});
    grants.RemoveAt(i - 1);
  }
}

}  // namespace

uint32_t ReturnRun(const SessionStep& step, SessionGrants& grants, std::size_t& end,
                   std::size_t most, lease::Disposition as) {
  const Forgetter forgetter(step, grants);
  BatchRoom<GrantRef> room;
  BatchRoom<Verdict> verdicts;
  const Run run = TakeRun(step, grants, end, most, room);
  uint32_t returned = 0;
  if (run.pool != nullptr) {
    const auto out = verdicts.First(run.refs.size());
    BatchRoom<lease::Disposition> dispositions;
    const auto all = dispositions.First(run.refs.size());
    std::ranges::fill(all, as);
    run.pool->leases->Return(step.worker, run.refs, step.now, out, all);
    returned = static_cast<uint32_t>(std::ranges::count(out, Outcome::kOk, &Verdict::outcome));
  }
  for (std::size_t i = run.end; i > run.first; --i) grants.RemoveAt(i - 1);
  return returned;
}

uint32_t RenewRun(const SessionStep& step, SessionGrants& grants, std::size_t& end,
                  std::size_t most, std::optional<uint64_t> ttl_ms, const OnNews& lost) {
  const Forgetter forgetter(step, grants);
  BatchRoom<GrantRef> room;
  BatchRoom<Verdict> verdicts;
  const Run run = TakeRun(step, grants, end, most, room);
  if (run.pool == nullptr) {
    LoseAll(run, grants, PoolUnknown(run.name), lost);
    return 0;
  }
  const uint64_t last_ttl_ms = grants.at(run.first).ttl_ms;
  const uint64_t usual_ms = run.pool->ttl_default_ms.load(std::memory_order_relaxed);
  const uint64_t low_ms = run.pool->ttl_min_ms.load(std::memory_order_relaxed);
  const uint64_t high_ms = run.pool->ttl_max_ms.load(std::memory_order_relaxed);
  const uint64_t wanted = ttl_ms.value_or(last_ttl_ms == 0 ? usual_ms : last_ttl_ms);
  const uint64_t time_ms = std::max(low_ms, std::min(wanted, high_ms));
  const auto out = verdicts.First(run.refs.size());
  run.pool->leases->Renew(step.worker, run.refs, time_ms, step.now, out);
  step.ticket = std::max(step.ticket, step.disk.TicketFor(*run.pool));
  uint32_t renewed = 0;
  for (std::size_t i = run.end; i > run.first; --i) {
    const Verdict& verdict = out[i - 1 - run.first];
    if (verdict.outcome == Outcome::kOk) {
      grants.RenewAt(i - 1, time_ms, step.now + time_ms + 1);
      ++renewed;
    } else {
      TellLost(run, i - 1, verdict, step.now, lost);
      grants.RemoveAt(i - 1);
    }
  }
  return renewed;
}

void LoseRun(const SessionStep& step, SessionGrants& grants, std::size_t& end, std::size_t most,
             const google::rpc::Status& reason, const OnNews& lost) {
  const Forgetter forgetter(step, grants);
  BatchRoom<GrantRef> room;
  LoseAll(TakeRun(step, grants, end, most, room), grants, reason, lost);
}

void LookAtRun(const SessionStep& step, SessionGrants& grants, std::size_t& end, std::size_t most,
               const OnNews& news) {
  const Forgetter forgetter(step, grants);
  BatchRoom<GrantRef> room;
  const Run run = TakeRun(step, grants, end, most, room);
  if (run.pool == nullptr) {
    LoseAll(run, grants, PoolUnknown(run.name), news);
    return;
  }
  for (std::size_t i = run.end; i > run.first; --i) {
    const GrantRef& ref = run.refs[i - 1 - run.first];
    const Verdict verdict = run.pool->leases->Check(ref, step.now);
    switch (grants.LookAt(i - 1, verdict, step.now)) {
      case SessionGrants::Finding::kNothing:
        break;
      case SessionGrants::Finding::kSoon:
        // The last millisecond is the server's, as in GetGrant.
        news({.kind = v1::SESSION_NOTICE_KIND_EXPIRING_SOON,
              .pool = run.name,
              .ref = ref,
              .remaining_ms = verdict.deadline - step.now - 1,
              .reason = {}});
        grants.Told(i - 1);
        break;
      case SessionGrants::Finding::kOver:
        TellLost(run, i - 1, verdict, step.now, news);
        grants.RemoveAt(i - 1);
        break;
    }
  }
}

}  // namespace objpool::server
