#include "proto/settings/policy.h"

#include <algorithm>
#include <utility>

#include "objpool/config/v1/policy.pb.h"

namespace objpool::settings {
namespace {

using Identity = std::variant<Glob, AddressRange>;

constexpr std::size_t kMaxFileBytes = std::size_t{4} << 20;
constexpr std::size_t kMaxNameBytes = 63;
// As in the configuration (Quota of server_config.proto).
constexpr uint32_t kMaxHandles = 1U << 24;
constexpr uint32_t kMaxCallsPerS = 1'000'000;
// An IPv6 client is known by as many.
constexpr uint32_t kMaxV6Bits = 64;

std::string UpTo(std::size_t low, std::size_t high, const char* of) {
  return std::to_string(low) + " .. " + std::to_string(high) + " " + of;
}

bool HasControls(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c < ' ' || c == 0x7f; });
}

// False, after adding to `errors`, where it is no pattern.
bool CheckPattern(std::string_view text, std::size_t most, const std::string& key,
                  ConfigErrors& errors) {
  if (text.empty() || text.size() > most) {
    errors.AddLimit(key, UpTo(1, most, "bytes"), std::to_string(text.size()));
  } else if (HasControls(text)) {
    errors.AddLimit(key, "without control characters", Quoted(text));
  } else {
    return true;
  }
  return false;
}

// What nothing but an address is made of.
bool LooksLikeAddress(std::string_view text) {
  return text.find_first_not_of("0123456789abcdefABCDEF.:/*") == std::string_view::npos &&
         text.find_first_not_of('*') != std::string_view::npos;
}

void CheckIdentity(const std::string& text, const std::string& key, Rule& rule,
                   ConfigErrors& errors) {
  if (!CheckPattern(text, Glob::kMaxBytes, key, errors)) return;
  if (!LooksLikeAddress(text)) {
    rule.identities.emplace_back(Glob(text, text.starts_with("dns:") ? '.' : '/'));
    return;
  }
  std::string why;
  const std::optional<AddressRange> range = AddressRange::Parse(text, why);
  if (!range) {
    errors.AddLimit(key, "an address, or a prefix as in 10.0.0.0/8", Quoted(text) + ": " + why);
  } else if (range->v6() && range->bits() > kMaxV6Bits && !range->loopback()) {
    errors.AddLimit(key,
                    "::1 or an IPv6 prefix of at most " + std::to_string(kMaxV6Bits) +
                        " bits, by which clients are told apart",
                    Quoted(text));
  } else {
    rule.identities.emplace_back(*range);
  }
}

void CheckCount(int count, std::size_t least, const std::string& key, ConfigErrors& errors) {
  const auto size = static_cast<std::size_t>(count);
  if (size >= least && size <= Policy::kMaxOfRule) return;
  errors.AddLimit(key, UpTo(least, Policy::kMaxOfRule, "entries"), std::to_string(size));
}

Rule CheckRule(const config::v1::PolicyRule& message, const std::string& path,
               ConfigErrors& errors) {
  const auto at = [&](const char* list, int i) {
    return path + "." + list + "[" + std::to_string(i) + "]";
  };
  Rule rule;
  rule.name = message.name().empty() ? path : message.name();
  const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
  if (message.name().size() > kMaxNameBytes || !std::ranges::all_of(message.name(), printable)) {
    errors.AddLimit(path + ".name", UpTo(0, kMaxNameBytes, "printable ASCII characters"),
                    Quoted(message.name()));
  }
  CheckCount(message.identities_size(), 1, path + ".identities", errors);
  CheckCount(message.methods_size(), 1, path + ".methods", errors);
  CheckCount(message.pools_size(), 0, path + ".pools", errors);
  for (int i = 0; i < message.identities_size(); ++i) {
    CheckIdentity(message.identities(i), at("identities", i), rule, errors);
  }
  for (int i = 0; i < message.methods_size(); ++i) {
    const std::optional<MethodSet> methods = FindMethods(message.methods(i));
    if (!methods) {
      errors.AddLimit(at("methods", i),
                      "the name of a method, as in Lease, of a group (lease, read, buffers, admin, "
                      "reflection), or *",
                      Quoted(message.methods(i)));
    }
    rule.methods |= methods.value_or(0);
  }
  for (int i = 0; i < message.pools_size(); ++i) {
    if (!CheckPattern(message.pools(i), Policy::kMaxPoolBytes, at("pools", i), errors)) continue;
    rule.pools.emplace_back(message.pools(i));
  }
  if (!message.has_quota()) return rule;
  rule.quota = {.handles = message.quota().handles(), .calls_per_s = message.quota().calls_per_s()};
  if (rule.quota->handles > kMaxHandles) {
    errors.AddLimit(path + ".quota.handles", "0 .. " + std::to_string(kMaxHandles),
                    std::to_string(rule.quota->handles));
  }
  if (rule.quota->calls_per_s > kMaxCallsPerS) {
    errors.AddLimit(path + ".quota.calls_per_s", "0 .. " + std::to_string(kMaxCallsPerS),
                    std::to_string(rule.quota->calls_per_s));
  }
  return rule;
}

bool Fits(const Identity& pattern, std::string_view identity,
          const std::optional<AddressRange>& address) {
  if (const auto* const range = std::get_if<AddressRange>(&pattern)) {
    return address && range->Contains(*address);
  }
  return std::get<Glob>(pattern).Matches(identity);
}

}  // namespace

const Rule* Policy::Decide(std::string_view identity, Method method, std::string_view pool) const {
  std::string why;
  const std::optional<AddressRange> address = AddressRange::Parse(identity, why);
  for (const Rule& rule : rules_) {
    if ((rule.methods & Only(method)) == 0) continue;
    // A longer name is no pool's.
    const bool in_pool =
        rule.pools.empty() || pool.empty() ||
        (pool.size() <= kMaxPoolBytes &&
         std::ranges::any_of(rule.pools, [&](const Glob& glob) { return glob.Matches(pool); }));
    if (!in_pool) continue;
    const auto fits = [&](const Identity& pattern) { return Fits(pattern, identity, address); };
    if (std::ranges::any_of(rule.identities, fits)) return &rule;
  }
  return nullptr;
}

std::optional<Policy> ParsePolicy(std::string_view text, Syntax syntax, std::string_view name,
                                  ConfigErrors& errors) {
  config::v1::Policy message;
  if (!ParseMessage(text, syntax, name, message, errors)) return std::nullopt;
  const auto count = static_cast<std::size_t>(message.rules_size());
  if (count > Policy::kMaxRules) {
    errors.AddLimit("rules", UpTo(0, Policy::kMaxRules, "entries"), std::to_string(count));
    return std::nullopt;
  }
  std::vector<Rule> rules;
  std::size_t patterns = 0;
  for (int i = 0; i < message.rules_size(); ++i) {
    rules.push_back(CheckRule(message.rules(i), "rules[" + std::to_string(i) + "]", errors));
    patterns += rules.back().identities.size() + rules.back().pools.size();
  }
  if (patterns > Policy::kMaxPatterns) {
    errors.AddLimit("rules", "of at most " + std::to_string(Policy::kMaxPatterns) + " patterns",
                    std::to_string(patterns));
  }
  if (!errors.empty()) return std::nullopt;
  return Policy(std::move(rules));
}

std::optional<Policy> LoadPolicy(const std::string& path, ConfigErrors& errors) {
  const std::optional<std::string> text = ReadTextFile(path, kMaxFileBytes, errors);
  if (!text) return std::nullopt;
  return ParsePolicy(*text, SyntaxOf(path), path, errors);
}

}  // namespace objpool::settings
