#include "server/store/pool_file.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "pool/base/check.h"
#include "server/lease/lease_table.h"
#include "server/store/checksum.h"
#include "server/store/twin.h"

namespace objpool::store {
namespace {

uint64_t SumOf(std::string_view text) {
  return Checksum(std::as_bytes(std::span(text.data(), text.size())));
}

template <std::size_t kBytes>
void CopyText(std::string_view from, std::array<char, kBytes>& to) {
  std::ranges::copy(from.substr(0, kBytes - 1), to.begin());
}

// Where the epochs of a new file begin: above those of an earlier file of the same pool, which
// began a second or more before for each start that it saw, so that fences rise over that too.
uint64_t SecondsSince2020() {
  constexpr int64_t kYear2020 = 1'577'836'800;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count() - kYear2020;
  return static_cast<uint64_t>(std::clamp<int64_t>(seconds, 0, int64_t{1} << 31));
}

constexpr const char* kWhatToDo =
    "; move the file away to begin anew: its grants are then forgotten, so wait until they have "
    "run out";

}  // namespace

std::unique_ptr<PoolFile> PoolFile::Open(const std::string& folder, const PoolIdentity& identity,
                                         std::size_t record_bytes, std::string& why) {
  OBJPOOL_CHECK(!identity.name.empty() && identity.name.size() < sizeof(Header::name),
                "the configuration refuses other names");
  const std::string path = folder + "/" + identity.name + ".pool";
  const std::size_t bytes = kHeaderBytes + record_bytes;
  if (auto file = MappedFile::Open(path, bytes, why)) {
    std::unique_ptr<PoolFile> pool(new PoolFile(std::move(file)));
    const auto header = Twin<Header>::ReadFrom(pool->file_->bytes().first(kHeaderBytes));
    if (!Check(header, path, identity, record_bytes, why)) return nullptr;
    pool->header_ = *header;
    return pool;
  }
  if (!why.empty()) {
    why += kWhatToDo;
    return nullptr;
  }
  auto file = MappedFile::Make(path, bytes, why);
  if (file == nullptr) return nullptr;
  std::unique_ptr<PoolFile> pool(new PoolFile(std::move(file)));
  pool->Begin(identity, record_bytes);
  return pool->file_->Publish(why) ? std::move(pool) : nullptr;
}

void PoolFile::Begin(const PoolIdentity& identity, std::size_t record_bytes) {
  header_.capacity = identity.capacity;
  header_.record_bytes = record_bytes;
  header_.description_sum = SumOf(identity.description);
  header_.epoch = SecondsSince2020();
  header_.secret = lease::RandomSecret();
  CopyText(identity.name, header_.name);
  CopyText(identity.description, header_.description);
  Twin<Header>(file_->bytes().first(kHeaderBytes)).Write(header_);
  fresh_ = true;
}

bool PoolFile::Check(const std::optional<Header>& header, const std::string& path,
                     const PoolIdentity& identity, std::size_t record_bytes, std::string& why) {
  if (!header) {
    why = path + ": the header is damaged" + kWhatToDo;
  } else if (header->magic != kMagic || header->version != kVersion) {
    why = path + ": must be of version " + std::to_string(kVersion) + ", but is of version " +
          std::to_string(header->version) + kWhatToDo;
  } else if (header->name.back() != '\0' || identity.name != header->name.data()) {
    why = path + ": is of another pool" + kWhatToDo;
  } else if (header->capacity != identity.capacity || header->record_bytes != record_bytes ||
             header->description_sum != SumOf(identity.description)) {
    why = path + ": was made for " + std::to_string(header->capacity) + " handles, " +
          std::string(header->description.data()) + ", but the configuration says " +
          std::to_string(identity.capacity) + " handles, " + identity.description.substr(0, 255) +
          kWhatToDo;
  } else {
    return true;
  }
  return false;
}

void PoolFile::SetDraining(bool draining) {
  header_.draining = draining ? 1 : 0;
  Twin<Header>(file_->bytes().first(kHeaderBytes)).Write(header_);
}

bool PoolFile::Accepts(std::span<const std::byte> file, const std::string& path,
                       const PoolIdentity& identity, std::size_t record_bytes, std::string& why) {
  if (!MappedFile::IsLong(path, kHeaderBytes + record_bytes, file.size(), why)) {
    why += kWhatToDo;
    return false;
  }
  return Check(Twin<Header>::ReadFrom(file.first(kHeaderBytes)), path, identity, record_bytes, why);
}

PoolFile::Look PoolFile::LookAt(std::span<const std::byte> file) {
  Look look;
  if (file.size() < kHeaderBytes) {
    look.why = "it has " + std::to_string(file.size()) + " bytes, too few for a header";
    return look;
  }
  const auto page = file.first(kHeaderBytes);
  look.damaged_copies = Twin<Header>::DamagedIn(page);
  const std::optional<Header> header = Twin<Header>::ReadFrom(page);
  if (!header || header->magic != kMagic) {
    look.why = header ? "it is no pool's" : "both copies of the header are damaged";
    return look;
  }
  PoolFacts& facts = look.facts.emplace();
  facts.version = header->version;
  if (header->version != kVersion) {
    look.why = "it must be of version " + std::to_string(kVersion) + ", but is of version " +
               std::to_string(header->version);
    return look;
  }
  facts.capacity = header->capacity;
  facts.record_bytes = header->record_bytes;
  facts.epoch = header->epoch;
  facts.name = header->name.data();
  facts.description = header->description.data();
  facts.description_is_whole = SumOf(facts.description) == header->description_sum;
  if (header->capacity < 1 || header->capacity > kMaxCapacity ||
      header->record_bytes !=
          lease::LeaseTable::RecordBytes(static_cast<uint32_t>(header->capacity))) {
    look.why = "its records are those of another kind of machine";
  } else if (file.size() != kHeaderBytes + header->record_bytes) {
    look.why = "it must have " + std::to_string(kHeaderBytes + header->record_bytes) +
               " bytes, but has " + std::to_string(file.size());
  }
  return look;
}

uint64_t PoolFile::BeginEpoch(uint64_t highest_fence, std::string& why, bool on_disk) {
  constexpr int kCounterBits = 32;
  header_.epoch = std::max(header_.epoch, highest_fence >> kCounterBits) + 1;
  header_.on_disk = on_disk ? 1 : 0;
  OBJPOOL_CHECK(header_.epoch >> kCounterBits == 0, "four thousand million starts are enough");
  Twin<Header>(file_->bytes().first(kHeaderBytes)).Write(header_);
  return file_->Sync(why) ? header_.epoch << kCounterBits : 0;
}

}  // namespace objpool::store
