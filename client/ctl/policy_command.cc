// policy: what a policy file says, as the server would read it.
#include <optional>
#include <ostream>
#include <string>

#include "client/ctl/commands.h"
#include "client/ctl/json_writer.h"
#include "client/ref.h"
#include "client/text.h"
#include "proto/settings/policy.h"

namespace objpool::client {
namespace {

// Nothing, all being said, where it is wrong.
std::optional<settings::Policy> ReadPolicy(const PolicyOptions& options, Console& console) {
  settings::ConfigErrors errors;
  std::optional<settings::Policy> policy = settings::LoadPolicy(options.file, errors);
  for (const std::string& line : errors.Lines()) {
    console.err << "objpoolctl: " << Printable(line) << '\n';
  }
  return policy;
}

}  // namespace

Exit RunPolicyCheck(const PolicyOptions& options, const Target& target, Console& console) {
  const auto policy = ReadPolicy(options, console);
  if (!policy) return Exit::kUsage;
  if (target.json) {
    JsonWriter json(console.out);
    json.BeginObject();
    json.Field("rules", uint64_t{policy->rules().size()});
    json.EndObject();
  } else {
    console.out << "ok\n";
  }
  return Flush(console);
}

Exit RunPolicyTest(const PolicyOptions& options, const Target& target, Console& console) {
  const auto policy = ReadPolicy(options, console);
  if (!policy) return Exit::kUsage;
  const auto method = settings::FindMethod(options.method);
  if (!method) {
    return Fail(console, Exit::kUsage,
                "--method: must be the name of a method, as in Lease, but is " +
                    settings::Quoted(options.method));
  }
  const settings::Rule* const rule =
      policy->Decide(options.identity, *method, BarePool(options.pool));
  if (target.json) {
    JsonWriter json(console.out);
    json.BeginObject();
    json.Field("allowed", rule != nullptr);
    rule != nullptr ? json.Field("rule", rule->name) : json.Null("rule");
    if (rule != nullptr && rule->quota) {
      json.BeginObject("quota");
      json.Field("handles", rule->quota->handles);
      json.Field("calls_per_s", rule->quota->calls_per_s);
      json.EndObject();
    }
    json.EndObject();
  } else if (rule != nullptr) {
    console.out << "allowed by " << rule->name << '\n';
  } else {
    console.out << "denied: no rule allows it\n";
  }
  const Exit written = Flush(console);
  return written == Exit::kOk && rule == nullptr ? Exit::kDenied : written;
}

}  // namespace objpool::client
