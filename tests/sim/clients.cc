// World: what clients and workers may want, drawn at random: mostly sense, and all that is none.
#include <algorithm>

#include "tests/sim/world.h"

namespace objpool::sim {

using lease::Disposition;
using lease::GrantRef;

namespace {

// Handles that somebody wanted out; few, so that they come back.
constexpr std::size_t kMostOuts = 8;

// How often each kind is drawn, in the order of Kind.
constexpr std::array<uint32_t, kKindNames.size()> kWeights = {30, 18, 8, 4,  3,  4, 1, 2,
                                                              4,  5,  2, 14, 12, 8, 24};

// None, a short one, the longest.
std::string DrawHolder(Random& random) {
  switch (random.Below(4)) {
    case 0:
      return std::string(lease::kMaxHolderBytes, static_cast<char>('a' + random.Below(26)));
    case 1:
      return "holder" + std::to_string(random.Below(100));
    default:
      return {};
  }
}

}  // namespace

// Each world has its own: where some kinds are rare and others many, they meet in ways in which
// they hardly do where all are about.
void World::DrawWeights(Random& random) {
  constexpr std::array<uint32_t, 4> kFactors = {0, 1, 1, 6};
  for (std::size_t kind = 0; kind < weights_.size(); ++kind) {
    weights_[kind] = kWeights[kind] * kFactors[random.Below(kFactors.size())];
  }
  // What nothing goes without: Lease, and Sweep.
  weights_.front() = std::max(weights_.front(), kWeights.front());
  uint32_t& sweep = weights_[static_cast<std::size_t>(Kind::kSweep)];
  sweep = std::max(sweep, kWeights.front() / 4);
}

Kind World::DrawKind(Random& random) const {
  uint32_t sum = 0;
  for (const uint32_t weight : weights_) sum += weight;
  auto at = static_cast<uint32_t>(random.Below(sum));
  std::size_t kind = 0;
  while (at >= weights_[kind]) at -= weights_[kind++];
  return static_cast<Kind>(kind);
}

PoolOptions World::DrawPool(Random& random, uint64_t number) {
  PoolOptions pool;
  pool.name = "pool" + std::to_string(number);
  // Mostly few, so that they are scarce; beyond a block of the table now and then.
  pool.capacity = static_cast<uint32_t>(random.OneIn(24)  ? random.Between(257, 600)
                                        : random.OneIn(2) ? random.Between(1, 4)
                                                          : random.Between(1, 40));
  pool.ttl_max_ms = random.OneIn(3) ? random.Between(1, 20) : random.Between(100, 60'000);
  pool.rest_ms = random.OneIn(2) ? random.Between(1, 2'000) : 0;
  pool.dirty_unless_returned = random.OneIn(3);
  pool.stripe = static_cast<uint32_t>(random.Between(1, 5));
  const uint32_t stripes = (pool.capacity + pool.stripe - 1) / pool.stripe;
  pool.classes = std::min<uint32_t>(
      stripes, random.OneIn(2) ? 1 : static_cast<uint32_t>(random.Between(2, kMostClasses)));
  return pool;
}

// For some workers one each, or some.
void World::Plan(Random& random) {
  for (std::vector<Operation>& plan : plans_) plan.clear();
  const uint64_t busy = crowded_ ? workers_ : random.Between(1, workers_);
  const bool many = random.OneIn(crowded_ ? 2 : 4);
  uint32_t n = 0;
  for (uint64_t i = 0; i < busy; ++i) {
    const uint64_t worker = crowded_ ? i : random.Below(workers_);
    const uint64_t count = many ? random.Between(2, kMostOperations / 3) : 1;
    for (uint64_t k = 0; k < count; ++k) {
      Operation op = Draw(random);
      if (!options_.skip.contains(Piece(round_, n++))) plans_[worker].push_back(std::move(op));
    }
  }
}

Operation World::Draw(Random& random) {
  Operation op;
  op.kind = DrawKind(random);
  op.pool = static_cast<uint32_t>(random.Below(pools_.size()));
  const uint32_t capacity = pools_[op.pool].capacity;
  switch (op.kind) {
    case Kind::kLease:
      DrawLease(random, op);
      break;
    case Kind::kReturn:
    case Kind::kRenew:
      DrawRefs(random, op);
      op.ttl_ms = DrawTtl(random, op.pool);
      break;
    case Kind::kRevoke:
    case Kind::kCheck: {
      const GrantRef ref = DrawRef(random, op.pool);
      op.handle = op.kind == Kind::kCheck ? ref.handle % capacity : ref.handle;
      op.fence = std::max<uint64_t>(ref.fence + random.OneIn(12) - random.OneIn(12), 1);
      break;
    }
    case Kind::kQuarantine:
      op.handle = random.OneIn(2) ? random.Below(capacity) : DrawRef(random, op.pool).handle;
      op.handle %= capacity;
      outs_.push_back(op.handle);
      if (outs_.size() > kMostOuts) outs_.pop_front();
      break;
    case Kind::kReinstate:
      op.handle = outs_.empty() ? 0 : outs_[random.Below(outs_.size())] % capacity;
      break;
    case Kind::kStopWaiting:
      if (const Waiting* const waiting = DrawWaiting(random, op.pool)) {
        op.fence = waiting->number;
      } else {
        op.kind = Kind::kSweep;
      }
      break;
    default:
      break;
  }
  return op;
}

uint64_t World::DrawTtl(Random& random, uint32_t pool) {
  const uint64_t longest = pools_[pool].ttl_max_ms;
  return random.OneIn(3) ? longest : random.Between(1, std::max<uint64_t>(longest / 4, 1));
}

void World::DrawLease(Random& random, Operation& op) {
  // Now and then one that was asked before; its answer may have been lost.
  if (!requests_made_.empty() && random.OneIn(6)) {
    op = requests_made_[random.Below(requests_made_.size())];
    if (random.OneIn(6)) ++op.ttl_ms;
    return;
  }
  const uint64_t classes = (uint64_t{1} << pools_[op.pool].classes) - 1;
  op.of_classes = random.OneIn(3) ? classes : random.Between(1, classes);
  const uint32_t capacity = std::min(pools_[op.pool].capacity, lease::kMaxBatch);
  const uint64_t most = random.OneIn(8) ? capacity : std::min(capacity, 1 + capacity / 3);
  op.count = static_cast<uint32_t>(random.OneIn(2) ? 1 : random.Between(1, most));
  op.min_count = static_cast<uint32_t>(random.OneIn(2) ? op.count : random.Between(1, op.count));
  op.ttl_ms = DrawTtl(random, op.pool);
  op.dirty = random.OneIn(6);
  op.waits = random.OneIn(2);
  op.priority = static_cast<uint32_t>(random.OneIn(2) ? 0 : random.Below(lease::kPriorities));
  op.holder = DrawHolder(random);
  op.in_session = random.OneIn(2);
  op.linger_ms = random.OneIn(3) ? 0 : random.Between(1, pools_[op.pool].ttl_max_ms / 4 + 1);
  if (!random.OneIn(4)) return;
  op.request = Request{.number = next_request_++, .hash = {}};
  requests_made_.push_back(op);
  if (requests_made_.size() > 4) requests_made_.pop_front();
}

// Of a grant that somebody has or had, mostly of a late one; now and then of none.
GrantRef World::DrawRef(Random& random, uint32_t pool) {
  const uint32_t capacity = pools_[pool].capacity;
  const std::vector<GrantRef>& known = grants_[pool];
  if (known.empty() || random.OneIn(24)) {
    return {random.Below(capacity), random.Next(), random.Next()};
  }
  const std::size_t late = std::min<std::size_t>(known.size(), 6);
  GrantRef ref = random.OneIn(3) ? known[random.Below(known.size())]
                                 : known[known.size() - 1 - random.Below(late)];
  if (random.OneIn(16)) ref.key ^= uint64_t{1} << random.Below(64);
  if (random.OneIn(24)) ++ref.fence;
  if (random.OneIn(24)) ref.handle = random.OneIn(2) ? random.Below(capacity) : capacity;
  return ref;
}

void World::DrawRefs(Random& random, Operation& op) {
  const uint64_t count = random.OneIn(2) ? 1 : random.Between(1, 6);
  for (uint64_t i = 0; i < count; ++i) {
    // Twice in one call, too.
    op.refs.push_back(i > 0 && random.OneIn(6) ? op.refs[random.Below(i)]
                                               : DrawRef(random, op.pool));
    op.dispositions.push_back(random.OneIn(3)    ? Disposition::kDirty
                              : random.OneIn(10) ? Disposition::kBroken
                                                 : Disposition::kClean);
  }
}

Waiting* World::DrawWaiting(Random& random, uint32_t pool) {
  std::size_t waiting = 0;
  const auto fits = [&](const std::unique_ptr<Waiting>& each) {
    return each->pool == pool && each->queued;
  };
  for (const auto& each : waitings_) waiting += fits(each) ? 1u : 0u;
  if (waiting == 0) return nullptr;
  std::size_t nth = random.Below(waiting);
  for (const auto& each : waitings_) {
    if (fits(each) && nth-- == 0) return each.get();
  }
  return nullptr;
}

}  // namespace objpool::sim
