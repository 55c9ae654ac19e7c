#include "server/store/pool_file.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "pool/base/check.h"
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
    return pool->Check(identity, record_bytes, why) ? std::move(pool) : nullptr;
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
  header_.secret = lease::RandomSecret();
  CopyText(identity.name, header_.name);
  CopyText(identity.description, header_.description);
  Twin<Header>(file_->bytes().first(kHeaderBytes)).Write(header_);
  fresh_ = true;
}

bool PoolFile::Check(const PoolIdentity& identity, std::size_t record_bytes, std::string& why) {
  const std::optional<Header> header = Twin<Header>(file_->bytes().first(kHeaderBytes)).Read();
  const std::string path = file_->path();
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
    header_ = *header;
    return true;
  }
  return false;
}

uint64_t PoolFile::BeginEpoch(uint64_t highest_fence, std::string& why) {
  constexpr int kCounterBits = 32;
  header_.epoch = std::max(header_.epoch, highest_fence >> kCounterBits) + 1;
  OBJPOOL_CHECK(header_.epoch >> kCounterBits == 0, "four thousand million starts are enough");
  Twin<Header>(file_->bytes().first(kHeaderBytes)).Write(header_);
  return file_->Sync(why) ? header_.epoch << kCounterBits : 0;
}

}  // namespace objpool::store
