// MappedFile on the simulated disk (tests/sim/disk.h), in the place of the real
// server/store/mapped_file.h, which says what its functions do.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace objpool::sim {
struct DiskFile;
}  // namespace objpool::sim

namespace objpool::store {

class MappedFile {
 public:
  [[nodiscard]] static std::unique_ptr<MappedFile> Open(const std::string& path, std::size_t bytes,
                                                        std::string& why);
  [[nodiscard]] static std::unique_ptr<MappedFile> Make(const std::string& path, std::size_t bytes,
                                                        std::string& why);
  [[nodiscard]] static bool IsLong(const std::string& path, std::size_t bytes, std::size_t size,
                                   std::string& why) {
    if (size != bytes) why = path + ": is of another length";
    return size == bytes;
  }
  [[nodiscard]] bool Publish(std::string& why);
  [[nodiscard]] std::span<std::byte> bytes() const;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool gone() const { return false; }
  [[nodiscard]] bool Sync(std::string& why) const;

 private:
  MappedFile(std::string path, std::shared_ptr<sim::DiskFile> file)
      : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  std::shared_ptr<sim::DiskFile> file_;  // the disk has it too, and keeps it when this is gone
};

}  // namespace objpool::store
