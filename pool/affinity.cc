#include "pool/affinity.h"

#include <sched.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>

namespace objpool {
namespace {

// A mask that is wide enough for any kernel: CONFIG_NR_CPUS ends at 8192.
constexpr std::size_t kMaskCpus = 8192;

struct MaskDeleter {
  void operator()(cpu_set_t* mask) const { CPU_FREE(mask); }
};
using Mask = std::unique_ptr<cpu_set_t, MaskDeleter>;

constexpr std::size_t kMaskBytes = CPU_ALLOC_SIZE(kMaskCpus);

}  // namespace

bool PinThisThread(uint32_t cpu, std::string& why) {
  const Mask mask(CPU_ALLOC(kMaskCpus));
  if (mask == nullptr || cpu >= kMaskCpus) {
    why = "no CPU mask for CPU " + std::to_string(cpu);
    return false;
  }
  CPU_ZERO_S(kMaskBytes, mask.get());
  CPU_SET_S(cpu, kMaskBytes, mask.get());
  if (sched_setaffinity(0, kMaskBytes, mask.get()) == 0) return true;
  why = "cannot pin to CPU " + std::to_string(cpu) + ": " + std::strerror(errno);
  return false;
}

std::vector<uint32_t> AllowedCpus() {
  std::vector<uint32_t> cpus;
  const Mask mask(CPU_ALLOC(kMaskCpus));
  if (mask == nullptr || sched_getaffinity(0, kMaskBytes, mask.get()) != 0) return cpus;
  for (uint32_t cpu = 0; cpu < kMaskCpus; ++cpu) {
    if (CPU_ISSET_S(cpu, kMaskBytes, mask.get())) cpus.push_back(cpu);
  }
  return cpus;
}

}  // namespace objpool
