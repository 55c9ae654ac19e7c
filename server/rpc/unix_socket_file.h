// UnixSocketFile: the file of a Unix socket that this server listens on. Made anew where a server
// that is gone has left one, never in the place of one that listens; removed at the end, unless
// somebody else's is there by then.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace objpool::rpc {

class UnixSocketFile {
 public:
  // Connecting needs the right to write, which the server's user and its group have.
  static constexpr mode_t kMode = 0660;
  // As many bytes as a path may have; a byte less than the system's, which ends with a NUL.
  static constexpr std::size_t kMaxPathBytes = 107;
  // Connections that are there and not taken yet; of TCP's listeners too.
  static constexpr int kBacklog = 1024;

  // Makes the path free and holds it against other servers. Null, with `why`, where it is taken
  // or cannot be had.
  [[nodiscard]] static std::unique_ptr<UnixSocketFile> Claim(const std::string& path,
                                                             std::string& why);
  ~UnixSocketFile();
  UnixSocketFile(const UnixSocketFile&) = delete;
  UnixSocketFile& operator=(const UnixSocketFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  // A socket that listens there, not blocking, for the caller to close; -1, with `why`, when it
  // cannot be had.
  [[nodiscard]] int Listen(std::string& why);
  // Somebody else has bound a socket there for us. False, with `why`, when it is not there.
  [[nodiscard]] bool Adopt(std::string& why);

 private:
  UnixSocketFile(std::string path, int claim) : path_(std::move(path)), claim_(claim) {}

  const std::string path_;
  const int claim_;  // a socket whose name stands for the path
  dev_t device_ = 0;
  ino_t inode_ = 0;  // 0: there is no file of ours
};

}  // namespace objpool::rpc
