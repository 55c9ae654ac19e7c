// Policy: who may call what, on which pools; out of a policy file, whose keys are in
// proto/objpool/config/v1/policy.proto.
//
// A value that does not change once it was made. Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/settings/address_range.h"
#include "proto/settings/errors.h"
#include "proto/settings/glob.h"
#include "proto/settings/message_text.h"
#include "proto/settings/methods.h"

namespace objpool::settings {

// Of every client that a rule allows, in each pool; 0 is no limit.
struct RuleQuota {
  uint32_t handles = 0;
  uint32_t calls_per_s = 0;
};

struct Rule {
  std::string name;
  std::vector<std::variant<Glob, AddressRange>> identities;
  MethodSet methods = 0;
  std::vector<Glob> pools;  // empty: all
  std::optional<RuleQuota> quota;
};

class Policy {
 public:
  static constexpr std::size_t kMaxRules = 1024;
  static constexpr std::size_t kMaxOfRule = 64;      // entries of each of its lists
  static constexpr std::size_t kMaxPatterns = 4096;  // of all rules together
  static constexpr std::size_t kMaxPoolBytes = 63;

  explicit Policy(std::vector<Rule> rules) : rules_(std::move(rules)) {}

  // The first rule that allows it; null when none does. `pool` is a bare name; where it is empty,
  // a rule for any pool will do.
  [[nodiscard]] const Rule* Decide(std::string_view identity, Method method,
                                   std::string_view pool) const;
  [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }

 private:
  std::vector<Rule> rules_;
};

// None when it added to `errors`. `name` says where the text is from and stands before what is
// wrong with its syntax.
[[nodiscard]] std::optional<Policy> ParsePolicy(std::string_view text, Syntax syntax,
                                                std::string_view name, ConfigErrors& errors);
// The same of a file of at most 4 MiB.
[[nodiscard]] std::optional<Policy> LoadPolicy(const std::string& path, ConfigErrors& errors);

}  // namespace objpool::settings
