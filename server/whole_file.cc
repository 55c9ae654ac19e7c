#include "server/whole_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <system_error>

namespace objpool::server {
namespace {

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// Leaves nothing open. What it could not finish is for the caller to remove.
bool WriteNewFile(const std::string& path, std::string_view text, std::string& why) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return FailAt("cannot create", path, why);
  const bool written = WriteAll(fd, text) && fsync(fd) == 0;
  if (!written) FailAt("cannot write", path, why);
  close(fd);
  return written;
}

}  // namespace

bool FailAt(std::string_view what, const std::string& path, std::string& why) {
  why = std::string(what) + " " + path + ": " + std::generic_category().message(errno);
  return false;
}

bool WriteFileWhole(const std::string& path, std::string_view text, std::string& why) {
  const std::string temporary = path + "." + std::to_string(getpid()) + ".tmp";
  // One may be left of a process that was killed; in a container, all have the same number.
  if (unlink(temporary.c_str()) != 0 && errno != ENOENT) {
    return FailAt("cannot remove", temporary, why);
  }
  bool done = WriteNewFile(temporary, text, why);
  if (done && rename(temporary.c_str(), path.c_str()) != 0)
    done = FailAt("cannot write", path, why);
  if (!done) unlink(temporary.c_str());
  return done;
}

bool SyncFolder(const std::string& path, std::string& why) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FailAt("cannot open", path, why);
  const bool synced = fsync(fd) == 0;
  if (!synced) FailAt("cannot sync", path, why);
  close(fd);
  return synced;
}

}  // namespace objpool::server
