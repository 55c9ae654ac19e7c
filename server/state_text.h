// Parts of the lines of state_dump.h: text that came from a file, and what a handle stands for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/lease/lease_table.h"
#include "server/store/pool_file.h"

namespace objpool::server {

// For one field of one line: what is not printable ASCII becomes \xNN.
[[nodiscard]] std::string Escaped(std::string_view text);

// One JSON object on one line.
class JsonLine {
 public:
  explicit JsonLine(std::string_view kind) { Add("kind", kind); }
  JsonLine& Add(std::string_view key, std::string_view text);
  JsonLine& Add(std::string_view key, const char* text) { return Add(key, std::string_view(text)); }
  JsonLine& Add(std::string_view key, uint64_t number) { return Raw(key, std::to_string(number)); }
  JsonLine& Add(std::string_view key, bool yes) { return Raw(key, yes ? "true" : "false"); }
  [[nodiscard]] std::string Take() { return "{" + fields_ + "}\n"; }

 private:
  JsonLine& Raw(std::string_view key, std::string_view value);

  std::string fields_;
};

// What the handles of a pool stand for, as far as its file says.
class HandleValues {
 public:
  explicit HandleValues(const store::PoolFacts& facts);
  // Empty where the file does not say.
  [[nodiscard]] std::string Of(uint32_t handle) const;

 private:
  bool ids_ = false;
  int64_t first_ = 0;
  std::vector<std::string> labels_;
};

// "leased", "returned", "dirty/expired", "damaged", ...
[[nodiscard]] std::string StateName(const lease::LeaseTable::Inspected& record);

}  // namespace objpool::server
