#include "server/store/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "server/store/failed.h"

namespace objpool::store {
namespace {

constexpr mode_t kOwnerOnly = 0600;  // it has the secret of the keys

// A new name in a folder is on the disk when the folder is.
bool SyncFolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool synced = fsync(fd) == 0;
  close(fd);
  return synced;
}

}  // namespace

std::unique_ptr<MappedFile> MappedFile::Open(const std::string& path, std::size_t bytes,
                                             std::string& why) {
  why.clear();
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) {
    if (errno != ENOENT) why = Failed(path, "open");
    return nullptr;
  }
  std::unique_ptr<MappedFile> file(new MappedFile(path, fd));
  struct stat status {};
  if (fstat(fd, &status) != 0) {
    why = Failed(path, "look at");
    return nullptr;
  }
  const std::size_t size = S_ISREG(status.st_mode) ? static_cast<std::size_t>(status.st_size) : 0;
  if (!IsLong(path, bytes, size, why)) return nullptr;
  // Who made it may have been stopped when its name was there, and not yet on the disk.
  if (!SyncFolderOf(path)) {
    why = Failed(path, "write the folder of");
    return nullptr;
  }
  return file->Map(bytes, why) ? std::move(file) : nullptr;
}

bool MappedFile::IsLong(const std::string& path, std::size_t bytes, std::size_t size,
                        std::string& why) {
  if (size == bytes) return true;
  why = path + ": must be a file of " + std::to_string(bytes) + " bytes, but has " +
        std::to_string(size);
  return false;
}

std::unique_ptr<MappedFile> MappedFile::Make(const std::string& path, std::size_t bytes,
                                             std::string& why) {
  const std::string temporary = path + ".new";
  (void)unlink(temporary.c_str());  // what a process left that was killed in here
  const int fd =
      open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kOwnerOnly);
  if (fd < 0) {
    why = Failed(temporary, "make");
    return nullptr;
  }
  std::unique_ptr<MappedFile> file(new MappedFile(path, fd));
  file->temporary_ = temporary;
  const int error = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  if (error != 0) {
    errno = error;
    why = Failed(temporary, "reserve") + " (" + std::to_string(bytes) + " bytes)";
    return nullptr;
  }
  return file->Map(bytes, why) ? std::move(file) : nullptr;
}

bool MappedFile::Map(std::size_t bytes, std::string& why) {
  void* const base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (base == MAP_FAILED) {
    why = Failed(path_, "map");
    return false;
  }
  bytes_ = {static_cast<std::byte*>(base), bytes};
  return true;
}

bool MappedFile::Publish(std::string& why) {
  if (!Sync(why)) return false;
  if (rename(temporary_.c_str(), path_.c_str()) != 0 || !SyncFolderOf(path_)) {
    why = Failed(path_, "name");
    return false;
  }
  temporary_.clear();
  return true;
}

bool MappedFile::gone() const {
  struct stat status {};
  return fstat(fd_, &status) != 0 || status.st_nlink == 0;
}

bool MappedFile::Sync(std::string& why) const {
  if (msync(bytes_.data(), bytes_.size(), MS_SYNC) == 0) return true;
  why = Failed(path_, "write");
  return false;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
  if (!temporary_.empty()) (void)unlink(temporary_.c_str());
  close(fd_);
}

}  // namespace objpool::store
