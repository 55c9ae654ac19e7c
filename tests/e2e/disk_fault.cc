// Preloaded into objpoold: msync waits a little, as a disk does, and fails as soon as the file that
// OBJPOOL_TEST_DISK_FAULT names is there.
#include <dlfcn.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

extern "C" int msync(void* address, size_t length, int flags) {
  using Msync = int (*)(void*, size_t, int);
  static const auto real = reinterpret_cast<Msync>(dlsym(RTLD_NEXT, "msync"));
  const timespec delay = {.tv_sec = 0, .tv_nsec = 5'000'000};
  nanosleep(&delay, nullptr);
  const char* const fault = std::getenv("OBJPOOL_TEST_DISK_FAULT");
  if (fault != nullptr && access(fault, F_OK) == 0) {
    errno = EIO;
    return -1;
  }
  return real(address, length, flags);
}
