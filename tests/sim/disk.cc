#include "tests/sim/disk.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "server/store/mapped_file.h"
#include "tests/sim/step.h"

namespace objpool::sim {

Disk* the_disk = nullptr;

namespace {

constexpr std::size_t kHeaderBytes = 4096;

}  // namespace

bool DiskFile::IsDirty(std::size_t sector) const {
  const std::byte* const now = memory.base() + (sector * kSectorBytes);
  if (std::memcmp(now, device.data() + (sector * kSectorBytes), kSectorBytes) == 0) return false;
  const auto& lost = given_up[sector];
  return lost.empty() || std::memcmp(now, lost.data(), kSectorBytes) != 0;
}

void DiskFile::WriteBack(std::size_t sector) {
  const std::size_t at = sector * kSectorBytes;
  std::memcpy(device.data() + at, memory.base() + at, kSectorBytes);
  given_up[sector].clear();
}

void DiskFile::GiveUp(std::size_t sector) {
  const std::byte* const now = memory.base() + (sector * kSectorBytes);
  given_up[sector].assign(now, now + kSectorBytes);
}

bool Disk::Fails(uint32_t one_in) {
  if (!random_->OneIn(one_in)) return false;
  ++failures_;
  return true;
}

void Disk::WriteSome(uint32_t one_in) {
  for (const auto& [path, file] : names_) {
    for (std::size_t sector = 0; sector < file->sectors(); ++sector) {
      if (file->IsDirty(sector) && random_->OneIn(one_in)) file->WriteBack(sector);
    }
  }
}

void Disk::CutPower() {
  // What was on its way may have arrived: nothing of it, all, or a part.
  constexpr std::array<uint32_t, 5> kArrived = {0, 0, 1, 2, 5};
  WriteSome(kArrived[random_->Below(kArrived.size())]);
  for (auto name = names_.begin(); name != names_.end();) {
    const auto on_device = names_on_device_.find(name->first);
    if (on_device != names_on_device_.end()) {
      name->second = on_device->second;
    } else if (faults_.gives_up && random_->OneIn(2)) {
      names_on_device_.insert(*name);
    } else {
      name = names_.erase(name);
      continue;
    }
    ++name;
  }
  for (const auto& [path, file] : names_) {
    std::ranges::copy(file->device, file->memory.base());
    for (auto& lost : file->given_up) lost.clear();
  }
}

void Disk::Remember() {
  headers_.clear();
  for (const auto& [path, file] : names_) {
    const auto header = file->bytes().first(kHeaderBytes);
    headers_[path].assign(header.begin(), header.end());
  }
}

void Disk::TearHeaders() {
  for (const auto& [path, before] : headers_) {
    const auto named = names_.find(path);
    if (named == names_.end()) continue;
    const auto now = named->second->bytes().first(kHeaderBytes);
    uint64_t changed = 0;
    for (std::size_t at = 0; at < now.size(); ++at) changed += now[at] != before[at] ? 1u : 0u;
    uint64_t kept = random_->Below(changed + 1);
    for (std::size_t at = 0; at < now.size(); ++at) {
      if (now[at] == before[at]) continue;
      if (kept == 0) now[at] = before[at];
      if (kept != 0) --kept;
    }
  }
}

std::shared_ptr<DiskFile> Disk::Open(const std::string& path) const {
  const auto named = names_.find(path);
  return named == names_.end() ? nullptr : named->second;
}

std::shared_ptr<DiskFile> Disk::Make(std::size_t bytes) {
  if (Fails(faults_.no_space_one_in)) return nullptr;
  auto file = std::make_shared<DiskFile>(bytes);
  return file->memory.empty() ? nullptr : file;
}

bool Disk::Sync(DiskFile& file) {
  const bool fails = Fails(faults_.io_error_one_in);
  for (std::size_t sector = 0; sector < file.sectors(); ++sector) {
    if (!file.IsDirty(sector)) continue;
    Step();
    if (!fails || random_->OneIn(3)) {
      file.WriteBack(sector);
    } else if (faults_.gives_up && random_->OneIn(2)) {
      file.GiveUp(sector);
    }
  }
  return !fails;
}

bool Disk::Publish(const std::string& path, const std::shared_ptr<DiskFile>& file) {
  if (!Sync(*file)) return false;
  Step();
  names_[path] = file;
  return SyncName(path);
}

bool Disk::SyncName(const std::string& path) {
  Step();
  if (Fails(faults_.io_error_one_in)) return false;
  names_on_device_[path] = names_.at(path);
  return true;
}

}  // namespace objpool::sim

namespace objpool::store {

std::unique_ptr<MappedFile> MappedFile::Open(const std::string& path, std::size_t bytes,
                                             std::string& why) {
  why.clear();
  auto file = sim::the_disk->Open(path);
  if (file == nullptr) return nullptr;
  if (file->length != bytes) {
    why = path + ": has another length";
    return nullptr;
  }
  if (!sim::the_disk->SyncName(path)) {
    why = path + ": cannot write the folder of: input/output error";
    return nullptr;
  }
  return std::unique_ptr<MappedFile>(new MappedFile(path, std::move(file)));
}

std::unique_ptr<MappedFile> MappedFile::Make(const std::string& path, std::size_t bytes,
                                             std::string& why) {
  auto file = sim::the_disk->Make(bytes);
  if (file == nullptr) {
    why = path + ": cannot reserve: no space left";
    return nullptr;
  }
  return std::unique_ptr<MappedFile>(new MappedFile(path, std::move(file)));
}

bool MappedFile::Publish(std::string& why) {
  if (sim::the_disk->Publish(path_, file_)) return true;
  why = path_ + ": cannot name";
  return false;
}

std::span<std::byte> MappedFile::bytes() const { return file_->bytes(); }

bool MappedFile::Sync(std::string& why) const {
  if (sim::the_disk->Sync(*file_)) return true;
  why = path_ + ": cannot write: input/output error";
  return false;
}

}  // namespace objpool::store
