// Goal: whatever length a pool's file is cut to and whichever single bit of it flips, it is refused
// with a message, or every handle that was leased is leased by the same fence or quarantined: none
// is free, and no fence comes again.
// Method: a file of 80 KiB, damaged in every way one by one. Cut ones are real files; flipped ones
// are opened from memory, header and records, which is what a file is once it is mapped.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "server/lease/lease_table.h"
#include "server/store/pool_file.h"
#include "tests/support/temp_folder.h"

namespace objpool::store {
namespace {

using lease::BootMs;
using lease::LeaseTable;
using ::testing::HasSubstr;
using testing::ReadAll;
using testing::TempFolder;
using testing::WriteAll;

constexpr uint32_t kCapacity = 640;
constexpr BootMs kNow = 1000;
const PoolIdentity kIdentity = {.name = "ids", .capacity = kCapacity, .description = "ids from 0"};

// Under a sanitizer some of the bits, which take as long.
constexpr std::size_t kStep = kObjpoolChecked ? 61 : 1;

class PoolFileDamage : public ::testing::Test {
 protected:
  // Two lives, so that both copies of the header are used. Of the handles a tenth is held, with
  // names of all lengths and with requests or without; others were; most never were.
  PoolFileDamage() {
    for (int life = 0; life < 2; ++life) {
      std::string why;
      const auto file =
          PoolFile::Open(folder_.path(), kIdentity, LeaseTable::RecordBytes(kCapacity), why);
      EXPECT_NE(file, nullptr) << why;
      const uint64_t highest = LeaseTable::Recover(file->records(), kCapacity, kNow).highest_fence;
      const auto table = LeaseTable::Create({.capacity = kCapacity,
                                             .first_fence = file->BeginEpoch(highest, why),
                                             .records = file->records()},
                                            why);
      Use(*table, life);
    }
    whole_ = ReadAll(path());
    EXPECT_EQ(whole_.size(), std::size_t{80} << 10);
  }

  void Use(LeaseTable& table, int life) {
    for (Handle handle = 0; handle < 64; ++handle) {
      const Handle at = (handle * 5) + static_cast<Handle>(life);
      const std::string holder(handle, 'h');
      const lease::RequestHash request = {.id = handle % 3, .content = handle};
      const uint64_t fence =
          table.Grant(at, kNow, kNow + 60'000, {.holder = holder, .request = request});
      EXPECT_NE(fence, 0u);
      highest_ = std::max(highest_, fence);
      if (handle % 2 == 0) {
        held_[at] = fence;
      } else {
        EXPECT_EQ(table.Return(at, fence, kNow).outcome, lease::Outcome::kOk);
      }
    }
  }

  [[nodiscard]] std::string path() const { return folder_ / "ids.pool"; }

  // What a start would make of these bytes: refused, with `why`, or records that do no harm.
  enum class Found { kRefused, kUnharmed, kQuarantined };
  Found Start(std::span<std::byte> bytes, std::string& why) const {
    if (!PoolFile::Accepts(bytes, path(), kIdentity, LeaseTable::RecordBytes(kCapacity), why)) {
      EXPECT_NE(why, "");
      return Found::kRefused;
    }
    std::byte* const records = bytes.data() + (bytes.size() - LeaseTable::RecordBytes(kCapacity));
    const LeaseTable::Recovery found = LeaseTable::Recover(records, kCapacity, kNow);
    EXPECT_LE(found.quarantined, 1u) << "one bit is of one handle";
    EXPECT_LE(found.highest_fence, highest_) << "no fence is made up";
    const auto table = LeaseTable::Create(
        {.capacity = kCapacity, .first_fence = highest_ + 1, .records = records}, why);
    EXPECT_NE(table, nullptr) << why;
    for (const auto& [handle, fence] : held_) {
      const lease::HandleView view = table->See(handle);
      const bool kept = view.leased && view.fence == fence;
      const bool out = !view.leased && view.place == lease::Place::kQuarantined;
      EXPECT_TRUE(kept || out) << "handle " << handle;
      EXPECT_FALSE(table->IsFree(handle));
    }
    return found.quarantined == 0 ? Found::kUnharmed : Found::kQuarantined;
  }

  const TempFolder folder_;
  std::string whole_;
  std::map<Handle, uint64_t> held_;  // fence by handle
  uint64_t highest_ = 0;
};

TEST_F(PoolFileDamage, AWholeFileLosesNothing) {
  std::string bytes = whole_;
  std::string why;
  EXPECT_EQ(Start(std::as_writable_bytes(std::span(bytes)), why), Found::kUnharmed);
  EXPECT_EQ(held_.size(), 64u);
}

TEST_F(PoolFileDamage, EveryTruncationIsRefused) {
  std::string why;
  const std::string must = "must be a file of " + std::to_string(whole_.size()) + " bytes";
  for (std::size_t length = whole_.size() - 1; length < whole_.size(); --length) {
    ASSERT_EQ(truncate(path().c_str(), static_cast<off_t>(length)), 0);
    ASSERT_EQ(PoolFile::Open(folder_.path(), kIdentity, LeaseTable::RecordBytes(kCapacity), why),
              nullptr)
        << length;
    ASSERT_THAT(why, HasSubstr(must));
    ASSERT_THAT(why, HasSubstr("but has " + std::to_string(length)));
    if (length == 0) break;
  }
  // Filled up again with zeros it has its length, but its header is gone.
  ASSERT_EQ(truncate(path().c_str(), static_cast<off_t>(whole_.size())), 0);
  EXPECT_EQ(PoolFile::Open(folder_.path(), kIdentity, LeaseTable::RecordBytes(kCapacity), why),
            nullptr);
  EXPECT_THAT(why, HasSubstr("the header is damaged"));
}

TEST_F(PoolFileDamage, EveryFlippedBitIsFoundOrDoesNoHarm) {
  std::string memory = whole_;
  const auto bytes = std::as_writable_bytes(std::span(memory));
  const auto pristine = std::as_bytes(std::span(whole_));
  std::map<Found, std::size_t> found;
  std::string why;
  for (std::size_t bit = 0; bit < whole_.size() * 8; bit += kStep) {
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    ++found[Start(bytes, why)];
    ASSERT_FALSE(HasFailure()) << "bit " << bit;
    std::ranges::copy(pristine, bytes.begin());
  }
  EXPECT_EQ(found[Found::kRefused], 0u) << "one of two copies of the header is always sound";
  // The word, the fence and the rest of the details of each that is held: 24 bytes, and its name.
  if (kStep == 1) {
    EXPECT_GE(found[Found::kQuarantined], held_.size() * 24 * 8);
  }
}

// Where the newer copy is lost, the older one knows of one epoch less than the records.
TEST_F(PoolFileDamage, SecretAndFencesGoOnWhicheverBitOfTheHeaderFlips) {
  std::string why;
  const auto open_it = [&] {
    return PoolFile::Open(folder_.path(), kIdentity, LeaseTable::RecordBytes(kCapacity), why);
  };
  const lease::Secret secret = open_it()->secret();
  std::string records = whole_.substr(4096);
  const uint64_t highest =
      LeaseTable::Recover(reinterpret_cast<std::byte*>(records.data()), kCapacity, kNow)
          .highest_fence;
  const int fd = open(path().c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  // Two copies of less than 512 bytes are all that is read of it.
  constexpr std::size_t kCopyBits = std::size_t{512} * 8;
  for (std::size_t at = 0; at < 2 * kCopyBits; at += kStep) {
    const std::size_t bit = at < kCopyBits ? at : at + kCopyBits;
    const auto byte =
        static_cast<char>(static_cast<unsigned char>(whole_[bit / 8]) ^ (1u << (bit % 8)));
    ASSERT_EQ(pwrite(fd, &byte, 1, static_cast<off_t>(bit / 8)), 1);
    {
      const auto file = open_it();
      ASSERT_NE(file, nullptr) << "bit " << bit << ": " << why;
      ASSERT_EQ(file->secret(), secret) << "bit " << bit;
      ASSERT_GT(file->BeginEpoch(highest, why), highest_) << "bit " << bit;
    }
    ASSERT_EQ(pwrite(fd, whole_.data(), 4096, 0), 4096);
  }
  close(fd);
}

TEST_F(PoolFileDamage, AHeaderWithBothCopiesDamagedIsRefused) {
  for (const std::size_t byte : {8u, 100u, 300u}) {
    std::string bytes = whole_;
    bytes[byte] ^= 1;
    bytes[1024 + byte] ^= 1;
    std::string why;
    EXPECT_EQ(Start(std::as_writable_bytes(std::span(bytes)), why), Found::kRefused);
    EXPECT_THAT(why, HasSubstr("the header is damaged"));
    WriteAll(path(), bytes);
    EXPECT_EQ(PoolFile::Open(folder_.path(), kIdentity, LeaseTable::RecordBytes(kCapacity), why),
              nullptr);
    EXPECT_EQ(ReadAll(path()), bytes) << "it is left as it was";
  }
}

}  // namespace
}  // namespace objpool::store
