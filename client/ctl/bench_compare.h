// `bench compare`: whether the second of two results is better than the first, and how sure that
// is.
#pragma once

#include <string>

#include "client/ctl/console.h"

namespace objpool::client {

struct CompareOptions {
  std::string before;  // files of the schema "objpool.bench.open.v1"
  std::string after;
  double tolerance = 5;  // Percent that make no difference. Range: 0 .. 1000.
};
// kOk: not worse; kWorse. kUsage where a file is not such a result, kInvalid where it says of
// itself that it is worth nothing.
[[nodiscard]] Exit RunCompare(const CompareOptions& options, bool json, Console& console);

}  // namespace objpool::client
