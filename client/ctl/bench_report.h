// BenchReport: the result of a load as numbers, and its ways onto paper.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/ctl/commands.h"
#include "client/ctl/load.h"
#include "client/ctl/server_delta.h"
#include "pool/base/log_histogram.h"

namespace objpool::client {

// What one second saw, of a load of closed loops. Calls.
struct BenchSecond {
  bool measured = false;  // else it was of the warm-up
  uint64_t leased = 0;
  uint64_t returned = 0;
  uint64_t exhausted = 0;
  uint64_t failed = 0;
};

class BenchReport {
 public:
  // Of a load that was joined, and its whole seconds.
  BenchReport(const BenchOptions& options, std::string_view server, const Load& load,
              std::vector<BenchSecond> seconds);

  void set_server_delta(const ServerDelta& delta) { delta_ = delta; }
  void set_interrupted(bool interrupted) { interrupted_ = interrupted; }

  [[nodiscard]] uint64_t calls_ok() const { return lease_ok_ + return_ok_; }
  [[nodiscard]] uint64_t failed() const { return failed_; }
  [[nodiscard]] const std::optional<Error>& first_error() const { return first_error_; }

  void WriteText(std::ostream& out) const;
  // The schema "objpool.bench.v1", documented in the room's README.
  void WriteJson(std::ostream& out) const;
  // All of it as a page of HTML. bench_page.cc
  void WritePage(std::ostream& out) const;

 private:
  using Counts = std::vector<std::pair<const char*, uint64_t>>;
  // What was asked, and what came of it in the whole run, by the names of the JSON.
  [[nodiscard]] Counts Options() const;
  [[nodiscard]] Counts Calls() const;
  [[nodiscard]] Counts Handles() const;
  [[nodiscard]] double PerSecond(uint64_t number) const;

  const BenchOptions options_;
  const std::string server_;
  const std::vector<BenchSecond> seconds_;
  double measured_s_ = 0;
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
