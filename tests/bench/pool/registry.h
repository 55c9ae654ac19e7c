// Registry: the contenders that this program was built with.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/pool/contender.h"

namespace objpool::bench {

struct Registry {
  Contenders contenders;
  std::vector<std::string> missing;  // peers, each with the reason
};

// Starts what peers need. `cpu` is one that the process may use.
[[nodiscard]] Registry MakeRegistry(uint32_t cpu);

}  // namespace objpool::bench
