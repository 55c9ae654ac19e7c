// WaitUntil: waits for what another thread or process does, with a deadline that only a bug can
// reach.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace objpool::testing {

// For a test that looks again and again at what nobody notifies it of.
template <typename Condition>
void WaitUntil(Condition condition) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "it never came about";
    std::this_thread::yield();
  }
}

}  // namespace objpool::testing
