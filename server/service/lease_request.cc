#include "server/service/lease_request.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "server/config/label_text.h"
#include "server/service/fields.h"

namespace objpool::server {
namespace {

using lease::kMaxBatch;
using SelectorRule = lease::SelectorTerm::Rule;

constexpr std::size_t kMaxRequestIdBytes = 64;
constexpr int kMaxTerms = 16;
constexpr int kMaxValues = 16;

SelectorRule ReadRule(const v1::SelectorTerm& term, const std::string& field, Violations& bad) {
  switch (term.rule()) {
    case v1::SelectorTerm::RULE_UNSPECIFIED:
    case v1::SelectorTerm::RULE_IN:
      return SelectorRule::kIn;
    case v1::SelectorTerm::RULE_NOT_IN:
      return SelectorRule::kNotIn;
    case v1::SelectorTerm::RULE_EXISTS:
      return SelectorRule::kExists;
    case v1::SelectorTerm::RULE_NOT_EXISTS:
      return SelectorRule::kNotExists;
    default:
      bad.Add(field + ".rule",
              "must be IN, NOT_IN, EXISTS or NOT_EXISTS, got " + std::to_string(term.rule()));
      return SelectorRule::kIn;
  }
}

lease::SelectorTerm ReadTerm(const v1::SelectorTerm& term, const std::string& field,
                             Violations& bad) {
  lease::SelectorTerm read{
      .key = term.key(),
      .rule = ReadRule(term, field, bad),
      .values = {term.values().begin(), term.values().end()},
  };
  if (!IsLabelKey(read.key)) bad.Add(field + ".key", std::string(kLabelKeyRule));
  const bool takes_values = read.rule == SelectorRule::kIn || read.rule == SelectorRule::kNotIn;
  const int least = takes_values ? 1 : 0;
  const int most = takes_values ? kMaxValues : 0;
  const int values = term.values_size();
  if (values < least || values > most) {
    bad.Add(field + ".values", "must have " + std::to_string(least) + " .. " +
                                   std::to_string(most) + " entries with this rule, got " +
                                   std::to_string(values));
  } else if (!std::ranges::all_of(read.values, IsLabelValue)) {
    bad.Add(field + ".values", std::string(kLabelValueRule));
  }
  return read;
}

// The classes that the selector means.
lease::ClassMask ReadSelector(const v1::LeaseRequest& request, const NamedPool& pool,
                              Violations& bad) {
  const lease::HandleClasses& classes = pool.leases->classes();
  const int count = request.selector_size();
  if (count == 0) return classes.all();
  if (count > kMaxTerms) {
    bad.Add("selector",
            "must have 0 .. " + std::to_string(kMaxTerms) + " terms, got " + std::to_string(count));
    return classes.all();
  }
  std::vector<lease::SelectorTerm> terms;
  terms.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    terms.push_back(ReadTerm(request.selector(i), "selector[" + std::to_string(i) + "]", bad));
  }
  return bad.empty() ? classes.Match(terms) : classes.all();
}

// Only where the pool's handles are in more than one place.
uint32_t ReadNear(const v1::LeaseRequest& request, const NamedPool& pool) {
  if (!request.has_near_numa_node() || pool.memory == nullptr) return lease::kAnyNode;
  const auto& nodes = pool.leases->pool().slots().nodes();
  const bool known = std::ranges::find(nodes, request.near_numa_node()) != nodes.end();
  return known && nodes.size() > 1 ? request.near_numa_node() : lease::kAnyNode;
}

void CheckCount(uint32_t count, const NamedPool& pool, Violations& bad) {
  if (count > kMaxBatch) {
    bad.Add("count", OutOfRange(1, kMaxBatch, count));
  } else if (count > pool.capacity()) {
    bad.Add("count", "must be at most the pool's capacity " + std::to_string(pool.capacity()) +
                         ", got " + std::to_string(count));
  }
}

// As many as there are of the handles that are wanted, at most.
void ReadCounts(const v1::LeaseRequest& request, const NamedPool& pool, lease::Waiter& waiter,
                Violations& bad) {
  const uint32_t count = request.count() == 0 ? 1 : request.count();
  const uint32_t min_count = request.min_count() == 0 ? count : request.min_count();
  CheckCount(count, pool, bad);
  if (min_count > count) bad.Add("min_count", OutOfRange(1, count, min_count));
  const uint32_t matching = pool.leases->classes().CapacityOf(waiter.classes);
  if (matching == 0) {
    bad.Add("selector", "must mean a handle of the pool, but there is none like that");
  } else if (matching < count && count <= pool.capacity()) {
    bad.Add("count", "must be at most the " + std::to_string(matching) +
                         " handles that the selector means, got " + std::to_string(count));
  }
  waiter.count = count;
  waiter.min_count = min_count;
}

// 0 .. an hour; a part of a millisecond counts as a whole one.
uint64_t MaxWaitMs(const v1::LeaseRequest& request, Violations& bad) {
  constexpr int64_t kMaxMs = 3'600'000;
  const google::protobuf::Duration& wait = request.max_wait();
  const bool valid = wait.seconds() >= 0 && wait.nanos() >= 0 && wait.nanos() < 1'000'000'000;
  const int64_t seconds = std::min<int64_t>(wait.seconds(), kMaxMs);
  const int64_t ms = (seconds * 1000) + ((int64_t{wait.nanos()} + 999'999) / 1'000'000);
  if (valid && ms <= kMaxMs) return static_cast<uint64_t>(ms);
  bad.Add("max_wait", "must be 0s .. 3600s, got " + std::to_string(wait.seconds()) + "s and " +
                          std::to_string(wait.nanos()) + "ns");
  return 0;
}

bool WantsDirty(const v1::LeaseRequest& request, Violations& bad) {
  switch (request.state()) {
    case v1::HANDLE_STATE_UNSPECIFIED:
    case v1::HANDLE_STATE_FREE:
      return false;
    case v1::HANDLE_STATE_DIRTY:
      return true;
    default:
      bad.Add("state", "must be HANDLE_STATE_FREE or HANDLE_STATE_DIRTY, got " +
                           std::to_string(request.state()));
      return false;
  }
}

}  // namespace

void ReadLease(const v1::LeaseRequest& request, LeaseWaiting::Wish& wish, Violations& bad) {
  const NamedPool& pool = wish.pool;
  lease::Waiter& waiter = wish.waiter;
  waiter.classes = ReadSelector(request, pool, bad);
  ReadCounts(request, pool, waiter, bad);
  waiter.ttl_ms = TtlMs(request.has_ttl() ? &request.ttl() : nullptr, pool, bad);
  CheckHolder(request.holder(), bad);
  wish.max_wait_ms = MaxWaitMs(request, bad);
  waiter.priority = request.priority();
  if (waiter.priority >= lease::kPriorities) {
    bad.Add("priority", OutOfRange(0, lease::kPriorities - 1, waiter.priority));
  }
  waiter.dirty = WantsDirty(request, bad);
  waiter.near_node = ReadNear(request, pool);
  if (request.request_id().size() > kMaxRequestIdBytes) {
    bad.Add("request_id", "must be at most " + std::to_string(kMaxRequestIdBytes) + " bytes, got " +
                              std::to_string(request.request_id().size()));
  }
}

void ReadPlain(const PlainLease& request, LeaseWaiting::Wish& wish, Violations& bad) {
  std::optional<google::protobuf::Duration> ttl;
  if (request.ttl) {
    ttl.emplace();
    ttl->set_seconds(request.ttl->seconds);
    ttl->set_nanos(request.ttl->nanos);
  }
  lease::Waiter& waiter = wish.waiter;
  waiter.classes = wish.pool.leases->classes().all();
  waiter.count = waiter.min_count = request.count;
  CheckCount(request.count, wish.pool, bad);
  waiter.ttl_ms = TtlMs(ttl ? &*ttl : nullptr, wish.pool, bad);
  CheckHolder(request.holder, bad);
}

std::string ContentOf(const LeaseWaiting::Wish& wish, const std::string& holder) {
  const lease::Waiter& want = wish.waiter;
  std::string content = wish.pool.spec.name + "/" + std::to_string(want.count) + "/" +
                        std::to_string(want.min_count) + "/" + std::to_string(want.ttl_ms);
  // Which classes a selector means may change from one start to the next: another request then.
  if (want.classes != wish.pool.leases->classes().all()) {
    content += "/c" + std::to_string(want.classes);
  }
  return content + (want.dirty ? "/d/" : "/") + holder;
}

}  // namespace objpool::server
