// Where the pages of pools and objects lie: each on the node of the slot whose share it belongs to.
#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <sstream>

#include "pool/base/check.h"
#include "pool/mapped_memory.h"
#include "pool/object_memory.h"
#include "pool/pool.h"
#include "pool/typed_pool.h"
#include "tests/numa/checks.h"

namespace objpool::numa {
namespace {

// Some 15 MB a node of two: room for several huge pages, and no share ends where one does.
constexpr uint32_t kObjects = 30'011;
constexpr std::size_t kObjectBytes = 1000;
// A pool has some 4 bytes for each.
constexpr uint32_t kHandles = 4'000'037;

struct Object {
  std::array<char, kObjectBytes> bytes;
};

// Pages of one share, and how many of them are on the share's node.
struct Census {
  uint64_t pages = 0;
  uint64_t local = 0;
  void Count(const std::vector<int>& nodes, uint32_t node) {
    pages += nodes.size();
    local += static_cast<uint64_t>(std::ranges::count(nodes, static_cast<int>(node)));
  }
  // 99.9 % of what there is, which must be something.
  [[nodiscard]] bool Suffices() const { return pages > 0 && local * 1000 >= pages * 999; }
};

void Judge(const std::string& what, const std::vector<Census>& shares, Report& report) {
  Census all;
  std::string worst;
  for (SlotId s = 0; s < shares.size(); ++s) {
    all.pages += shares[s].pages;
    all.local += shares[s].local;
    if (shares[s].Suffices()) continue;
    worst += "; slot " + std::to_string(s) + ": " + std::to_string(shares[s].local) + " of " +
             std::to_string(shares[s].pages);
  }
  report.Expect(worst.empty(), what + ": " + std::to_string(all.local) + " of " +
                                   std::to_string(all.pages) + " pages on the node of their slot" +
                                   worst);
}

// All pages from one object to another, both included.
std::vector<const void*> PagesFrom(const void* first, const void* last_object) {
  const std::size_t inside = reinterpret_cast<std::uintptr_t>(first) % PageBytes();
  const auto* const end = static_cast<const std::byte*>(last_object) + kObjectBytes;
  std::vector<const void*> pages;
  for (const auto* at = static_cast<const std::byte*>(first) - inside; at < end;
       at += PageBytes()) {
    pages.push_back(at);
  }
  return pages;
}

// One after the other, the lowest addresses last: the worst order for what spans two shares.
template <typename Attachable>
void AttachInTurn(const Machine& machine, Attachable& memory) {
  for (SlotId s = 0; s < machine.slots->slots(); ++s) {
    machine.AsOwner(s, [&] { OBJPOOL_CHECK(memory.Attach(s), "memory suffices"); });
  }
}

std::vector<Census> CountShares(const Machine& machine,
                                const std::function<const void*(Handle)>& object_at) {
  const uint32_t slots = machine.slots->slots();
  std::vector<Census> shares(slots);
  for (SlotId s = 0; s < slots; ++s) {
    const auto [first, last] = ShareOf(kObjects, slots, s);
    shares[s].Count(NodesOf(PagesFrom(object_at(first), object_at(last - 1))), machine.NodeOf(s));
  }
  return shares;
}

void CheckObjectMemory(const Machine& machine, bool shared, Report& report) {
  std::string why;
  const auto memory = ObjectMemory::Create(
      {.capacity = kObjects, .size_bytes = kObjectBytes, .shared = shared, .slots = machine.slots},
      why);
  OBJPOOL_CHECK(memory != nullptr, why.c_str());
  AttachInTurn(machine, *memory);
  const std::string what = shared ? "shared objects" : "private objects";
  Judge(what, CountShares(machine, [&](Handle h) { return memory->at(h); }), report);
  std::vector<const void*> objects;
  for (Handle h = 0; h < kObjects; ++h) objects.push_back(memory->at(h));
  const std::vector<int> nodes = NodesOf(objects);
  uint32_t lies = 0;
  for (Handle h = 0; h < kObjects; ++h) {
    if (nodes[h] != static_cast<int>(memory->node(h))) ++lies;
  }
  report.Expect(lies == 0, what + ": node() names the wrong node for " + std::to_string(lies) +
                               " of " + std::to_string(kObjects));
  report.Expect(std::string_view(memory->placement()) == "first_touch",
                what + ": placement is " + memory->placement());
}

void CheckTypedPool(const Machine& machine, Report& report) {
  std::vector<const void*> objects(kObjects);
  std::string why;
  const auto pool = TypedPool<Object>::Create({.capacity = kObjects,
                                               .slots = machine.slots,
                                               .init =
                                                   [&](Object& object, Handle handle) {
                                                     objects[handle] = &object;
                                                     return true;
                                                   },
                                               .release = {}},
                                              why);
  OBJPOOL_CHECK(pool != nullptr, why.c_str());
  AttachInTurn(machine, *pool);
  Judge("typed pool", CountShares(machine, [&](Handle h) { return objects[h]; }), report);
  std::vector<int> nodes(machine.slots->slots());
  machine.AsOwners([&](SlotId slot) {
    Object* const object = pool->Pop(slot);
    const void* const address = object;
    nodes[slot] = NodesOf({&address, 1})[0];
    pool->Push(slot, object);
  });
  uint32_t remote = 0;
  for (SlotId s = 0; s < nodes.size(); ++s) {
    if (nodes[s] != static_cast<int>(machine.NodeOf(s))) ++remote;
  }
  report.Expect(remote == 0, "typed pool: " + std::to_string(remote) + " of " +
                                 std::to_string(nodes.size()) + " owners pop a remote object");
}

// Pages of anonymous memory that this process has mapped and may write, rising.
std::vector<const void*> AnonymousPages() {
  std::vector<const void*> pages;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    void* begin = nullptr;
    void* end = nullptr;
    char access[5] = "";
    int path = 0;
    if (std::sscanf(line.c_str(), "%p-%p %4s %*s %*s %*s%n", &begin, &end, access, &path) != 3 ||
        std::string_view(access) != "rw-p" ||
        line.find_first_not_of(' ', static_cast<std::size_t>(path)) != line.npos) {
      continue;
    }
    for (auto* at = static_cast<std::byte*>(begin); at < end; at += PageBytes()) {
      pages.push_back(at);
    }
  }
  return pages;
}

// A pool does not show its memory, so it is found from outside: what Create maps is the pool's, and
// what an Attach makes present is the share of that slot. In the end each node has as much as its
// slots should have, so no share was touched by another's Attach.
void CheckPool(const Machine& machine, Report& report) {
  const uint32_t slots = machine.slots->slots();
  const std::vector<const void*> before = AnonymousPages();
  std::string why;
  const auto pool = Pool::Create({.capacity = kHandles, .slots = machine.slots}, why);
  OBJPOOL_CHECK(pool != nullptr, why.c_str());
  const std::vector<const void*> after = AnonymousPages();
  std::vector<const void*> pages;
  std::ranges::set_difference(after, before, std::back_inserter(pages));
  std::vector<int> known = NodesOf(pages);
  const auto present = [](int node) { return node >= 0; };
  const auto early = std::ranges::count_if(known, present);
  std::vector<Census> shares(slots);
  for (SlotId s = 0; s < slots; ++s) {
    machine.AsOwner(s, [&] { pool->Attach(s); });
    const std::vector<int> now = NodesOf(pages);
    for (std::size_t i = 0; i < pages.size(); ++i) {
      if (!present(known[i]) && present(now[i])) shares[s].Count({now[i]}, machine.NodeOf(s));
    }
    known = now;
  }
  Judge("pool", shares, report);
  const auto total = std::ranges::count_if(known, present);
  report.Expect(early * 1000 <= total, "pool: Create alone touches " + std::to_string(early) +
                                           " of " + std::to_string(total) + " pages");
  // A share of each node ends inside a page, and begins on a new one.
  const auto allowed = total / 1000 + 2 * static_cast<std::ptrdiff_t>(slots);
  std::string counts;
  bool even = true;
  for (uint32_t node = 0; node < machine.shape.nodes; ++node) {
    const auto have = std::ranges::count(known, static_cast<int>(node));
    counts += " " + std::to_string(have);
    const auto off = have - total / static_cast<std::ptrdiff_t>(machine.shape.nodes);
    even = even && off <= allowed && -off <= allowed;
  }
  report.Expect(even, "pool: nodes have equal parts of its pages:" + counts);
}

void SetHugePages(const char* file, const char* mode) {
  std::ofstream setting(std::string("/sys/kernel/mm/transparent_hugepage/") + file);
  setting << mode << std::flush;
  OBJPOOL_CHECK(setting.good(), "the guest's root may say who gets huge pages");
}

}  // namespace

// Without huge pages and with all that the kernel can make: one that spans two shares would take
// the second share to the first one's node.
void CheckPages(const Machine& machine, Report& report) {
  for (const bool huge : {false, true}) {
    SetHugePages("enabled", huge ? "always" : "never");
    SetHugePages("shmem_enabled", huge ? "advise" : "never");
    std::printf("Transparent huge pages: %s\n", huge ? "always" : "never");
    CheckPool(machine, report);
    CheckObjectMemory(machine, true, report);
    CheckObjectMemory(machine, false, report);
    CheckTypedPool(machine, report);
  }
}

}  // namespace objpool::numa
