// Files of a state_dir, damaged in every way, as a server would start on them.
//
// Whatever is in them: it is refused with a message, or mended so that no handle that somebody has
// is free, no fence comes again, and nothing is left to mend.
#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pool/base/check.h"
#include "server/lease/lease_table.h"
#include "server/store/pool_file.h"
#include "server/store/state_dir.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/state_image.h"

namespace objpool::fuzz {
namespace {

using lease::LeaseTable;
using store::PoolFile;

constexpr lease::BootMs kNow = 2000;

void ReadClock(Input input) {
  const std::string file = Damaged(WholeImage().clock, ClockBytes(), input);
  const auto look = store::StateDir::LookAtClock(std::as_bytes(std::span(file)), {'b'}, kNow);
  OBJPOOL_CHECK(look.damaged_copies <= 2, "there are two copies");
  OBJPOOL_CHECK(look.sound || look.now == 0, "nothing is believed of a damaged clock");
}

// What readers say of records: damaged ones, and the fences of those that are leased.
struct Seen {
  std::map<Handle, uint64_t> leased;
  uint32_t unsound = 0;
  uint64_t highest_fence = 0;
};

Seen Inspect(std::span<const std::byte> records) {
  Seen seen;
  LeaseTable::Inspect(records, kImageCapacity, [&seen](const LeaseTable::Inspected& record) {
    OBJPOOL_CHECK(record.handle < kImageCapacity, "there is such a handle");
    if (record.health != LeaseTable::Health::kSound) return (void)++seen.unsound;
    OBJPOOL_CHECK(record.grant.holder.size() <= lease::kMaxHolderBytes, "a holder is short");
    // Of what is out of use the fence is not asked for: each handle's rise by themselves, too.
    if (record.word.IsAt(lease::Place::kQuarantined)) return;
    seen.highest_fence = std::max(seen.highest_fence, record.grant.fence);
    if (record.word.leased()) seen.leased[record.handle] = record.grant.fence;
  });
  return seen;
}

void StartOn(std::span<std::byte> records, bool after_cut) {
  const Seen before = Inspect(records);
  const auto found = LeaseTable::Recover(records.data(), kImageCapacity, kNow, after_cut);
  const Seen mended = Inspect(records);
  // After a cut a grant may be left of which nobody knows whose it is, and readers say so.
  OBJPOOL_CHECK(after_cut || mended.unsound == 0, "nothing is left to mend");
  OBJPOOL_CHECK(
      found.leased >= mended.leased.size() && found.leased <= mended.leased.size() + mended.unsound,
      "it says how many are leased");
  OBJPOOL_CHECK(found.leased + found.quarantined <= kImageCapacity, "each handle counts once");
  OBJPOOL_CHECK(found.highest_fence >= mended.highest_fence, "it knows the highest fence");
  for (const auto& [handle, fence] : before.leased) {
    const auto still = mended.leased.find(handle);
    OBJPOOL_CHECK(after_cut || (still != mended.leased.end() && still->second == fence),
                  "who held a handle holds it");
  }
  // A pool's file begins an epoch above, and has none beyond 32 bits.
  constexpr int kCounterBits = 32;
  const uint64_t epoch = (found.highest_fence >> kCounterBits) + 1;
  if (epoch >> kCounterBits != 0) return;
  const uint64_t first_fence = epoch << kCounterBits;
  std::string why;
  const auto table = LeaseTable::Create(
      {.capacity = kImageCapacity, .first_fence = first_fence, .records = records.data()}, why);
  OBJPOOL_CHECK(table != nullptr, why.c_str());
  for (Handle handle = 0; handle < kImageCapacity; ++handle) {
    const bool free = table->IsFree(handle);
    OBJPOOL_CHECK(!(free && mended.leased.contains(handle)), "a held handle is not free");
    if (!free) continue;
    const uint64_t fence = table->Grant(handle, kNow, kNow + 1000, {.holder = "next"});
    OBJPOOL_CHECK(fence > found.highest_fence, "fences rise");
  }
}

void ReadPool(Input input) {
  const bool after_cut = (input.Byte() & 1) != 0;
  std::string file = Damaged(WholeImage().pool, PoolHeaderBytes(), input);
  const auto bytes = std::as_writable_bytes(std::span(file));
  const PoolFile::Look look = PoolFile::LookAt(bytes);
  OBJPOOL_CHECK(look.facts || !look.why.empty(), "it says what is wrong");
  std::string why;
  const bool accepted = PoolFile::Accepts(bytes, "ids.pool", ImageIdentity(),
                                          LeaseTable::RecordBytes(kImageCapacity), why);
  OBJPOOL_CHECK(accepted == why.empty(), "it says why not");
  if (!accepted) return;
  OBJPOOL_CHECK(look.why.empty(), "a reader accepts what a server does");
  // Where a server has them: in pages of their own.
  const auto records = bytes.subspan(bytes.size() - LeaseTable::RecordBytes(kImageCapacity));
  auto pages = std::make_unique<std::byte[]>(records.size() + 64);
  void* at = pages.get();
  std::size_t room = records.size() + 64;
  (void)std::align(64, records.size(), at, room);
  const std::span<std::byte> copy(static_cast<std::byte*>(at), records.size());
  std::ranges::copy(records, copy.begin());
  StartOn(copy, after_cut);
}

}  // namespace
}  // namespace objpool::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t count) {
  using namespace objpool::fuzz;
  Input input(bytes, count);
  (input.Byte() & 1) != 0 ? ReadClock(input) : ReadPool(input);
  return 0;
}
