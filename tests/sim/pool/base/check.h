// The checks of pool/base/check.h, for programs that are simulated: one that fails is a finding,
// with its seed and its trace, and not the end of the simulator. README.md says how.
#pragma once

namespace objpool::base {

// Never returns: what failed is left as a crash would leave it. tests/sim/fibers.cc.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition, const char* why);

}  // namespace objpool::base

#define OBJPOOL_CHECK(condition, why) \
  ((condition) ? void(0) : ::objpool::base::CheckFailed(__FILE__, __LINE__, #condition, why))

#ifdef OBJPOOL_CHECKED
#define OBJPOOL_DCHECK(condition, why) OBJPOOL_CHECK(condition, why)
inline constexpr bool kObjpoolChecked = true;
#else
#define OBJPOOL_DCHECK(condition, why) void(0)
inline constexpr bool kObjpoolChecked = false;
#endif
