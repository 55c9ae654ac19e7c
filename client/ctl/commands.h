// The commands of objpoolctl, without their command line: each takes checked options, asks the
// server, writes its answer and says how to exit.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/ctl/console.h"

namespace objpool::client {

struct LeaseOptions {
  std::string pool;
  uint32_t count = 1;      // Range: 1 .. kMaxBatch.
  uint32_t min_count = 0;  // Range: 0 .. count. Default: 0, which means count.
  Milliseconds ttl{0};     // Default: 0, the pool's own.
  std::string holder;      // At most kMaxHolderBytes.
  Milliseconds max_wait{0};
  uint32_t priority = 0;  // Range: 0 .. 9.
  bool dirty = false;     // those to be cleaned
  std::vector<v1::SelectorTerm> selector;
  std::optional<uint32_t> near_node;
  std::string request_id;  // At most kMaxRequestIdBytes.
};
[[nodiscard]] v1::LeaseRequest RequestOf(const LeaseOptions& options);
// Leases, and writes what came. Grants that could not be written are returned.
[[nodiscard]] Exit RunLease(const LeaseOptions& options, const Target& target, Console& console);

// Value, ref and ttl of each grant.
void WriteLease(std::string_view pool, const v1::LeaseResponse& leased, const Target& target,
                Console& console);

// What to do with a command that runs on while a handle of it is lost.
enum class LossRule : uint8_t {
  kKill,  // end it, and exit with kLost
  kWarn,  // say so
  kIgnore,
};
struct RunOptions {
  std::vector<std::string> command;  // and its arguments. Empty: there is none.
  LossRule on_loss = LossRule::kKill;
  Milliseconds kill_after{5000};  // from the SIGTERM to the SIGKILL
};
// Leases, runs the command with the handles in its environment, renews them meanwhile, and returns
// them at its end. Exits as the command does, with Child::kCannotRun or kNotFound where there is
// none, with kLost, or as RunLease where nothing was leased.
[[nodiscard]] Exit RunLeased(const LeaseOptions& options, const RunOptions& run,
                             const Target& target, Console& console);

struct RefsOptions {
  // As given: refs, or "-" for those on `in`, one a line; lines that `lease` wrote will do.
  std::vector<std::string> refs;
  Milliseconds ttl{0};                                  // renew only. Default: 0, the pool's own.
  v1::Disposition disposition = v1::DISPOSITION_CLEAN;  // return only
};
// Both take 1 .. kMaxBatch refs, of any pools.
[[nodiscard]] Exit RunReturn(const RefsOptions& options, const Target& target, Console& console);
[[nodiscard]] Exit RunRenew(const RefsOptions& options, const Target& target, Console& console);
// Ends grants, whoever holds them. Likewise, but the refs may be without their keys; one call each.
[[nodiscard]] Exit RunRevoke(const RefsOptions& options, const Target& target, Console& console);

struct BufferOptions {
  std::string ref;  // as given
  uint64_t offset = 0;
  uint64_t length = 0;  // read only. Default: 0, to the buffer's end.
};
// No buffer is larger.
inline constexpr uint64_t kMaxBufferBytes = uint64_t{1} << 30;
// The bytes of a leased buffer to `out`, and from `in`.
[[nodiscard]] Exit RunRead(const BufferOptions& options, const Target& target, Console& console);
[[nodiscard]] Exit RunWrite(const BufferOptions& options, const Target& target, Console& console);

struct GrantOptions {
  std::string pool;
  uint64_t handle = 0;
};
[[nodiscard]] Exit RunGrant(const GrantOptions& options, const Target& target, Console& console);

struct GrantsOptions {
  std::string pool;
  std::optional<std::string> holder;  // Exactly this one. Default: anybody.
  Milliseconds held_at_least{0};      // Range: 0 .. kMaxHeld.
};
// A grant that is renewed is held for longer than any TTL.
inline constexpr Milliseconds kMaxHeld = std::chrono::hours(24 * 3650);
// All running grants of a pool that pass, page by page.
[[nodiscard]] Exit RunGrants(const GrantsOptions& options, const Target& target, Console& console);

// What a fence is worth, given as POOL/HANDLE/FENCE: kOk only when its grant runs.
[[nodiscard]] Exit RunCheckFence(const std::string& word, const Target& target, Console& console);

// All pools, or one with its slots.
[[nodiscard]] Exit RunPools(const std::string& pool, const Target& target, Console& console);

// What becomes of a pool. They write it as it is then; audit: kOk only when nothing is lost.
[[nodiscard]] Exit RunPoolCreate(const v1::CreatePoolRequest& request, const Target& target,
                                 Console& console);
[[nodiscard]] Exit RunPoolUpdate(const v1::UpdatePoolRequest& request, const Target& target,
                                 Console& console);
[[nodiscard]] Exit RunPoolDrain(const std::string& pool, const Target& target, Console& console);
[[nodiscard]] Exit RunPoolResume(const std::string& pool, const Target& target, Console& console);
// `wait`: until it is gone.
[[nodiscard]] Exit RunPoolDelete(const std::string& pool, bool wait, const Target& target,
                                 Console& console);
[[nodiscard]] Exit RunPoolAudit(const std::string& pool, const Target& target, Console& console);

struct HandlesOptions {
  std::string pool;
  v1::HandleState state = v1::HANDLE_STATE_UNSPECIFIED;  // Default: all.
};
// All handles of a pool in that state, page by page.
[[nodiscard]] Exit RunHandles(const HandlesOptions& options, const Target& target,
                              Console& console);
// One of them, named as a grant is.
[[nodiscard]] Exit RunHandleShow(const GrantOptions& options, const Target& target,
                                 Console& console);
[[nodiscard]] Exit RunHandleQuarantine(const GrantOptions& options, const Target& target,
                                       Console& console);
[[nodiscard]] Exit RunHandleReinstate(const GrantOptions& options, const Target& target,
                                      Console& console);

struct WatchOptions {
  std::string pool;
  Milliseconds interval{1000};  // Range: kMinWatchInterval .. kMaxWatchInterval.
  uint64_t count = 0;           // How many lines. Default: 0, until the pool is gone.
};
inline constexpr Milliseconds kMinWatchInterval{100};
inline constexpr Milliseconds kMaxWatchInterval = std::chrono::hours(1);
// A line now and after each change.
[[nodiscard]] Exit RunWatch(const WatchOptions& options, const Target& target, Console& console);

struct TopOptions {
  std::string pool;             // whose slots are shown. Default: empty, that of most capacity.
  Milliseconds interval{1000};  // Range: kMinWatchInterval .. kMaxWatchInterval.
  bool once = false;            // one look and its rates, then it ends
};
// A live view; where `out` is no screen, one view after the other.
[[nodiscard]] Exit RunTop(const TopOptions& options, const Target& target, Console& console);

// Leases in a session, writes as RunLease does, and holds all of it until the standard input ends
// or a signal comes.
[[nodiscard]] Exit RunSession(const LeaseOptions& options, Milliseconds linger,
                              const Target& target, Console& console);

// The health of `service`, or of the server as a whole: kOk only when it serves.
[[nodiscard]] Exit RunProbe(const std::string& service, const Target& target, Console& console);

struct StateOptions {
  std::string folder;
  bool verify = false;  // else dump
};
// What a server's state_dir holds, asked of the objpoold beside this program, else of the one on
// the path: its output and exit code are this command's.
[[nodiscard]] Exit RunState(const StateOptions& options, const Target& target, Console& console);

struct PolicyOptions {
  std::string file;
  // test only
  std::string identity;
  std::string method;  // as Lease
  std::string pool;    // Default: empty, any pool.
};
// Neither asks a server. kUsage where the file is wrong.
[[nodiscard]] Exit RunPolicyCheck(const PolicyOptions& options, const Target& target,
                                  Console& console);
// What the policy says of such a call, and the rule that says it: kDenied where none allows it.
[[nodiscard]] Exit RunPolicyTest(const PolicyOptions& options, const Target& target,
                                 Console& console);

enum class HoldDistribution : uint8_t { kFixed, kUniform, kExponential };

enum class BenchScenario : uint8_t {
  kSteady,
  kBurst,            // a second's arrivals come in its first tenth
  kAvalanche,        // all that was leased within a hold comes back at once
  kCrashClients,     // connections break with what they hold
  kExhaust,          // more is wanted than there is
  kStealHeavy,       // leases over some connections, returns over others
  kThunderingRenew,  // all that is held is renewed at once
};

struct BenchOptions {
  std::string pool;               // Default: empty, the pool of most capacity.
  Milliseconds duration{10'000};  // of the measured part
  uint64_t count = 0;             // Cycles to try; instead of the duration unless 0.
  Milliseconds warmup{1000};
  uint32_t connections = 4;  // Range: 1 .. kMaxBenchConnections.
  uint32_t clients = 8;      // Range: 1 .. kMaxBenchClients.
  uint32_t batch = 1;        // Range: 1 .. kMaxBatch.
  Milliseconds hold{0};
  bool hold_given = false;  // else a scenario says what it is
  Milliseconds ttl{0};      // Default: 0, the pool's own, or the scenario's.
  bool progress = false;    // a line each second, also where there is no terminal
  // Whether arrivals do not wait for answers. Then `clients` and `count` do not matter; what
  // follows is for it only.
  [[nodiscard]] bool open() const { return rate > 0 || scenario || find_max_us > 0; }
  // Cycles to begin in a second. 0: the scenario's.
  double rate = 0;       // Range: 0 .. kMaxBenchRate
  uint32_t threads = 1;  // Range: 1 .. kMaxBenchThreads and connections; with verify 1.
  bool uniform = false;  // evenly; else at random
  Milliseconds ramp{0};  // before the warm-up: in it the rate rises from nothing
  HoldDistribution hold_distribution = HoldDistribution::kFixed;  // of that mean
  uint32_t renews = 0;  // Within each hold. Range: 0 .. kMaxBenchRenews.
  // Instead, and instead of the hold: so often in a second one that is held is renewed, or
  // returned.
  double renew_rate = 0;   // Range: 0, as the renews say, or .. kMaxBenchRate.
  double return_rate = 0;  // Range: 0, after the hold, or .. kMaxBenchRate.
  bool stream = false;     // operations of a Session on each connection, rather than calls
  // Instead of one rate: the highest at which leases take at most so many microseconds at p99.
  double find_max_us = 0;                 // Range: 0, not, or 1 .. kMaxFindUs.
  std::optional<BenchScenario> scenario;  // Default: none, which is kSteady with a rate.
  std::string html;     // Where a page of the result is written to. Default: empty, nowhere.
  bool verify = false;  // check every answer
  uint64_t seed = 0;    // of what is random; 0: another each time
};
inline constexpr double kMaxBenchRate = 1e6;
inline constexpr double kMaxFindUs = 1e7;
inline constexpr uint32_t kMaxBenchThreads = 64;
inline constexpr uint32_t kMaxBenchRenews = 1000;
inline constexpr uint32_t kMaxBenchConnections = 256;
// Each is a thread with 90 KB of histograms.
inline constexpr uint32_t kMaxBenchClients = 512;
[[nodiscard]] Exit RunBench(const BenchOptions& options, const Target& target, Console& console);

}  // namespace objpool::client
