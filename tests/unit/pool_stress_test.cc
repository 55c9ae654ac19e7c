// Goal: no handle is ever in two hands, lost, or missing when a pop says that there is none.
// Method: threads lease and return as fast as they can; one ownership bit for each handle traps a
// double grant at once, and `capacity == threads x most held` makes every "none" a lie.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "pool/pool.h"
#include "tests/support/fake_topology.h"
#include "tests/support/thread_team.h"

namespace objpool {
namespace {

struct Variant {
  uint32_t threads;
  uint32_t held;  // at most, by each thread
  bool batches;
  bool slot_lock = false;
  int rounds = 60'000;  // of each thread
};

class PoolStress : public ::testing::TestWithParam<Variant> {};

// Marks handles taken and given; counts what must not happen.
class Ownership {
 public:
  explicit Ownership(uint32_t capacity) : taken_(new std::atomic<bool>[capacity]()) {}
  void Take(Handle handle) {
    if (taken_[handle].exchange(true)) ++violations;
  }
  void Give(Handle handle) {
    if (!taken_[handle].exchange(false)) ++violations;
  }
  std::atomic<uint64_t> violations{0};

 private:
  std::unique_ptr<std::atomic<bool>[]> taken_;
};

void Churn(Pool& pool, Ownership& own, SlotId slot, const Variant& v, int rounds, uint64_t& empty) {
  std::minstd_rand random(slot + 1);
  std::vector<Handle> held;
  for (int i = 0; i < rounds; ++i) {
    const auto room = static_cast<uint32_t>(v.held - held.size());
    const uint32_t want = v.batches ? 1 + static_cast<uint32_t>(random() % v.held) : 1;
    if (want <= room && random() % 2 == 0) {
      std::vector<Handle> got(want);
      const uint32_t n = pool.PopBatch(slot, got, want);
      if (n == 0) ++empty;
      for (uint32_t k = 0; k < n; ++k) {
        own.Take(got[k]);
        held.push_back(got[k]);
      }
    } else if (!held.empty()) {
      const auto back = std::min<std::size_t>(want, held.size());
      const auto from = held.end() - static_cast<std::ptrdiff_t>(back);
      for (auto h = from; h != held.end(); ++h) own.Give(*h);
      pool.PushBatch(slot, std::vector<Handle>(from, held.end()));
      held.erase(from, held.end());
    }
  }
  for (const Handle handle : held) own.Give(handle);
  pool.PushBatch(slot, held);
}

TEST_P(PoolStress, NeverDoublesLosesOrDenies) {
  const Variant v = GetParam();
  const uint32_t capacity = v.threads * v.held;
  std::string why;
  const auto pool = Pool::Create(
      {.capacity = capacity, .slots = testing::FlatSlots(v.threads), .slot_lock = v.slot_lock},
      why);
  ASSERT_NE(pool, nullptr) << why;
  pool->AttachAll();
  Ownership own(capacity);
  std::vector<uint64_t> empty(v.threads);
  testing::RunTeam(v.threads, [&](uint32_t t) { Churn(*pool, own, t, v, v.rounds, empty[t]); });
  EXPECT_EQ(own.violations, 0u);
  for (const uint64_t denied : empty) EXPECT_EQ(denied, 0u);
  EXPECT_EQ(pool->free(), capacity);
  pool->Adopt(0);
  std::set<Handle> all;
  for (Handle h = pool->Pop(0); h != kNoHandle; h = pool->Pop(0)) all.insert(h);
  EXPECT_EQ(all.size(), capacity) << "handles were lost";
}

INSTANTIATE_TEST_SUITE_P(
    Variants, PoolStress,
    ::testing::Values(Variant{2, 64, false}, Variant{2, 64, true}, Variant{8, 8, false},
                      Variant{8, 8, true}, Variant{4, 1, false}, Variant{2, 64, false, true},
                      Variant{8, 8, true, true}, Variant{3, 300, true}, Variant{16, 40, true},
                      Variant{64, 2, false, false, 3000}, Variant{64, 16, true, false, 3000}));

}  // namespace
}  // namespace objpool
