// Goal: Lease, Renew and Return take no memory from the heap, however many there are and wherever
// their handles come from. Method: operator new counts while it is asked to.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <string>

#include "server/lease/lease_pool.h"
#include "tests/support/fake_topology.h"

namespace {

thread_local bool counting = false;
thread_local int allocations = 0;

}  // namespace

void* operator new(std::size_t bytes) {
  if (counting) ++allocations;
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*bytes*/) noexcept { std::free(memory); }

namespace objpool::lease {
namespace {

TEST(LeaseAllocation, ThereIsNone) {
  constexpr uint32_t kCapacity = 5000;
  for (const bool labelled : {false, true}) {
    LeasePool::Options options;
    options.pool = {.capacity = kCapacity, .slots = testing::FlatSlots(2)};
    if (labelled) options.labels = {{0, kCapacity / 2, {{"k", "a"}}}};
    options.quota = {.handles = kCapacity, .calls_per_s = 1000};
    options.on_served = [](Waiter&) {};
    std::string why;
    const auto pool = LeasePool::Create(options, why);
    for (SlotId s = 0; s < 2; ++s) ASSERT_TRUE(pool->Attach(s));
    static std::array<GrantRef, kMaxBatch> refs;
    static std::array<Verdict, kMaxBatch> verdicts;
    counting = true;
    for (const uint32_t count : {1u, 7u, 64u, kMaxBatch}) {
      // Over and over, all from one worker, which has to steal, and back to the other one.
      for (uint32_t round = 0; round < 3 * kCapacity / count; ++round) {
        const BootMs now = 1000 + round;
        const auto out = std::span(refs).first(count);
        const auto admission = pool->quotas().Admit(7, count, count, now * 1000);
        const LeasePool::Wish wish = {.min_count = count,
                                      .ttl_ms = 1000,
                                      .holder = "somebody",
                                      .request = {1, 2},
                                      .tenant = admission.tenant};
        ASSERT_EQ(pool->Lease(0, wish, now, out), count);
        const auto said = std::span(verdicts).first(count);
        pool->Renew(0, out, 1000, now, said);
        pool->Return(1, out, now, said);
        ASSERT_EQ(verdicts[count - 1].outcome, Outcome::kOk);
      }
    }
    counting = false;
    EXPECT_EQ(allocations, 0);
  }
}

}  // namespace
}  // namespace objpool::lease
