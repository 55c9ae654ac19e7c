// return, renew and revoke: many refs of many pools, one call for each pool (revoke: for each ref),
// one result for each ref.
#include <array>
#include <functional>
#include <istream>
#include <map>
#include <optional>
#include <ostream>

#include "client/ctl/commands.h"
#include "client/ctl/json_writer.h"

namespace objpool::client {
namespace {

// A line that `lease` wrote: a label of 256 bytes, each perhaps as \xNN, a ref and a ttl.
constexpr std::size_t kMaxLineBytes = 2048;

// The ref in a line: all of it, or the second of its fields.
std::string_view RefInLine(std::string_view line) {
  const std::size_t tab = line.find('\t');
  if (tab != std::string_view::npos) {
    line.remove_prefix(tab + 1);
    line = line.substr(0, line.find('\t'));
  }
  const std::size_t first = line.find_first_not_of(" \r");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \r") - first + 1);
}

class RefReader {
 public:
  // ParseRef or ParseRefWithoutKey.
  using Parse = std::optional<Ref> (*)(std::string_view text, std::string& why);
  // Nothing, and in `why` what is wrong with which ref, unless all can be read.
  static std::optional<std::vector<Ref>> Read(const std::vector<std::string>& words, Parse parse,
                                              std::istream& in, std::string& why) {
    RefReader reader(parse, why);
    for (const std::string& word : words) {
      if (word == "-" ? !reader.AddLines(in) : !reader.Add(word)) return std::nullopt;
    }
    if (reader.refs_.empty()) {
      why = "there is no ref on the standard input";
      return std::nullopt;
    }
    return std::move(reader.refs_);
  }

 private:
  RefReader(Parse parse, std::string& why) : parse_(parse), why_(why) {}

  bool Add(std::string_view text) {
    if (refs_.size() == kMaxBatch) {
      why_ = "at most " + std::to_string(kMaxBatch) + " refs at a time; got more";
      return false;
    }
    const std::optional<Ref> ref = parse_(text, why_);
    if (ref) refs_.push_back(*ref);
    return ref.has_value();
  }

  bool AddLines(std::istream& in) {
    std::array<char, kMaxLineBytes> line;
    while (in.getline(line.data(), kMaxLineBytes)) {
      const std::string_view text = RefInLine(line.data());
      if (!text.empty() && !Add(text)) return false;
    }
    if (in.eof()) return true;
    why_ = "a line of the standard input is longer than " + std::to_string(kMaxLineBytes - 1) +
           " bytes";
    return false;
  }

  const Parse parse_;
  std::string& why_;
  std::vector<Ref> refs_;
};

// What became of one ref.
struct Outcome {
  Error error;
  bool already = false;  // an earlier call did it
  Milliseconds ttl{0};
  std::string expire_time;
};

std::vector<Outcome> OutcomesOf(const BatchResult& result) {
  std::vector<Outcome> outcomes;
  for (const ItemResult& item : result.items) {
    outcomes.push_back({.error = item.error,
                        .already = item.already_returned,
                        .ttl = result.ttl,
                        .expire_time = FormatTimestamp(result.expire_time)});
  }
  return outcomes;
}

struct Verb {
  std::string_view done;     // "returned"
  std::string_view already;  // the field for what an earlier call did; empty where nothing can be
  bool needs_key = true;
  std::function<std::vector<Outcome>(std::string_view pool, std::span<const Ref> refs)> call;

  [[nodiscard]] std::string Show(const Ref& ref) const {
    return needs_key ? FormatRef(ref) : WithoutKey(ref);
  }
};

// One call for each pool; outcomes in the order of `refs`.
std::vector<Outcome> CallByPool(const std::vector<Ref>& refs, const Verb& verb) {
  std::map<std::string_view, std::vector<std::size_t>> places;
  for (std::size_t i = 0; i < refs.size(); ++i) places[refs[i].pool].push_back(i);
  std::vector<Outcome> outcomes(refs.size());
  for (const auto& [pool, of_pool] : places) {
    std::vector<Ref> batch;
    for (const std::size_t place : of_pool) batch.push_back(refs[place]);
    std::vector<Outcome> of_batch = verb.call(pool, batch);
    for (std::size_t i = 0; i < of_pool.size(); ++i) {
      outcomes[of_pool[i]] = std::move(of_batch[i]);
    }
  }
  return outcomes;
}

void WriteJson(const std::vector<Ref>& refs, const std::vector<Outcome>& outcomes, const Verb& verb,
               std::size_t failed, Console& console) {
  JsonWriter json(console.out);
  json.BeginObject();
  json.BeginArray("results");
  for (std::size_t i = 0; i < refs.size(); ++i) {
    const Outcome& outcome = outcomes[i];
    const Error& error = outcome.error;
    json.BeginObject();
    json.Field("ref", verb.Show(refs[i]));
    json.Field("ok", error.ok());
    if (!error.ok()) {
      json.BeginObject("error");
      json.Field("kind", ErrorKind(error));
      json.Field("code", CodeName(error.code));
      json.Field("message", error.message);
      json.EndObject();
    } else if (verb.already.empty()) {
      json.Field("ttl_ms", outcome.ttl.count());
      json.Field("expire_time", outcome.expire_time);
    } else {
      json.Field(verb.already, outcome.already);
    }
    json.EndObject();
  }
  json.EndArray();
  json.Field("failed", failed);
  json.EndObject();
}

void WriteText(const std::vector<Ref>& refs, const std::vector<Outcome>& outcomes, const Verb& verb,
               const ClientOptions& options, Console& console) {
  for (std::size_t i = 0; i < refs.size(); ++i) {
    const Outcome& outcome = outcomes[i];
    if (!outcome.error.ok()) {
      static_cast<void>(Fail(console, Exit::kRefused,
                             WithoutKey(refs[i]) + ": " + Explain(outcome.error, options)));
    } else if (verb.already.empty()) {
      console.out << verb.Show(refs[i]) << '\t' << verb.done << '\t' << FormatDuration(outcome.ttl)
                  << '\n';
    } else {
      console.out << verb.Show(refs[i]) << '\t' << (outcome.already ? "already " : "") << verb.done
                  << '\n';
    }
  }
}

Exit RunVerb(const RefsOptions& options, const Target& target, Console& console,
             const ClientOptions& client, const Verb& verb) {
  std::string why;
  const std::optional<std::vector<Ref>> refs = RefReader::Read(
      options.refs, verb.needs_key ? ParseRef : ParseRefWithoutKey, console.in, why);
  if (!refs) return Fail(console, Exit::kUsage, why);
  const std::vector<Outcome> outcomes = CallByPool(*refs, verb);

  std::size_t failed = 0;
  std::size_t unreachable = 0;
  const Error* last = nullptr;
  for (const Outcome& outcome : outcomes) {
    if (outcome.error.ok()) continue;
    last = &outcome.error;
    ++failed;
    if (last->origin != Error::Origin::kServer) ++unreachable;
  }
  const bool all_unreachable = unreachable == outcomes.size();
  if (target.json) {
    WriteJson(*refs, outcomes, verb, failed, console);
  } else if (!all_unreachable) {
    WriteText(*refs, outcomes, verb, client, console);
  }
  const Exit exit = Flush(console);
  // One reason for all is said once, not for each ref.
  if (all_unreachable) return Fail(console, *last, client);
  if (exit != Exit::kOk || failed == 0) return exit;
  return Fail(console, Exit::kRefused,
              std::to_string(failed) + " of " + std::to_string(refs->size()) + " refs not " +
                  std::string(verb.done));
}

}  // namespace

Exit RunReturn(const RefsOptions& options, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  const auto call = [&](std::string_view pool, std::span<const Ref> refs) {
    return OutcomesOf(client.Return(pool, refs, options.disposition));
  };
  return RunVerb(
      options, target, console, client.options(),
      {.done = "returned", .already = "already_returned", .needs_key = true, .call = call});
}

Exit RunRenew(const RefsOptions& options, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  const auto call = [&](std::string_view pool, std::span<const Ref> refs) {
    return OutcomesOf(client.Renew(pool, refs, options.ttl));
  };
  return RunVerb(options, target, console, client.options(),
                 {.done = "renewed", .already = {}, .needs_key = true, .call = call});
}

Exit RunRevoke(const RefsOptions& options, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  Error lost;
  const auto call = [&](std::string_view pool, std::span<const Ref> refs) {
    std::vector<Outcome> outcomes(refs.size());
    for (std::size_t i = 0; i < refs.size(); ++i) {
      // Who did not answer once is not waited for a thousand times.
      outcomes[i].error = lost;
      if (!lost.ok()) continue;
      const auto revoked = client.RevokeGrant(pool, refs[i].handle, refs[i].fence);
      outcomes[i].error = revoked.error;
      outcomes[i].already = revoked.value.already_revoked();
      if (revoked.error.origin != Error::Origin::kServer) lost = revoked.error;
    }
    return outcomes;
  };
  return RunVerb(
      options, target, console, client.options(),
      {.done = "revoked", .already = "already_revoked", .needs_key = false, .call = call});
}

}  // namespace objpool::client
