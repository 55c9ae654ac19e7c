// RunTeam: threads that start together and are joined, for tests of what many do at once.
#pragma once

#include <barrier>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace objpool::testing {

// Runs body(0) .. body(size - 1), each on a thread of its own, and returns when all have ended.
template <typename Body>
void RunTeam(uint32_t size, Body body) {
  std::barrier start(static_cast<std::ptrdiff_t>(size));
  std::vector<std::jthread> team;
  for (uint32_t member = 0; member < size; ++member) {
    team.emplace_back([&, member] {
      start.arrive_and_wait();
      body(member);
    });
  }
}

}  // namespace objpool::testing
