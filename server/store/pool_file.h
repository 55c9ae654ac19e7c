// PoolFile: what outlives a server of one pool: who it is, its secret, its epoch, and its records.
//
// The first page is the header, twice (twin.h); the records follow, in the layout of LeaseTable,
// which also says how they are mended. Numbers are as the machine has them: a file does not move to
// a machine of another byte order, and says so.
//
// Fences are (epoch, counter), 32 bits each, compared as one number. Each open begins a new epoch,
// which is on the disk before the first grant, so fences rise whatever becomes of the records.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "server/lease/grant_key.h"
#include "server/store/mapped_file.h"

namespace objpool::store {

// What the handles of a pool are: grants of one pool mean nothing in another.
struct PoolIdentity {
  std::string name;         // 1 .. 63 bytes
  uint32_t capacity = 0;    // handles
  std::string description;  // of what they stand for, in full: "ids from 0", "labels a, b"
};

// What a file says of itself. Without its secret.
struct PoolFacts {
  uint64_t version = 0;
  uint64_t capacity = 0;
  uint64_t record_bytes = 0;
  uint64_t epoch = 0;
  std::string name;
  std::string description;
  bool description_is_whole = false;  // else it is the beginning of a longer one
};

class PoolFile {
 public:
  // Opens the file of a pool in `folder`, or makes it. Null, with `why`: when it is damaged, of
  // another version, or of a pool whose handles were others. It is not changed then.
  [[nodiscard]] static std::unique_ptr<PoolFile> Open(const std::string& folder,
                                                      const PoolIdentity& identity,
                                                      std::size_t record_bytes, std::string& why);

  // Whether a file of these bytes would be opened so; with `why`, which begins with `path`, where
  // not.
  [[nodiscard]] static bool Accepts(std::span<const std::byte> file, const std::string& path,
                                    const PoolIdentity& identity, std::size_t record_bytes,
                                    std::string& why);

  // The same for readers who know of no pool.
  struct Look {
    std::optional<PoolFacts> facts;  // empty where the header is damaged, or of something else
    int damaged_copies = 0;          // of the header, of two
    std::string why;                 // the file cannot be of use, and why
  };
  [[nodiscard]] static Look LookAt(std::span<const std::byte> file);
  // The part of a file that Accepts, or LookAt finds nothing wrong with.
  [[nodiscard]] static std::span<const std::byte> RecordsOf(std::span<const std::byte> file) {
    return file.subspan(kHeaderBytes);
  }

  // Of no earlier server: the records are zeros.
  [[nodiscard]] bool fresh() const { return fresh_; }
  [[nodiscard]] std::byte* records() const { return file_->bytes().data() + kHeaderBytes; }
  [[nodiscard]] const lease::Secret& secret() const { return header_.secret; }
  [[nodiscard]] const std::string& path() const { return file_->path(); }

  // Whether the pool was draining when somebody last said so, over restarts.
  [[nodiscard]] bool draining() const { return header_.draining != 0; }
  void SetDraining(bool draining);

  // Whether the server before this one answered only for what was on the disk.
  [[nodiscard]] bool was_on_disk() const { return header_.on_disk != 0; }

  // Begins the epoch after those of all earlier opens and of `highest_fence`, and waits until the
  // disk has it: after a power cut no other may begin the same. The fence to go on from; 0, with
  // `why`, when the disk does not take it. `on_disk`: see was_on_disk.
  [[nodiscard]] uint64_t BeginEpoch(uint64_t highest_fence, std::string& why, bool on_disk = false);
  // Waits until the disk has all of it.
  [[nodiscard]] bool Sync(std::string& why) const { return file_->Sync(why); }

 private:
  static constexpr std::size_t kHeaderBytes = 4096;
  static constexpr uint64_t kMagic = 0x314c4f4f504a424f;  // "OBJPOOL1", little-endian
  static constexpr uint64_t kVersion = 4;

  // As it is in the file.
  struct Header {
    uint64_t magic = kMagic;
    uint64_t version = kVersion;
    uint64_t capacity = 0;
    uint64_t record_bytes = 0;
    uint64_t description_sum = 0;  // checksum of PoolIdentity::description
    uint64_t epoch = 0;
    uint64_t draining = 0;
    uint64_t on_disk = 0;
    lease::Secret secret{};
    std::array<char, 64> name{};
    std::array<char, 256> description{};  // its beginning, for people
  };

  explicit PoolFile(std::unique_ptr<MappedFile> file) : file_(std::move(file)) {}
  void Begin(const PoolIdentity& identity, std::size_t record_bytes);
  [[nodiscard]] static bool Check(const std::optional<Header>& header, const std::string& path,
                                  const PoolIdentity& identity, std::size_t record_bytes,
                                  std::string& why);

  const std::unique_ptr<MappedFile> file_;
  Header header_;
  bool fresh_ = false;
};

}  // namespace objpool::store
