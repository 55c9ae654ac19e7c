// Preloaded into objpoold: the wall clock is off by as many seconds as the file says that
// OBJPOOL_TEST_WALL_OFFSET names. All other clocks are right.
#include <dlfcn.h>
#include <time.h>

#include <cstdio>
#include <cstdlib>

namespace {

long Offset() {
  const char* const path = std::getenv("OBJPOOL_TEST_WALL_OFFSET");
  long offset = 0;
  if (FILE* const file = path == nullptr ? nullptr : std::fopen(path, "r")) {
    if (std::fscanf(file, "%ld", &offset) != 1) offset = 0;
    std::fclose(file);
  }
  return offset;
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) {
  using ClockGettime = int (*)(clockid_t, timespec*);
  static const auto real = reinterpret_cast<ClockGettime>(dlsym(RTLD_NEXT, "clock_gettime"));
  const int status = real(clock, time);
  if (clock == CLOCK_REALTIME) time->tv_sec += Offset();
  return status;
}
