// A first program with the pool library: pinned workers that borrow buffers from one typed pool.
//
// One worker for each CPU that this process may use. Each owns the slot of its CPU: it prepares the
// buffers that begin there, so that their memory is on its own NUMA node, and then borrows buffers
// over and over. In the end the pool says what happened at each slot.
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "pool/affinity.h"
#include "pool/slot_map.h"
#include "pool/topology.h"
#include "pool/typed_pool.h"

namespace {

// What is pooled: prepared once, used over and over.
struct Buffer {
  uint64_t uses = 0;
  std::byte bytes[4096 - sizeof(uint64_t)];
};
using Buffers = objpool::TypedPool<Buffer>;

constexpr uint32_t kBuffersPerWorker = 64;
constexpr uint64_t kRounds = 100'000;

// The work of the owner of one slot.
void Work(Buffers& pool, objpool::SlotId slot) {
  for (uint64_t round = 0; round < kRounds; ++round) {
    const Buffers::Borrowed in = pool.Borrow(slot);
    const Buffers::Borrowed out = pool.Borrow(slot);
    if (!in || !out) continue;  // every buffer of every slot is in use; not with two a worker
    ++in->uses;
    out->bytes[round % sizeof(out->bytes)] = std::byte{1};
  }  // Both go back here, and are the first to be used again: their memory is in the cache.
}

int Fail(const char* what, const std::string& why) {
  std::cerr << what << ": " << why << "\n";
  return 1;
}

void PrintStats(const objpool::Pool& pool) {
  for (objpool::SlotId slot = 0; slot < pool.slots().slots(); ++slot) {
    const objpool::Cpu& cpu = pool.slots().owner(slot);
    const objpool::SlotStats stats = pool.Stats(slot);
    uint64_t stolen = 0;
    for (const uint64_t count : stats.acquired_by_steal) stolen += count;
    std::cout << "slot " << slot << " (cpu " << cpu.os_index << ", node " << cpu.node
              << "): popped " << stats.local_hits << " local, " << stats.depot_hits << " depot, "
              << stolen << " stolen; pushed " << stats.pushes << "; free " << stats.occupancy
              << "\n";
  }
  std::cout << "engine " << pool.engine() << ": " << pool.free() << " of " << pool.capacity()
            << " free\n";
}

}  // namespace

int main() {
  // The CPUs of this process, and who owns which slot.
  std::string why;
  const std::optional<objpool::Topology> topology = objpool::Topology::Detect(why);
  if (!topology) return Fail("no topology", why);
  const auto slots = objpool::SlotMap::ForAllCpus(*topology);

  // The pool. Wrong options are told, not thrown.
  const auto pool =
      Buffers::Create({.capacity = kBuffersPerWorker * slots->slots(),
                       .slots = slots,
                       .init = [](Buffer& buffer, objpool::Handle) { return buffer.uses == 0; },
                       .release = [] { std::cout << "released\n"; }},
                      why);
  if (pool == nullptr) return Fail("no pool", why);

  std::vector<std::thread> workers;
  for (objpool::SlotId slot = 0; slot < slots->slots(); ++slot) {
    workers.emplace_back([&pool, &slots, slot] {
      // Where a thread cannot be pinned, all works as well, only less close to its memory.
      std::string unpinned;
      if (!objpool::PinThisThread(slots->owner(slot).os_index, unpinned)) {
        std::cerr << "slot " + std::to_string(slot) + " is not pinned: " + unpinned + "\n";
      }
      if (!pool->Attach(slot)) {
        std::cerr << "no memory for slot " + std::to_string(slot) + "\n";
        return;
      }
      Work(*pool, slot);
    });
  }
  for (std::thread& worker : workers) worker.join();

  PrintStats(pool->pool());
  // Every buffer is home, so this is the end of the pool: it calls `release`.
  return pool->Fini() ? 0 : Fail("no release", "a buffer is still in use");
}
