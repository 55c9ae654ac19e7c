// What the benchmark compares: servers of any make behind one interface, and what they are asked.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace objpool::bench {

// How a cycle, a lease and then a return, is asked for.
enum class Way : uint8_t {
  kCalls,   // a request and its answer, each
  kStream,  // one connection on which requests do not wait for answers
  kFolded,  // as kStream, and what is due at the same time is one message
};

struct Cell {
  std::string name;
  Way way = Way::kCalls;
  uint32_t connections = 1;
  uint32_t outstanding = 1;  // on each
  uint32_t batch = 1;        // handles of a cycle
  // The cell in which the peer that ratios are relative to is asked for as much.
  std::string reference;
};

// Of one run of a contender in a cell.
struct Sample {
  double cycles_per_s = 0;
  double server_cpu_us = 0;  // of a cycle
  double p50_us = 0;
  double p99_us = 0;
  double waited_share = 0;  // of the time, by the server for a CPU that somebody else used
  std::string broken;       // what was wrong; else empty, and only then the rest counts
};

// How long a run is measured, and whether the load waits for answers without sleeping.
struct Pace {
  std::chrono::nanoseconds time;
  bool spin = false;
};

// Where servers live.
struct Site {
  uint32_t server_cpu;
  std::string bin_folder;  // of our own programs
  std::string folder;      // for files, gone in the end
};

// A server that was started, and runs only while it is asked.
class Contender {
 public:
  explicit Contender(std::string name) : name_(std::move(name)) {}
  virtual ~Contender() = default;
  Contender(const Contender&) = delete;
  Contender& operator=(const Contender&) = delete;

  [[nodiscard]] virtual bool CanRun(const Cell& cell) const = 0;
  // False, with `why`, where it cannot be started.
  [[nodiscard]] virtual bool Start(const Site& site, std::string& why) = 0;
  [[nodiscard]] virtual Sample Run(const Cell& cell, const Pace& pace) = 0;
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  const std::string name_;
};
using Contenders = std::vector<std::unique_ptr<Contender>>;

inline constexpr std::string_view kVolatile = "objpoold volatile";
inline constexpr std::string_view kProcess = "objpoold process";
inline constexpr std::string_view kH2 = "objpoold h2";
inline constexpr std::string_view kH2Busy = "objpoold h2, busy";
inline constexpr std::string_view kEcho = "echo, same engine";
inline constexpr std::string_view kEchoH2 = "echo, engine h2";
inline constexpr std::string_view kBareH2 = "echo, bare nghttp2";
inline constexpr std::string_view kBareTcp = "echo, bare TCP";
inline constexpr std::string_view kRedisPlain = "Redis LPOP/RPUSH";
inline constexpr std::string_view kRedisLua = "Redis Lua lease";
inline constexpr std::string_view kRedisBulk = "Redis Lua lease, bulk";
inline constexpr std::string_view kEtcd = "etcd grant+put, durable";

// Handles of every pool: more than are ever out at once.
inline constexpr uint32_t kCapacity = 8192;

// One for each file.
void AddGrpc(Contenders& to);
void AddTcp(Contenders& to);
void AddRedis(Contenders& to);
void AddEtcd(Contenders& to);

}  // namespace objpool::bench
