// ServerProcess: a server of any make as a child, on one CPU, and the CPU time that it has used.
//
// It ends with the benchmark, however that ends.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace objpool::bench {

// Of all threads of a process that there are.
struct CpuTime {
  uint64_t ran_ns = 0;
  uint64_t waited_ns = 0;  // ready, and without a CPU
};

class ServerProcess {
 public:
  // Runs `words` with its output in a file `log`. Null, with `why`, where it cannot be.
  [[nodiscard]] static std::unique_ptr<ServerProcess> Start(const std::vector<std::string>& words,
                                                            uint32_t cpu, const std::string& log,
                                                            std::string& why);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Returns once `up()` says so. False, with `why`, when the process ended before, or it takes too
  // long.
  [[nodiscard]] bool WaitUntil(const std::function<bool()>& up, std::string& why);
  // While paused it uses nothing of its CPU.
  void Pause();
  void Resume();
  [[nodiscard]] CpuTime Cpu() const;

 private:
  ServerProcess(pid_t pid, std::string log) : pid_(pid), log_(std::move(log)) {}
  [[nodiscard]] bool Ended();

  const pid_t pid_;
  const std::string log_;
  bool ended_ = false;
};

// Of a file that a server writes when it is up; empty until the line is whole.
[[nodiscard]] std::string FirstLine(const std::string& path);
// A program of that name can be run.
[[nodiscard]] bool IsInstalled(const std::string& program);
// One that nobody listens on; until somebody does.
[[nodiscard]] uint16_t FreePort();

}  // namespace objpool::bench
