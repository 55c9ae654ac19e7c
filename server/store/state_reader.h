// Reads a state_dir without a server: of a copy, of a folder that nobody has, and of one that a
// server is using. Nothing is ever written, locked for longer than a look, or made.
//
// What the files mean is asked of those who own them: StateDir::LookAtClock, PoolFile::LookAt,
// LeaseTable::Inspect.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace objpool::store {

// A file as it is, in memory that cannot be written to.
class FileView {
 public:
  // Null, with `why` naming the path, when it is no plain file or cannot be read.
  [[nodiscard]] static std::unique_ptr<FileView> Open(const std::string& path, std::string& why);
  ~FileView();
  FileView(const FileView&) = delete;
  FileView& operator=(const FileView&) = delete;

  // Changes while a server writes to it.
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  FileView() = default;

  std::span<const std::byte> bytes_;
};

// The files of a folder, by their names and in order.
struct StateFiles {
  bool has_clock = false;
  std::vector<std::string> pools;  // "ids.pool"
};
// Empty, with `why`, when it cannot be read.
[[nodiscard]] std::optional<StateFiles> FilesIn(const std::string& folder, std::string& why);

}  // namespace objpool::store
