#include "tests/fuzz/state_image.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "pool/base/check.h"
#include "server/lease/lease_table.h"
#include "server/store/checksum.h"
#include "server/store/state_dir.h"
#include "tests/support/temp_folder.h"

namespace objpool::fuzz {
namespace {

using lease::LeaseTable;

constexpr lease::BootMs kNow = 1000;
// Of server/store/twin.h: two copies, each a checksum of all behind it, a number and the value.
constexpr std::size_t kCopyBytes = 1024;
constexpr std::size_t kSumBytes = 8;
constexpr std::size_t kNumberBytes = 8;

// Enough to be beyond any border; more takes longer only.
constexpr std::size_t kMostGrowth = 4096;
constexpr std::size_t kMostBytes = 40'000;

uint64_t SumAt(const std::string& file, std::size_t copy, std::size_t value_bytes) {
  const auto bytes = std::as_bytes(std::span(file)).subspan(copy * kCopyBytes + kSumBytes);
  return store::Checksum(bytes.first(kNumberBytes + value_bytes));
}

void MendSums(std::string& file, std::size_t value_bytes) {
  for (std::size_t copy = 0; copy < 2; ++copy) {
    if (file.size() < (copy + 1) * kCopyBytes) return;
    const uint64_t sum = SumAt(file, copy, value_bytes);
    std::memcpy(file.data() + copy * kCopyBytes, &sum, sizeof(sum));
  }
}

// How long the value is of which a sound copy has the sum. So nothing here has to know it.
std::size_t ValueBytes(const std::string& file) {
  uint64_t sum = 0;
  std::memcpy(&sum, file.data(), sizeof(sum));
  for (std::size_t bytes = 0; bytes < kCopyBytes - kSumBytes - kNumberBytes; ++bytes) {
    if (SumAt(file, 0, bytes) == sum) return bytes;
  }
  OBJPOOL_CHECK(false, "a sound copy has a sum");
  return 0;
}

void UseHandles(LeaseTable& table) {
  for (Handle handle = 0; handle < kImageCapacity / 2; ++handle) {
    const std::string holder(handle, 'h');
    const lease::RequestHash request = {.id = handle % 3, .content = handle};
    const uint64_t fence =
        table.Grant(handle, kNow, kNow + 60'000, {.holder = holder, .request = request});
    OBJPOOL_CHECK(fence != 0, "a handle that is free can be leased");
    if (handle % 3 == 0) (void)table.Return(handle, fence, kNow);
    if (handle % 3 == 1 && handle % 2 == 0) (void)table.Revoke(handle, fence, kNow);
  }
}

StateImage MakeImage() {
  const testing::TempFolder folder;
  std::string why;
  {
    const auto file = store::PoolFile::Open(folder.path(), ImageIdentity(),
                                            LeaseTable::RecordBytes(kImageCapacity), why);
    OBJPOOL_CHECK(file != nullptr, why.c_str());
    const auto table = LeaseTable::Create({.capacity = kImageCapacity,
                                           .first_fence = file->BeginEpoch(0, why),
                                           .records = file->records()},
                                          why);
    OBJPOOL_CHECK(table != nullptr, why.c_str());
    UseHandles(*table);
  }
  StateImage image;
  image.pool = testing::ReadAll(folder / "ids.pool");
  const auto dir = store::StateDir::Open(folder / "state", {'b'}, kNow, why);
  OBJPOOL_CHECK(dir != nullptr, why.c_str());
  dir->Beat(kNow);
  image.clock = testing::ReadAll(folder / "state/clock");
  return image;
}

}  // namespace

store::PoolIdentity ImageIdentity() {
  return {.name = "ids", .capacity = kImageCapacity, .description = "ids from 7"};
}

const StateImage& WholeImage() {
  static const auto* const image = new StateImage(MakeImage());
  return *image;
}

std::size_t PoolHeaderBytes() {
  static const std::size_t bytes = ValueBytes(WholeImage().pool);
  return bytes;
}

std::size_t ClockBytes() {
  static const std::size_t bytes = ValueBytes(WholeImage().clock);
  return bytes;
}

std::string Damaged(const std::string& whole, std::size_t value_bytes, Input& input) {
  enum Kind : uint8_t { kChange, kChangeAndMend, kCut, kGrow, kReplace, kKinds };
  std::string file = whole;
  while (!input.empty()) {
    const auto kind = static_cast<Kind>(input.Byte() % kKinds);
    const std::size_t at = input.Pair();
    if (kind == kReplace) return std::string(input.Rest());
    if (kind == kCut) file.resize(std::min(file.size(), at));
    if (kind == kGrow && file.size() < kMostBytes) file.resize(file.size() + (at % kMostGrowth));
    if (kind != kChange && kind != kChangeAndMend) continue;
    const std::string_view bytes = input.Piece();
    if (at + bytes.size() <= file.size()) file.replace(at, bytes.size(), bytes);
    if (kind == kChangeAndMend) MendSums(file, value_bytes);
  }
  return file;
}

}  // namespace objpool::fuzz
