// DPDK: rte_mempool with a cache for each lcore, and rte_ring for many producers and consumers.
//
// The EAL needs neither huge pages nor devices for this, and worker threads become lcores by
// rte_thread_register, which is what gives them a cache.
#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "pool/base/check.h"
#include "pool/pool.h"
#include "tests/bench/pool/contender.h"
#include "tests/bench/pool/run_cell.h"

namespace objpool::bench {
namespace {

// The main thread is an lcore too.
constexpr uint32_t kMaxLcores = RTE_MAX_LCORE - 1;

// The calling thread is an lcore for as long as this lives.
class Lcore {
 public:
  Lcore() { OBJPOOL_CHECK(rte_thread_register() == 0, "a thread becomes an lcore"); }
  ~Lcore() { rte_thread_unregister(); }
  Lcore(const Lcore&) = delete;
  Lcore& operator=(const Lcore&) = delete;
};

// Of one thread: as large as can be, up to DPDK's common choice, without hiding handles that other
// threads want. A cache keeps up to 1.5 times its size.
unsigned CacheSize(const Shape& shape) {
  constexpr uint32_t kCommon = 256;
  const uint32_t spare = shape.capacity - std::min(shape.capacity, shape.held);
  return std::clamp(2 * spare / (3 * shape.threads), 1u, kCommon);
}

class MempoolPool {
 public:
  using Item = void*;
  static constexpr void* kNone = nullptr;
  static constexpr uint32_t kThreads = kMaxLcores;
  static constexpr bool kConserves = true;

  explicit MempoolPool(const Shape& shape)
      : mempool_(rte_mempool_create("pool_bench", shape.capacity, sizeof(Line), CacheSize(shape), 0,
                                    nullptr, nullptr, &SetNumber, nullptr, SOCKET_ID_ANY, 0)) {
    OBJPOOL_CHECK(mempool_ != nullptr, "DPDK has memory for a mempool");
  }
  ~MempoolPool() { rte_mempool_free(mempool_); }
  MempoolPool(const MempoolPool&) = delete;
  MempoolPool& operator=(const MempoolPool&) = delete;

  [[nodiscard]] static uint32_t Number(Item item) { return static_cast<Line*>(item)->number; }

  class Worker {
   public:
    Worker(MempoolPool& pool, uint32_t) : mempool_(pool.mempool_) {}

    Item Pop() {
      void* object = nullptr;
      return rte_mempool_get(mempool_, &object) == 0 ? object : nullptr;
    }
    void Push(Item item) { rte_mempool_put(mempool_, item); }
    uint32_t PopBatch(Item* items, uint32_t count) {
      return rte_mempool_get_bulk(mempool_, items, count) == 0 ? count : 0;
    }
    void PushBatch(const Item* items, uint32_t count) {
      rte_mempool_put_bulk(mempool_, items, count);
    }
    void Fill(std::span<const uint32_t> share) { Reorder(*this, share.size(), kNone); }
    void Flush() {
      rte_mempool_cache_flush(rte_mempool_default_cache(mempool_, rte_lcore_id()), mempool_);
    }

   private:
    Lcore lcore_;
    rte_mempool* const mempool_;
  };

 private:
  static void SetNumber(rte_mempool*, void*, void* object, unsigned number) {
    static_cast<Line*>(object)->number = number;
  }

  rte_mempool* const mempool_;
};

// In the default mode (MP/MC) each thread waits for those that came before it, running or not: with
// 8 threads on 2 CPUs that took 0.4 to 0.7 ms a pair, so such cells are for the relaxed mode (RTS),
// as DPDK's documentation advises.
template <bool kRelaxed>
class RingPool {
 public:
  using Item = Handle;
  static constexpr Item kNone = kNoHandle;
  static constexpr uint32_t kThreads = kRelaxed ? kMaxLcores : 2;
  static constexpr bool kConserves = true;

  explicit RingPool(const Shape& shape)
      : ring_(rte_ring_create_elem("pool_bench", sizeof(Handle), shape.capacity, SOCKET_ID_ANY,
                                   RING_F_EXACT_SZ | kMode)) {
    OBJPOOL_CHECK(ring_ != nullptr, "DPDK has memory for a ring");
  }
  ~RingPool() { rte_ring_free(ring_); }
  RingPool(const RingPool&) = delete;
  RingPool& operator=(const RingPool&) = delete;

  class Worker {
   public:
    Worker(RingPool& pool, uint32_t) : ring_(pool.ring_) {}

    Item Pop() {
      Handle handle = kNoHandle;
      return rte_ring_dequeue_elem(ring_, &handle, sizeof(handle)) == 0 ? handle : kNoHandle;
    }
    // A relaxed ring looks full while a thread that is about to pop does not run.
    void Push(Item item) { PushBatch(&item, 1); }
    uint32_t PopBatch(Item* items, uint32_t count) {
      return rte_ring_dequeue_bulk_elem(ring_, items, sizeof(Handle), count, nullptr);
    }
    void PushBatch(const Item* items, uint32_t count) {
      Waiting waiting;
      while (rte_ring_enqueue_bulk_elem(ring_, items, sizeof(Handle), count, nullptr) == 0) {
        waiting.Once();
      }
    }
    void Fill(std::span<const uint32_t> share) {
      for (const uint32_t handle : share) Push(handle);
    }

   private:
    rte_ring* const ring_;
  };

 private:
  static constexpr unsigned kMode = kRelaxed ? RING_F_MP_RTS_ENQ | RING_F_MC_RTS_DEQ : 0;

  rte_ring* const ring_;
};

}  // namespace

bool AddDpdk(Contenders& to, uint32_t cpu) {
  std::array<std::string, 9> words = {
      "pool_bench",  "--no-huge",         "--no-pci",
      "--no-shconf", "--no-telemetry",    "-m",
      "256",         "--log-level=error", "--lcores=0@" + std::to_string(cpu)};
  std::array<char*, words.size()> arguments{};
  for (std::size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
  // The EAL pins the thread that starts it.
  cpu_set_t before;
  if (sched_getaffinity(0, sizeof(before), &before) != 0) return false;
  if (rte_eal_init(static_cast<int>(arguments.size()), arguments.data()) < 0) return false;
  (void)sched_setaffinity(0, sizeof(before), &before);
  to.push_back(std::make_unique<ContenderOf<MempoolPool>>("rte_mempool+cache"));
  to.push_back(std::make_unique<ContenderOf<RingPool<false>>>("rte_ring MP/MC"));
  to.push_back(std::make_unique<ContenderOf<RingPool<true>>>("rte_ring RTS"));
  return true;
}

}  // namespace objpool::bench
