// Counted: objects for typed pools, which know how many of them exist.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>

#include "pool/typed_pool.h"
#include "tests/support/fake_topology.h"

namespace objpool::testing {

struct Counted {
  static inline int alive = 0;
  Counted() { ++alive; }
  ~Counted() { --alive; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

  uint64_t uses = 0;
};

// On two slots of one node, both attached. `released` counts the releases.
inline std::unique_ptr<TypedPool<Counted>> MakeCounted(int& released, uint32_t capacity = 5) {
  std::string why;
  auto pool = TypedPool<Counted>::Create({.capacity = capacity,
                                          .slots = FlatSlots(2),
                                          .init = {},
                                          .release = [&released] { ++released; }},
                                         why);
  EXPECT_TRUE(pool != nullptr && pool->AttachAll()) << why;
  return pool;
}

}  // namespace objpool::testing
