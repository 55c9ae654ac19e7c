// Making a pool, attaching its slots, and what it tells about itself.
#include "pool/pool.h"

#include <algorithm>
#include <cstddef>
#include <new>
#include <numeric>
#include <utility>

namespace objpool {
namespace {

// Half a magazine, in handles. Two of them in each slot hide half of all handles at most; fewer
// than eight are not worth a block.
constexpr uint32_t kMinBatch = 8;

uint32_t BatchFor(uint32_t capacity, uint32_t slots) {
  return std::clamp(capacity / (4 * slots), kMinBatch, kMaxBlockHandles);
}

// Blocks that a slot has beyond what its share fills: one in the hands of its owner, one in those
// of somebody who brings handles home, and one that is begun.
constexpr uint32_t kSpareBlocks = 3;

std::size_t StrideOf(uint32_t batch) {
  constexpr std::size_t kHalfLine = base::kCacheLineBytes / 2;
  const std::size_t bytes = sizeof(Block<Sync>) + (batch * sizeof(Handle));
  return (bytes + kHalfLine - 1) / kHalfLine * kHalfLine;
}

// ThreadSanitizer knows nothing of heavy fences; the lock it understands.
constexpr bool kCanBias =
#ifdef __SANITIZE_THREAD__
    false;
#else
    true;
#endif

SlotStats::ByDistance Values(const StealCounters& counters) {
  SlotStats::ByDistance out{};
  for (std::size_t i = 0; i < kStealDistances; ++i) out[i] = counters[i].value();
  return out;
}

bool OnOneNode(const SlotMap& map) {
  for (SlotId s = 1; s < map.slots(); ++s) {
    if (map.owner(s).node != map.owner(0).node) return false;
  }
  return true;
}

// Whether the slot after this one is on another node.
bool EndsNode(const SlotMap& map, SlotId slot) {
  return slot + 1 < map.slots() && map.owner(slot).node != map.owner(slot + 1).node;
}

// Whether they are handles, in rising order, and none twice.
bool AreRanges(std::span<const Share> ranges, uint32_t capacity) {
  uint32_t end = 0;
  for (const auto& [first, last] : ranges) {
    if (first < end || first >= last || last > capacity) return false;
    end = last;
  }
  return true;
}

uint32_t CountOf(std::span<const Share> ranges) {
  uint32_t count = 0;
  for (const auto& [first, last] : ranges) count += last - first;
  return count;
}

uint64_t Sum(const SlotStats::ByDistance& counts) {
  uint64_t sum = 0;
  for (const uint64_t count : counts) sum += count;
  return sum;
}

}  // namespace

static_assert(sizeof(Block<Sync>) + (kMaxBlockHandles * sizeof(Handle)) == 256);
static_assert(2 * kMaxBlockHandles < 256, "a magazine is small enough to be moved in one go");

std::unique_ptr<Pool> Pool::Create(const Options& options, std::string& why) {
  if (options.slots == nullptr) {
    why = "slots must be set";
    return nullptr;
  }
  if (options.capacity < 1 || options.capacity > kMaxCapacity) {
    why = "capacity must be 1 .. " + std::to_string(kMaxCapacity) + ", got " +
          std::to_string(options.capacity);
    return nullptr;
  }
  if (!AreRanges(options.members, options.capacity)) {
    why = "members must be ranges of 0 .. " + std::to_string(options.capacity - 1) +
          ", each behind the one before";
    return nullptr;
  }
  std::unique_ptr<Pool> pool(new Pool(options));
  if (pool->slot_memory_.empty() || pool->block_memory_.empty()) {
    why = "no memory for capacity " + std::to_string(options.capacity) + " in " +
          std::to_string(options.slots->slots()) + " slots";
    return nullptr;
  }
  return pool;
}

Pool::Pool(const Options& options)
    : capacity_(options.capacity),
      return_home_(options.return_home && !OnOneNode(*options.slots)),
      members_(options.members.empty() ? std::vector<Share>{{0, options.capacity}}
                                       : options.members),
      biased_(kCanBias && !options.slot_lock && EnableHeavyFence()),
      batch_(BatchFor(CountOf(members_), options.slots->slots())),
      room_(2 * batch_),
      born_(ForkGeneration()),
      map_(options.slots),
      slot_memory_(SlotOffset(*map_, map_->slots())),
      block_memory_(std::size_t{FirstBlock(map_->slots()) - 1} * StrideOf(batch_)),
      blocks_(block_memory_.base(), StrideOf(batch_)),
      slot_at_(new std::atomic<Slot*>[map_->slots()]()) {
  if (kObjpoolChecked) free_ = std::make_unique<std::atomic<bool>[]>(capacity_);
}

Pool::~Pool() {
  for (SlotId s = 0; s < map_->slots(); ++s) {
    if (Slot* const slot = Find(s)) std::destroy_at(slot);
  }
}

// A sixteenth more than handles fill, because not every block is full.
uint32_t Pool::BlocksOf(uint32_t share) const {
  const uint32_t filled = (share + batch_ - 1) / batch_;
  return filled + (filled / 16) + kSpareBlocks;
}

// The number of a slot's first block. Blocks of one node are neighbours and begin on a page of
// their own, as slots do. For the number of slots: one more than there are blocks.
uint32_t Pool::FirstBlock(SlotId slot) const {
  const auto blocks_per_page =
      static_cast<uint32_t>(PageBytes() / std::gcd(PageBytes(), StrideOf(batch_)));
  uint32_t blocks = 0;
  for (SlotId s = 0; s < slot; ++s) {
    const auto [first, last] = ShareOf(capacity_, map_->slots(), s);
    blocks += BlocksOf(last - first);
    if (EndsNode(*map_, s)) {
      blocks = (blocks + blocks_per_page - 1) / blocks_per_page * blocks_per_page;
    }
  }
  return blocks + 1;
}

// Slots of one node are neighbours and begin on a page of their own, so that only that node touches
// the page.
std::size_t Pool::SlotOffset(const SlotMap& map, SlotId slot) {
  std::size_t offset = 0;
  for (SlotId s = 0; s < slot; ++s) {
    offset += sizeof(Slot);
    if (EndsNode(map, s)) offset = RoundUpToPages(offset);
  }
  return offset;
}

void Pool::Attach(SlotId slot) {
  Attach(slot, [](Handle) { return true; });
}

std::vector<Share> Pool::MembersIn(Share share) const {
  std::vector<Share> parts;
  for (const auto& [first, last] : members_) {
    const Share part = {std::max(first, share.first), std::min(last, share.last)};
    if (part.first < part.last) parts.push_back(part);
  }
  return parts;
}

void Pool::Attach(SlotId slot, const IsFree& is_free) {
  OBJPOOL_CHECK(slot < map_->slots(), "the slot is in the map");
  OBJPOOL_CHECK(Find(slot) == nullptr, "a slot is attached once");
  const std::vector<Share> parts = MembersIn(ShareOf(capacity_, map_->slots(), slot));
  auto* const own = new (slot_memory_.base() + SlotOffset(*map_, slot))
      Slot({.pool = *this,
            .biased = biased_,
            .handle_end = capacity_,
            .push_room = return_home_ ? 0 : room_},
           slot);
  // The lowest handles go into the magazine, the lowest on top. Nobody else sees the slot yet.
  std::array<Handle, kMaxBlockHandles> top;
  uint32_t warm = 0;
  Handle cold = 0;
  for (auto part = parts.begin(); part != parts.end() && warm < batch_; ++part) {
    for (cold = part->first; cold < part->last && warm < batch_; ++cold) {
      if (is_free(cold)) top[warm++] = cold;
    }
  }
  std::reverse(top.begin(), top.begin() + warm);
  own->magazine.Load(std::span(top).first(warm));
  own->attached += warm;
  AttachBlocks(*own, parts, cold, is_free);
  if (kObjpoolChecked) {
    for (const auto& [first, last] : parts) {
      for (Handle handle = first; handle < last; ++handle) free_[handle].store(is_free(handle));
    }
  }
  slot_at_[slot].store(own, std::memory_order_release);  // R1 -> A1
}

// Puts the free handles of a slot from `cold` on into blocks, the highest first, and makes its
// empty ones.
void Pool::AttachBlocks(Slot& own, std::span<const Share> parts, Handle cold,
                        const IsFree& is_free) {
  uint32_t next_block = FirstBlock(own.id);
  const uint32_t end_block = next_block + BlocksOf(CountOf(parts));
  Block<Sync>* block = nullptr;
  const auto close = [&] {
    if (block == nullptr) return;
    own.attached += block->count;
    own.depot.full.Push(blocks_, next_block++);
    block = nullptr;
  };
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    for (Handle handle = part->last; handle > std::max(part->first, cold);) {
      if (!is_free(--handle)) continue;
      if (block == nullptr) block = new (&blocks_[next_block]) Block<Sync>;
      block->handles()[block->count++] = handle;
      if (block->count == batch_) close();
    }
  }
  close();
  for (; next_block < end_block; ++next_block) {
    new (&blocks_[next_block]) Block<Sync>;
    own.depot.empty.Push(blocks_, next_block);
  }
}

SlotStats& SlotStats::operator+=(const SlotStats& other) {
  occupancy += other.occupancy;
  pushes += other.pushes;
  local_hits += other.local_hits;
  depot_hits += other.depot_hits;
  misses += other.misses;
  for (std::size_t d = 0; d < kStealDistances; ++d) {
    acquired_by_steal[d] += other.acquired_by_steal[d];
    stolen_by[d] += other.stolen_by[d];
    stolen_from[d] += other.stolen_from[d];
  }
  return *this;
}

void Pool::AttachAll() {
  for (SlotId s = 0; s < map_->slots(); ++s) Attach(s);
}

namespace {

// An address that no other running thread has.
const void* ThisThread() {
  static thread_local char here;
  return &here;
}

}  // namespace

void Pool::Adopt(SlotId slot) {
  OBJPOOL_CHECK(slot < map_->slots() && Find(slot) != nullptr, "a slot is attached before its use");
  Find(slot)->owner.store(ThisThread(), std::memory_order_relaxed);
}

void Pool::CheckOwner(Slot& slot) const {
  OBJPOOL_CHECK(born_ == ForkGeneration(),
                "a pool is not used in a child of the process that made it");
  const void* const self = ThisThread();
  const void* owner = nullptr;
  if (slot.owner.compare_exchange_strong(owner, self, std::memory_order_relaxed)) return;
  OBJPOOL_CHECK(owner == self, "a slot is used by its owner only");
}

void Pool::CheckPush(Handle handle) {
  OBJPOOL_CHECK(!free_[handle].exchange(true), "a handle that is free is not pushed");
}

void Pool::CheckPop(Handle handle) {
  if (handle == kNoHandle) return;
  OBJPOOL_CHECK(free_[handle].exchange(false), "a handle in a slot is free");
}

SlotStats Pool::Stats(SlotId slot) const {
  OBJPOOL_CHECK(slot < map_->slots(), "the slot is in the map");
  const Slot* const s = Find(slot);
  if (s == nullptr) return {};
  const auto magazine = s->magazine.counts();
  SlotStats stats{.pushes = magazine.pushed + s->direct_pushes.value() +
                            s->depot.pushes_from_elsewhere.load(std::memory_order_relaxed),
                  .local_hits = magazine.popped + s->batch_hits.value(),
                  .depot_hits = s->depot_hits.value(),
                  .misses = s->misses.value(),
                  .acquired_by_steal = Values(s->acquired_by_steal),
                  .stolen_by = Values(s->stolen_by)};
  for (std::size_t i = 0; i < kStealDistances; ++i) {
    stats.stolen_from[i] = s->depot.stolen_from[i].load(std::memory_order_relaxed);
  }
  const uint64_t in = s->attached + stats.pushes + Sum(stats.stolen_by);
  const uint64_t out =
      Sum(stats.acquired_by_steal) + stats.local_hits + stats.depot_hits + Sum(stats.stolen_from);
  // While the pool works, the counters are of slightly different moments.
  stats.occupancy = in > out ? std::min<uint64_t>(in - out, capacity_) : 0;
  return stats;
}

uint64_t Pool::free() const {
  uint64_t sum = 0;
  for (SlotId s = 0; s < map_->slots(); ++s) sum += Stats(s).occupancy;
  return std::min<uint64_t>(sum, capacity_);
}

}  // namespace objpool
