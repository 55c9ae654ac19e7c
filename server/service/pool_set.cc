#include "server/service/pool_set.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace objpool::server {
namespace {

// With the worker's own wait of 20 ms at most, a grant is back within 50 ms of its deadline on a
// worker that gets to run.
constexpr lease::BootMs kRoundMs = 20;
// Pools, or pieces of a large one, in a turn: some ten microseconds of a worker's time.
constexpr int kSweepsPerTurn = 8;

uint32_t CapacityOf(const PoolSpec& spec) {
  struct {
    uint32_t operator()(const IdsSpec& ids) const { return ids.count; }
    uint32_t operator()(const LabelsSpec& labels) const {
      return static_cast<uint32_t>(labels.labels.size());
    }
    uint32_t operator()(const BuffersSpec& buffers) const { return buffers.count; }
  } count;
  return std::visit(count, spec.kind);
}

// What grants of the pool mean, in full: a file of one meaning is of no use to another.
std::string Describe(const PoolSpec& spec) {
  struct {
    std::string operator()(const IdsSpec& ids) const {
      return "ids from " + std::to_string(ids.first);
    }
    std::string operator()(const LabelsSpec& labels) const {
      std::string text = "labels";
      for (const std::string& label : labels.labels) text.append(" \"").append(label).append("\"");
      return text;
    }
    std::string operator()(const BuffersSpec& buffers) const {
      return "buffers of " + std::to_string(buffers.size_bytes) + " bytes";
    }
  } describe;
  return std::visit(describe, spec.kind);
}

// Opens the pool's file and takes up what an earlier server left in it.
bool OpenFile(NamedPool& pool, const PoolSet::Options& set, lease::LeasePool::Options& options,
              std::string& why) {
  const uint32_t capacity = options.pool.capacity;
  pool.file = store::PoolFile::Open(
      set.state->path(),
      {.name = pool.spec.name, .capacity = capacity, .description = Describe(pool.spec)},
      lease::LeaseTable::RecordBytes(capacity), why);
  if (pool.file == nullptr) return false;
  lease::LeaseTable::Recovery found;
  if (!pool.file->fresh()) {
    found = lease::LeaseTable::Recover(pool.file->records(), capacity, set.now);
  }
  options.id = 0;  // the secret is the pool's own
  options.secret = pool.file->secret();
  options.records = pool.file->records();
  options.first_fence = pool.file->BeginEpoch(found.highest_fence, why);
  if (options.first_fence == 0) return false;
  options.grace_until = pool.file->fresh() ? 0 : set.state->GraceUntil(pool.spec.ttl_max_ms);
  return true;
}

bool MakePool(NamedPool& pool, const PoolSet::Options& set, lease::LeasePool::Options options,
              std::string& why) {
  const auto* const buffers = std::get_if<BuffersSpec>(&pool.spec.kind);
  options.pool.capacity = CapacityOf(pool.spec);
  if (pool.spec.durable && !OpenFile(pool, set, options, why)) return false;
  options.pool.return_home = buffers != nullptr;
  pool.leases = lease::LeasePool::Create(options, why);
  if (pool.leases == nullptr) return false;
  if (buffers == nullptr) return true;
  pool.memory = ObjectMemory::Create({.capacity = buffers->count,
                                      .size_bytes = buffers->size_bytes,
                                      .shared = true,
                                      .slots = options.pool.slots},
                                     why);
  return pool.memory != nullptr;
}

}  // namespace

std::unique_ptr<PoolSet> PoolSet::Create(const std::vector<PoolSpec>& specs,
                                         const Options& set_options, std::string& why) {
  std::unique_ptr<PoolSet> set(new PoolSet(set_options.clock));
  lease::LeasePool::Options options;
  options.secret = lease::RandomSecret();
  options.first_fence = set_options.first_fence;
  options.on_served = set_options.on_served;
  options.pool.slots = set_options.slots;
  set->pools_.reserve(specs.size());
  for (const PoolSpec& spec : specs) {
    NamedPool& pool = set->pools_.emplace_back();
    pool.spec = spec;
    ++options.id;
    if (!MakePool(pool, set_options, options, why)) {
      why = "pool " + spec.name + ": " + why;
      return nullptr;
    }
  }
  std::ranges::sort(set->pools_, {}, [](const NamedPool& pool) { return pool.spec.name; });
  for (NamedPool& pool : set->pools_) set->by_name_.emplace(pool.spec.name, &pool);
  set->rounds_.resize(set_options.slots->slots());
  return set;
}

uint64_t PoolSet::memory_bytes() const {
  uint64_t sum = 0;
  for (const NamedPool& pool : pools_) {
    sum += uint64_t{pool.capacity()} * lease::LeasePool::kBytesPerHandle;
    if (pool.memory != nullptr) sum += pool.memory->mapped_bytes();
  }
  return sum;
}

bool PoolSet::Attach(SlotId worker, std::string& why) {
  for (const NamedPool& pool : pools_) {
    if ((pool.memory == nullptr || pool.memory->Attach(worker)) && pool.leases->Attach(worker)) {
      continue;
    }
    why =
        "pool " + pool.spec.name + ": no memory for the share of worker " + std::to_string(worker);
    return false;
  }
  return true;
}

bool PoolSet::Sweep(SlotId worker, lease::BootMs now) {
  Round& round = rounds_[worker];
  if (!round.running) {
    if (now < round.next_at) return false;
    round = {.running = true, .pool = 0, .next_at = now + kRoundMs};
  }
  for (int i = 0; i < kSweepsPerTurn && round.running; ++i) {
    const bool whole = pools_[round.pool].leases->Sweep(worker, now);
    if (whole && ++round.pool == pools_.size()) round.running = false;
  }
  return round.running;
}

bool PoolSet::Sync(std::string& why) const {
  return std::ranges::all_of(
      pools_, [&](const NamedPool& pool) { return pool.file == nullptr || pool.file->Sync(why); });
}

NamedPool* PoolSet::Find(std::string_view name) {
  constexpr std::string_view kPrefix = "pools/";
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  const auto at = by_name_.find(name);
  return at == by_name_.end() ? nullptr : at->second;
}

}  // namespace objpool::server
