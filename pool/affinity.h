// Pinning: binding the calling thread to one CPU, and asking where it may run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace objpool {

// Lets the calling thread run on this CPU only, by the operating system's number. False, with
// `why`, where the system refuses (a CPU outside the control group, a synthetic topology).
[[nodiscard]] bool PinThisThread(uint32_t cpu, std::string& why);

// The CPUs that the calling thread may run on, rising. Empty when the system does not tell.
[[nodiscard]] std::vector<uint32_t> AllowedCpus();

}  // namespace objpool
