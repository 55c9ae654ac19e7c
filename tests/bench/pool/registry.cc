#include "tests/bench/pool/registry.h"

namespace objpool::bench {

Registry MakeRegistry([[maybe_unused]] uint32_t cpu) {
  Registry registry;
  Contenders& to = registry.contenders;
  std::vector<std::string>& missing = registry.missing;
  AddObjpool(to);
  AddKernel(to);
#ifdef OBJPOOL_BENCH_DPDK
  if (!AddDpdk(to, cpu)) missing.emplace_back("DPDK does not start here");
#else
  missing.emplace_back("DPDK (libdpdk-dev) was not there when this was built");
#endif
#ifdef OBJPOOL_BENCH_MOODYCAMEL
  AddMoodycamel(to);
#else
  missing.emplace_back("moodycamel (libconcurrentqueue-dev) was not there when this was built");
#endif
#ifdef OBJPOOL_BENCH_BOOST
  AddBoost(to);
#else
  missing.emplace_back("Boost (libboost-dev) was not there when this was built");
#endif
#ifdef OBJPOOL_BENCH_TBB
  AddTbb(to);
#else
  missing.emplace_back("TBB (libtbb-dev) was not there when this was built");
#endif
  AddSimple(to);
  return registry;
}

}  // namespace objpool::bench
