// What tests/golden/run.sh counts the instructions of: `golden_counts OPERATION` does it kCalls
// times, each in one call of a function named Measured..., and callgrind looks at nothing else.
//
// Without an operation it lists them, or says why counts mean nothing in this build and exits with
// kSkipped.
#include <array>
#include <cstdint>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "pool/base/check.h"
#include "pool/pool.h"
#include "pool/typed_pool.h"
#include "server/lease/lease_pool.h"
#include "tests/support/fake_topology.h"

namespace objpool {

constexpr int kCalls = 1000;  // run.sh divides by it
constexpr int kSkipped = 77;
constexpr uint32_t kCapacity = 1024;
constexpr uint32_t kBatch = 32;

using Batch = std::array<Handle, kBatch>;
using Buffers = TypedPool<std::array<uint64_t, 8>>;

// What a caller's compiler makes of one operation, with the call itself and the return.
[[gnu::noinline]] Handle MeasuredPop(Pool& pool) { return pool.Pop(0); }
[[gnu::noinline]] void MeasuredPush(Pool& pool, Handle handle) { pool.Push(0, handle); }
[[gnu::noinline]] void MeasuredPair(Pool& pool) { pool.Push(0, pool.Pop(0)); }
[[gnu::noinline]] void MeasuredLocalPair(Pool::Local local) { local.Push(local.Pop()); }
[[gnu::noinline]] void MeasuredBatch(Pool& pool, Batch& batch) {
  (void)pool.PopBatch(0, batch, kBatch);
  pool.PushBatch(0, batch);
}
[[gnu::noinline]] void MeasuredLease(lease::LeasePool& pool) {
  lease::GrantRef ref;
  (void)pool.Lease(0, {.min_count = 1, .ttl_ms = 1000, .holder = "somebody"}, 1, {&ref, 1});
  lease::Verdict verdict;
  pool.Return(0, {&ref, 1}, 1, {&verdict, 1});
}
[[gnu::noinline]] void MeasuredBorrow(Buffers& pool) { (void)pool.Borrow(0); }

namespace {

// One slot whose magazine has handles and room for more, so that no call leaves it.
std::unique_ptr<Pool> MakePool(const std::string& engine) {
  std::string why;
  auto pool = Pool::Create(
      {.capacity = kCapacity, .slots = testing::FlatSlots(1), .slot_lock = engine == "slot_lock"},
      why);
  OBJPOOL_CHECK(pool != nullptr && engine == pool->engine(), "the engine that is measured");
  pool->AttachAll();
  return pool;
}

template <typename Body>
void Repeat(Body body) {
  for (int call = 0; call < kCalls; ++call) body();
}

void Pop() {
  const auto pool = MakePool("biased");
  Repeat([&] { pool->Push(0, MeasuredPop(*pool)); });
}

void Push() {
  const auto pool = MakePool("biased");
  Repeat([&] { MeasuredPush(*pool, pool->Pop(0)); });
}

void Pair(const char* engine) {
  const auto pool = MakePool(engine);
  Repeat([&] { MeasuredPair(*pool); });
}

void LocalPair() {
  const auto pool = MakePool("biased");
  Repeat([&] { MeasuredLocalPair(pool->At(0)); });
}

void BatchPair() {
  const auto pool = MakePool("biased");
  Batch batch;
  Repeat([&] { MeasuredBatch(*pool, batch); });
}

void Borrow() {
  std::string why;
  const auto pool = Buffers::Create(
      {.capacity = kCapacity, .slots = testing::FlatSlots(1), .init = {}, .release = {}}, why);
  OBJPOOL_CHECK(pool != nullptr && pool->AttachAll(), "there is memory");
  Repeat([&] { MeasuredBorrow(*pool); });
}

void LeaseAndReturn() {
  lease::LeasePool::Options options;
  options.pool = {.capacity = kCapacity, .slots = testing::FlatSlots(1)};
  std::string why;
  const auto pool = lease::LeasePool::Create(options, why);
  OBJPOOL_CHECK(pool != nullptr && pool->Attach(0), "there is memory");
  Repeat([&] { MeasuredLease(*pool); });
}

const std::map<std::string_view, std::function<void()>> kOperations = {
    {"biased_pop", Pop},
    {"biased_push", Push},
    {"biased_pair", [] { Pair("biased"); }},
    {"biased_local_pair", LocalPair},
    {"biased_batch_32_pair", BatchPair},
    {"slot_lock_pair", [] { Pair("slot_lock"); }},
    {"typed_borrow", Borrow},
    {"lease_and_return", LeaseAndReturn},
};

// Empty where the golden counts are of builds like this one.
std::string WhyNot() {
#if !defined(__x86_64__)
  return "they are of x86-64";
#elif !defined(__GNUC__) || defined(__clang__) || __GNUC__ != 12
  return "they are of GCC 12, and this is " __VERSION__;
#else
  const std::string_view build_type = OBJPOOL_BUILD_TYPE;
  if (build_type != "Release" || kObjpoolChecked) return "they are of the preset release";
  return "";
#endif
}

}  // namespace
}  // namespace objpool

int main(int argc, char** argv) {
  if (const std::string why = objpool::WhyNot(); !why.empty()) {
    std::cout << "golden counts skipped: " << why << "\n";
    return objpool::kSkipped;
  }
  if (argc == 2 && objpool::kOperations.contains(argv[1])) {
    objpool::kOperations.at(argv[1])();
    return 0;
  }
  for (const auto& [name, operation] : objpool::kOperations) std::cout << name << "\n";
  return argc == 1 ? 0 : 2;
}
