// MappedFile: a file of one length, in memory, shared with the page cache: what is stored in it is
// there when the process is killed.
//
// Its blocks are all allocated when it is made, so that a disk that fills up later cannot take the
// memory away under a store (SIGBUS).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace objpool::store {

class MappedFile {
 public:
  // Null, with `why` naming the path: when there is no such file, its length is another than
  // `bytes`, or the system refuses. `why` is empty when there is no such file. Its name is on the
  // disk from then on.
  [[nodiscard]] static std::unique_ptr<MappedFile> Open(const std::string& path, std::size_t bytes,
                                                        std::string& why);
  // Whether a file of `size` bytes has as many as it must; with `why`, as Open, where not.
  [[nodiscard]] static bool IsLong(const std::string& path, std::size_t bytes, std::size_t size,
                                   std::string& why);
  // Makes a file of zeros under a name of its own; Publish gives it its own name, in one step, on
  // the disk. Until then it is gone when the object is.
  [[nodiscard]] static std::unique_ptr<MappedFile> Make(const std::string& path, std::size_t bytes,
                                                        std::string& why);
  [[nodiscard]] bool Publish(std::string& why);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  // Whether somebody deleted it while it is open.
  [[nodiscard]] bool gone() const;
  // Waits until the disk has what is stored now.
  [[nodiscard]] bool Sync(std::string& why) const;

 private:
  MappedFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  [[nodiscard]] bool Map(std::size_t bytes, std::string& why);

  std::string path_;
  std::string temporary_;  // its name until Publish; else empty
  int fd_;
  std::span<std::byte> bytes_;
};

}  // namespace objpool::store
