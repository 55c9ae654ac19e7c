#include "server/store/state_reader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "server/store/failed.h"

namespace objpool::store {

std::unique_ptr<FileView> FileView::Open(const std::string& path, std::string& why) {
  const auto failed = [&](const char* what) {
    why = Failed(path, what);
    return nullptr;
  };
  // A pipe of that name is not waited for.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return failed("open");
  std::unique_ptr<FileView> view(new FileView);
  struct stat status {};
  const bool looked = fstat(fd, &status) == 0;
  if (!looked || !S_ISREG(status.st_mode)) {
    if (looked) errno = EINVAL;
    close(fd);
    return failed("read");
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size != 0) {
    void* const base = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
      close(fd);
      return failed("map");
    }
    view->bytes_ = {static_cast<const std::byte*>(base), size};
  }
  close(fd);
  return view;
}

FileView::~FileView() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

std::optional<StateFiles> FilesIn(const std::string& folder, std::string& why) {
  StateFiles files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::filesystem::path name = entry->path().filename();
    if (name == "clock") files.has_clock = true;
    if (name.extension() == ".pool") files.pools.push_back(name.string());
  }
  if (error) {
    why = folder + ": cannot read: " + error.message();
    return std::nullopt;
  }
  std::ranges::sort(files.pools);
  return files;
}

}  // namespace objpool::store
