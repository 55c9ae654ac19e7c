#include "client/ctl/selector.h"

#include <algorithm>
#include <utility>

#include "client/text.h"

namespace objpool::client {
namespace {

constexpr std::size_t kMaxLabelBytes = 63;
constexpr std::string_view kLabelCharacters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./";

class SelectorReader {
 public:
  SelectorReader(std::string_view text, std::string& why) : rest_(text), why_(why) {}

  bool Read(std::vector<v1::SelectorTerm>& terms) {
    do {
      v1::SelectorTerm term;
      if (!ReadTerm(term)) return false;
      terms.push_back(std::move(term));
      if (terms.size() > kMaxSelectorTerms) {
        return Wrong("at most " + std::to_string(kMaxSelectorTerms) + " terms");
      }
    } while (Skip(","));
    return rest_.empty() || Wrong("a comma");
  }

 private:
  bool ReadTerm(v1::SelectorTerm& term) {
    const bool absent = Skip("!");
    term.set_key(std::string(Word()));
    if (term.key().empty()) return Wrong("a label's key");
    if (term.key().size() > kMaxLabelBytes) return Wrong("a key of at most 63 characters");
    if (absent) {
      term.set_rule(v1::SelectorTerm::RULE_NOT_EXISTS);
      return true;
    }
    if (Skip("!=")) return ReadValue(v1::SelectorTerm::RULE_NOT_IN, term);
    if (Skip("==") || Skip("=")) return ReadValue(v1::SelectorTerm::RULE_IN, term);
    const std::string_view behind = rest_;
    const std::string_view word = Word();
    if (word == "in") return ReadValues(v1::SelectorTerm::RULE_IN, term);
    if (word == "notin") return ReadValues(v1::SelectorTerm::RULE_NOT_IN, term);
    rest_ = behind;
    term.set_rule(v1::SelectorTerm::RULE_EXISTS);
    return true;
  }

  // A value may be empty: "zone=".
  bool ReadValue(v1::SelectorTerm::Rule rule, v1::SelectorTerm& term) {
    term.set_rule(rule);
    const std::string_view value = Word();
    term.add_values(std::string(value));
    return value.size() <= kMaxLabelBytes || Wrong("a value of at most 63 characters");
  }

  bool ReadValues(v1::SelectorTerm::Rule rule, v1::SelectorTerm& term) {
    if (!Skip("(")) return Wrong("\"(\"");
    do {
      if (!ReadValue(rule, term)) return false;
      if (static_cast<std::size_t>(term.values_size()) > kMaxSelectorValues) {
        return Wrong("at most " + std::to_string(kMaxSelectorValues) + " values");
      }
    } while (Skip(","));
    return Skip(")") || Wrong("\")\"");
  }

  void SkipSpaces() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }

  bool Skip(std::string_view sign) {
    SkipSpaces();
    if (!rest_.starts_with(sign)) return false;
    rest_.remove_prefix(sign.size());
    SkipSpaces();
    return true;
  }

  std::string_view Word() {
    SkipSpaces();
    const std::string_view word =
        rest_.substr(0, std::min(rest_.find_first_not_of(kLabelCharacters), rest_.size()));
    rest_.remove_prefix(word.size());
    SkipSpaces();
    return word;
  }

  bool Wrong(const std::string& wanted) {
    why_ = "must be like 'model=a100,zone!=b,rack,!spot,tier in (1,2)'; " + wanted +
           " should stand " +
           (rest_.empty() ? std::string("at the end") : "before \"" + Printable(rest_, 40) + '"');
    return false;
  }

  std::string_view rest_;
  std::string& why_;
};

}  // namespace

std::optional<std::vector<v1::SelectorTerm>> ParseSelector(std::string_view text,
                                                           std::string& why) {
  std::vector<v1::SelectorTerm> terms;
  if (!SelectorReader(text, why).Read(terms)) return std::nullopt;
  return terms;
}

}  // namespace objpool::client
