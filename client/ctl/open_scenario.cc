#include "client/ctl/open_scenario.h"

#include <algorithm>
#include <cmath>

#include "client/ctl/table.h"
#include "client/duration.h"

namespace objpool::client {
namespace {

using std::chrono::milliseconds;

constexpr double kUsualRate = 1000;
constexpr milliseconds kPeriod{1000};  // of bursts and of renewals
constexpr double kBurstShare = 0.1;
constexpr milliseconds kBreakEvery{500};
constexpr milliseconds kCrashTtl{2000};
constexpr milliseconds kMostCrashTtl{60'000};
constexpr milliseconds kCrashHold{100};
constexpr milliseconds kRenewHold{3000};
// As in OpenLoopOptions, beside those that hold a whole pool; and no more than so many in all.
constexpr uint64_t kUnderWay = 20'000;
constexpr uint64_t kMostUnderWay = 1'000'000;

double Seconds(milliseconds time) { return std::chrono::duration<double>(time).count(); }

// A hold at which this share of the pool is out, but at most so long.
milliseconds HoldOf(double share, uint64_t capacity, const BenchOptions& options,
                    milliseconds most) {
  const double handles_per_s = options.rate * static_cast<double>(options.batch);
  const auto ms =
      static_cast<int64_t>(1000 * share * static_cast<double>(capacity) / handles_per_s);
  return std::clamp(milliseconds(ms), milliseconds(1), std::max(most, milliseconds(1)));
}

// Of a session whose connection broke nobody knows when its grants come back, but the server.
std::string WhyNoStream(const BenchOptions& options) {
  const bool breaks = options.scenario == BenchScenario::kCrashClients ||
                      options.scenario == BenchScenario::kAvalanche;
  if (!options.stream || !breaks) return {};
  return "--stream: not with --scenario " + std::string(NameOf(*options.scenario)) +
         ", where connections break: that ends their sessions, and with them what was leased";
}

// What is renewed and returned when is what the other scenarios are made of.
std::string WhyNoRates(const BenchOptions& options) {
  const BenchScenario scenario = options.scenario.value_or(BenchScenario::kSteady);
  const bool free = scenario == BenchScenario::kSteady || scenario == BenchScenario::kBurst;
  if (free || (options.renew_rate == 0 && options.return_rate == 0)) return {};
  return std::string(options.renew_rate != 0 ? "--renew-rate" : "--return-rate") +
         ": only with --scenario steady or burst; got " + NameOf(scenario);
}

std::string CompleteAvalanche(uint64_t capacity, bool rate_given, BenchOptions& options) {
  if (!options.hold_given) options.hold = kPeriod;
  if (options.hold.count() == 0) {
    return "--hold: with --scenario avalanche it must be at least 1ms; got 0ms";
  }
  // Half of the pool comes back in each.
  if (!rate_given) {
    const double half = static_cast<double>(capacity) / 2 / options.batch;
    options.rate = std::clamp(half / Seconds(options.hold), 1.0, kUsualRate);
  }
  return {};
}

std::string CompleteExhaust(uint64_t capacity, BenchOptions& options) {
  const double handles_per_s = options.rate * static_cast<double>(options.batch);
  const double time_s = Seconds(options.ramp) / 2 + Seconds(options.warmup + options.duration);
  const auto has = static_cast<double>(capacity);
  if (handles_per_s * time_s <= has) {
    return "--rate: with --scenario exhaust, " + Decimal(handles_per_s * time_s, 0) +
           " handles would be asked for in the whole run, which must be more than the " +
           std::to_string(capacity) + " of the pool: raise --rate, --batch or --duration";
  }
  if (!options.hold_given) {
    const auto hold = milliseconds(static_cast<int64_t>(std::ceil(2000 * has / handles_per_s)));
    options.hold = std::clamp(hold, milliseconds(1), kMaxDuration);
  }
  if (handles_per_s * Seconds(options.hold) <= has) {
    return "--hold: with --scenario exhaust, --rate x --batch x --hold must be more than the " +
           std::to_string(capacity) + " handles of the pool; got " + FormatDuration(options.hold);
  }
  return {};
}

}  // namespace

const char* NameOf(BenchScenario scenario) {
  switch (scenario) {
    case BenchScenario::kSteady:
      return "steady";
    case BenchScenario::kBurst:
      return "burst";
    case BenchScenario::kAvalanche:
      return "avalanche";
    case BenchScenario::kCrashClients:
      return "crash-clients";
    case BenchScenario::kExhaust:
      return "exhaust";
    case BenchScenario::kStealHeavy:
      return "steal-heavy";
    case BenchScenario::kThunderingRenew:
      return "thundering-renew";
  }
  return "";
}

std::string CompleteScenario(uint64_t capacity, BenchOptions& options) {
  if (std::string why = WhyNoStream(options); !why.empty()) return why;
  if (std::string why = WhyNoRates(options); !why.empty()) return why;
  const bool rate_given = options.rate > 0;
  if (!rate_given) options.rate = kUsualRate;
  const auto hold = [&](double share, milliseconds most) {
    if (!options.hold_given) options.hold = HoldOf(share, capacity, options, most);
  };
  switch (options.scenario.value_or(BenchScenario::kSteady)) {
    case BenchScenario::kSteady:
    case BenchScenario::kBurst:
      return {};
    case BenchScenario::kAvalanche:
      return CompleteAvalanche(capacity, rate_given, options);
    case BenchScenario::kCrashClients:
      hold(0.5, kCrashHold);
      if (options.ttl.count() == 0) options.ttl = kCrashTtl;
      if (options.ttl <= kMostCrashTtl) return {};
      return "--ttl: with --scenario crash-clients its end is waited for, so it must be at most " +
             FormatDuration(kMostCrashTtl) + "; got " + FormatDuration(options.ttl);
    case BenchScenario::kExhaust:
      return CompleteExhaust(capacity, options);
    case BenchScenario::kStealHeavy:
      // So little is left in the slots that those of the leases are dry.
      hold(0.8, options.duration / 2);
      if (options.connections >= 2 * options.threads) return {};
      return "--connections: with --scenario steal-heavy it must be at least " +
             std::to_string(2 * options.threads) + ", two for each thread; got " +
             std::to_string(options.connections);
    case BenchScenario::kThunderingRenew:
      hold(0.5, kRenewHold);
      return {};
  }
  return {};
}

void SetScenario(uint64_t capacity, const BenchOptions& options, load::OpenLoopOptions& load) {
  if (options.scenario == BenchScenario::kExhaust || options.return_rate > 0) {
    load.most_cycles =
        static_cast<uint32_t>(std::min(kUnderWay + (capacity / options.batch), kMostUnderWay));
  }
  switch (options.scenario.value_or(BenchScenario::kSteady)) {
    case BenchScenario::kSteady:
    case BenchScenario::kExhaust:
      return;
    case BenchScenario::kBurst:
      load.arrivals.period_ns = static_cast<uint64_t>(std::chrono::nanoseconds(kPeriod).count());
      load.arrivals.period_share = kBurstShare;
      return;
    case BenchScenario::kAvalanche:
      load.return_together = options.hold;
      load.reconnects = true;
      return;
    case BenchScenario::kCrashClients:
      load.break_every = kBreakEvery;
      return;
    case BenchScenario::kStealHeavy:
      load.lease_connections = 1;
      return;
    case BenchScenario::kThunderingRenew:
      load.renew_together = kPeriod;
      return;
  }
}

}  // namespace objpool::client
