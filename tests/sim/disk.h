// Disk: files as a machine has them: in the page cache, which outlives a process, and on the
// device, which outlives a power cut.
//
// The device has sectors. Each is written whole or not at all, in any order, whenever the kernel
// likes; a sync writes all that differ, and may fail: then some are written. Where the faults say
// so, some are given up too: the kernel takes them for clean, as Linux does, until somebody writes
// to them again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pool/mapped_memory.h"
#include "tests/sim/random.h"

namespace objpool::sim {

constexpr std::size_t kSectorBytes = 512;

struct DiskFile {
  explicit DiskFile(std::size_t bytes)
      : memory(bytes), length(bytes), device(bytes), given_up(bytes / kSectorBytes) {}

  [[nodiscard]] std::span<std::byte> bytes() const { return {memory.base(), length}; }
  [[nodiscard]] std::size_t sectors() const { return length / kSectorBytes; }
  [[nodiscard]] bool IsDirty(std::size_t sector) const;
  void WriteBack(std::size_t sector);
  void GiveUp(std::size_t sector);

  MappedMemory memory;
  std::size_t length;
  std::vector<std::byte> device;
  // By sector: what was in it when the kernel gave it up; empty where it did not.
  std::vector<std::vector<std::byte>> given_up;
};

class Disk {
 public:
  struct Faults {
    uint32_t no_space_one_in = 0;  // of files that are made
    uint32_t io_error_one_in = 0;  // of syncs
    bool gives_up = false;         // what it could not write
  };
  void SetFaults(const Faults& faults) { faults_ = faults; }
  // Where chance comes from, from now on.
  void SetRandom(Random& random) { random_ = &random; }

  // What the kernel does on its own.
  void WriteSome(uint32_t one_in);
  // The machine stops: what was not written is lost.
  void CutPower();
  // A process is killed while it copies a header into its page: of what changed in the first page
  // of each file since Remember, only the beginning is there. For a page with one copy at most.
  void Remember();
  void TearHeaders();

  [[nodiscard]] std::shared_ptr<DiskFile> Open(const std::string& path) const;
  // Waits until the device has the name. False when it fails.
  [[nodiscard]] bool SyncName(const std::string& path);
  [[nodiscard]] std::shared_ptr<DiskFile> Make(std::size_t bytes);
  [[nodiscard]] bool Sync(DiskFile& file);
  [[nodiscard]] bool Publish(const std::string& path, const std::shared_ptr<DiskFile>& file);
  // How often something failed.
  [[nodiscard]] uint64_t failures() const { return failures_; }

 private:
  using Names = std::map<std::string, std::shared_ptr<DiskFile>>;
  [[nodiscard]] bool Fails(uint32_t one_in);

  Names names_;
  Names names_on_device_;
  std::map<std::string, std::vector<std::byte>> headers_;
  Faults faults_;
  Random* random_ = nullptr;
  uint64_t failures_ = 0;
};

// The disk of the world that runs, for the simulated MappedFile.
extern Disk* the_disk;

}  // namespace objpool::sim
