// BenchReport: the result of a load as numbers, and its two ways onto paper.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/ctl/commands.h"
#include "client/ctl/json_writer.h"
#include "client/ctl/load.h"
#include "pool/base/log_histogram.h"

namespace objpool::client {

// What the server counted while the load ran, for all its clients.
struct ServerDelta {
  std::string engine;
  uint64_t granted = 0;
  uint64_t returned = 0;
  uint64_t expired = 0;
  uint64_t revoked = 0;
  uint64_t local_hits = 0;
  uint64_t depot_hits = 0;
  uint64_t misses = 0;
  // Handles that went from one slot to another, by distance; and of those, the ones that went
  // straight to a client.
  uint64_t same_core = 0;
  uint64_t same_cache = 0;
  uint64_t same_node = 0;
  uint64_t remote_node = 0;
  uint64_t acquired_by_steal = 0;

  [[nodiscard]] uint64_t steals() const { return same_core + same_cache + same_node + remote_node; }
};
[[nodiscard]] ServerDelta DeltaOf(const v1::GetPoolStatsResponse& before,
                                  const v1::GetPoolStatsResponse& after);
// As one line, and as the field "server_delta".
void WriteDelta(const ServerDelta& delta, std::ostream& out);
void WriteDelta(const ServerDelta& delta, JsonWriter& json);

// With so many digits behind the point.
[[nodiscard]] std::string Decimal(double number, int digits);

class BenchReport {
 public:
  // Of a load that was joined.
  BenchReport(const BenchOptions& options, std::string_view server, const Load& load);

  void set_server_delta(const ServerDelta& delta) { delta_ = delta; }
  void set_interrupted(bool interrupted) { interrupted_ = interrupted; }

  [[nodiscard]] uint64_t calls_ok() const { return lease_ok_ + return_ok_; }
  [[nodiscard]] uint64_t failed() const { return failed_; }
  [[nodiscard]] const std::optional<Error>& first_error() const { return first_error_; }

  void WriteText(std::ostream& out) const;
  // The schema "objpool.bench.v1", documented in the room's README.
  void WriteJson(std::ostream& out) const;

 private:
  [[nodiscard]] double PerSecond(uint64_t number) const;

  const BenchOptions options_;
  const std::string server_;
  double seconds_ = 0;
  bool interrupted_ = false;
  std::optional<ServerDelta> delta_;
  uint64_t lease_ok_ = 0;
  uint64_t return_ok_ = 0;
  uint64_t exhausted_ = 0;
  uint64_t failed_ = 0;
  uint64_t leased_ = 0;
  uint64_t returned_ = 0;
  uint64_t cycles_ = 0;
  uint64_t cycle_handles_ = 0;
  std::map<std::string, uint64_t> errors_;
  std::optional<Error> first_error_;
  // On the heap for their 30 KB each.
  std::unique_ptr<base::LogHistogram> lease_ns_ = std::make_unique<base::LogHistogram>();
  std::unique_ptr<base::LogHistogram> return_ns_ = std::make_unique<base::LogHistogram>();
  std::unique_ptr<base::LogHistogram> cycle_ns_ = std::make_unique<base::LogHistogram>();
};

}  // namespace objpool::client
