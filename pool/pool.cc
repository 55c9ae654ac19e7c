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
  if (options.is_member && (options.members < 1 || options.members > options.capacity)) {
    why = "members must be 1 .. " + std::to_string(options.capacity) + ", got " +
          std::to_string(options.members);
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
      is_member_(options.is_member),
      biased_(kCanBias && !options.slot_lock && EnableHeavyFence()),
      batch_(
          BatchFor(options.is_member ? options.members : options.capacity, options.slots->slots())),
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

void Pool::Attach(SlotId slot, const IsFree& is_free) {
  const auto [first, last] = ShareOf(capacity_, map_->slots(), slot);
  if (!is_member_) {
    AttachMembers(slot, last - first, is_free);
    return;
  }
  uint32_t members = 0;
  for (Handle handle = first; handle < last; ++handle) members += is_member_(handle) ? 1u : 0u;
  AttachMembers(slot, members,
                [&](Handle handle) { return is_member_(handle) && is_free(handle); });
}

void Pool::AttachMembers(SlotId slot, uint32_t members, const IsFree& is_free) {
  OBJPOOL_CHECK(slot < map_->slots(), "the slot is in the map");
  OBJPOOL_CHECK(Find(slot) == nullptr, "a slot is attached once");
  const auto [first, last] = ShareOf(capacity_, map_->slots(), slot);
  auto* const own = new (slot_memory_.base() + SlotOffset(*map_, slot))
      Slot({.pool = *this,
            .biased = biased_,
            .handle_end = capacity_,
            .push_room = return_home_ ? 0 : room_},
           slot);
  uint32_t next_block = FirstBlock(slot);
  const uint32_t end_block = next_block + BlocksOf(members);
  // The lowest handles go into the magazine, the lowest on top. Nobody else sees the slot yet.
  std::array<Handle, kMaxBlockHandles> top;
  uint32_t warm = 0;
  Handle cold = first;
  for (; cold < last && warm < batch_; ++cold) {
    if (is_free(cold)) top[warm++] = cold;
  }
  for (Handle handle = last; handle > cold;) {
    Block<Sync>& block = *new (&blocks_[next_block]) Block<Sync>;
    while (block.count < batch_ && handle > cold) {
      if (is_free(--handle)) block.handles()[block.count++] = handle;
    }
    if (block.count == 0) break;
    own->attached += block.count;
    own->depot.full.Push(blocks_, next_block++);
  }
  std::reverse(top.begin(), top.begin() + warm);
  own->magazine.Load(std::span(top).first(warm));
  own->attached += warm;
  for (; next_block < end_block; ++next_block) {
    new (&blocks_[next_block]) Block<Sync>;
    own->depot.empty.Push(blocks_, next_block);
  }
  if (kObjpoolChecked) {
    for (Handle handle = first; handle < last; ++handle) free_[handle].store(is_free(handle));
  }
  slot_at_[slot].store(own, std::memory_order_release);  // R1 -> A1
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
