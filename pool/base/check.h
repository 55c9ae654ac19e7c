// Checks for what only a bug of ours or of a caller can break: they print and abort.
//
// Errors by kind, in all rooms:
//   a bug                   OBJPOOL_CHECK, the process ends
//   expected in the core    an enum class that the caller must look at
//   expected at the edge    absl::Status or the transport's status
//   bad configuration       refuse to start, naming the key, its limit and its value
#pragma once

#include <cstdio>
#include <cstdlib>

namespace objpool::base {

[[noreturn]] inline void CheckFailed(const char* file, int line, const char* condition,
                                     const char* why) {
  std::fprintf(stderr, "%s:%d: check failed: %s: %s\n", file, line, condition, why);
  std::abort();
}

}  // namespace objpool::base

// Always on. `why` tells the reader of a crash what rule was broken.
#define OBJPOOL_CHECK(condition, why) \
  ((condition) ? void(0) : ::objpool::base::CheckFailed(__FILE__, __LINE__, #condition, why))

// On in the checked build (presets dev, asan, tsan) only.
#ifdef OBJPOOL_CHECKED
#define OBJPOOL_DCHECK(condition, why) OBJPOOL_CHECK(condition, why)
inline constexpr bool kObjpoolChecked = true;
#else
#define OBJPOOL_DCHECK(condition, why) void(0)
inline constexpr bool kObjpoolChecked = false;
#endif
