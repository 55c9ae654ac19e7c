// The kernel's algorithm: a ring for each thread; a pop that finds it empty goes on by number.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/bench/pool/contender.h"
#include "tests/bench/pool/kernel_ring.h"
#include "tests/bench/pool/run_cell.h"

namespace objpool::bench {
namespace {

template <bool kPadded>
class KernelPool {
 public:
  using Item = Handle;
  static constexpr Item kNone = kNoHandle;
  static constexpr uint32_t kThreads = std::numeric_limits<uint32_t>::max();
  static constexpr bool kConserves = true;

  explicit KernelPool(const Shape& shape) {
    for (uint32_t t = 0; t < shape.threads; ++t) {
      rings_.push_back(std::make_unique<KernelRing<kPadded>>(shape.capacity));
    }
  }

  class Worker {
   public:
    Worker(KernelPool& pool, uint32_t thread) : pool_(pool), own_(thread) {}

    Item Pop() {
      const std::size_t rings = pool_.rings_.size();
      std::size_t at = own_;
      for (std::size_t tried = 0; tried < rings; ++tried) {
        const Handle handle = pool_.rings_[at]->Pop();
        if (handle != kNoHandle) return handle;
        if (++at == rings) at = 0;
      }
      return kNoHandle;
    }
    void Push(Item item) { pool_.rings_[own_]->Push(item); }
    void Fill(std::span<const uint32_t> share) {
      for (const uint32_t handle : share) Push(handle);
    }

   private:
    KernelPool& pool_;
    const std::size_t own_;
  };

 private:
  std::vector<std::unique_ptr<KernelRing<kPadded>>> rings_;
};

}  // namespace

void AddKernel(Contenders& to) {
  to.push_back(std::make_unique<ContenderOf<KernelPool<false>>>(std::string(kKernelName)));
  to.push_back(std::make_unique<ContenderOf<KernelPool<true>>>("kernel objpool padded"));
}

}  // namespace objpool::bench
