// Policies, as text format and as JSON: one is accepted, or every mistake is a line; and what is
// accepted allows what one of its rules allows by itself, and nothing else.
#include <optional>
#include <string>
#include <string_view>

#include "pool/base/check.h"
#include "proto/settings/policy.h"
#include "tests/fuzz/input.h"

namespace objpool::fuzz {
namespace {

using namespace objpool::settings;

constexpr std::string_view kIdentities[] = {"127.0.0.1", "10.1.2.3",       "2001:db8::/64",
                                            "::1",       "uid:0",          "dns:a.b.c",
                                            "cn:a b",    "spiffe://a/b/c", ""};
constexpr std::string_view kPools[] = {"", "a", "a-b", "pools"};

void Ask(const Policy& policy, std::string_view identity, Method method, std::string_view pool) {
  const Rule* const rule = policy.Decide(identity, method, pool);
  bool first = true;
  for (const Rule& each : policy.rules()) {
    const bool alone = Policy({each}).Decide(identity, method, pool) != nullptr;
    OBJPOOL_CHECK(!alone || !first || rule == &each, "the first rule that allows it decides");
    OBJPOOL_CHECK(alone || rule != &each, "a rule that decides allows it");
    first = first && !alone;
  }
  OBJPOOL_CHECK(!first || rule == nullptr, "what no rule allows is not allowed");
}

void Read(std::string_view text, Syntax syntax) {
  ConfigErrors errors;
  const std::optional<Policy> policy = ParsePolicy(text, syntax, "FILE", errors);
  OBJPOOL_CHECK(policy.has_value() == errors.empty(), "it is accepted, or something is wrong");
  for (const std::string& line : errors.Lines()) {
    OBJPOOL_CHECK(line.size() <= ConfigErrors::kMaxLineBytes, "lines are short");
    OBJPOOL_CHECK(line.find_first_of("\n\r\x1b") == std::string::npos, "a line is a line");
  }
  if (!policy) return;
  OBJPOOL_CHECK(policy->rules().size() <= Policy::kMaxRules, "rules are bounded");
  for (const std::string_view identity : kIdentities) {
    for (const std::string_view pool : kPools) {
      Ask(*policy, identity, Method::kLease, pool);
      Ask(*policy, identity, Method::kRevokeGrant, pool);
    }
  }
}

}  // namespace
}  // namespace objpool::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t count) {
  using namespace objpool::fuzz;
  Input input(bytes, count);
  // JSON begins with a brace, which text format cannot.
  const std::string_view text = input.Rest();
  const auto first = text.find_first_not_of(" \t\r\n");
  const bool json = first != std::string_view::npos && text[first] == '{';
  Read(text, json ? Syntax::kJson : Syntax::kText);
  return 0;
}
