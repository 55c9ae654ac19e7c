#include "client/ctl/bench_compare.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iomanip>
#include <map>
#include <optional>
#include <ostream>
#include <sstream>
#include <vector>

#include "client/ctl/json_writer.h"
#include "client/ctl/ratio_interval.h"
#include "client/ctl/table.h"
#include "client/text.h"

namespace objpool::client {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

constexpr const char* kSchema = "objpool.bench.open.v1";
// An hour of seconds is less than 2 MB.
constexpr std::streamsize kMostBytes = std::streamsize{64} << 20;
// Of fewer seconds an interval says nothing.
constexpr std::size_t kLeastSeconds = 5;

struct Metric {
  const char* field;  // of each second
  const char* shown;
  bool more_is_better;
};
constexpr std::array<Metric, 3> kMetrics = {{{"leased", "leases/s", true},
                                             {"lease_p50_us", "lease p50, us", false},
                                             {"lease_p99_us", "lease p99, us", false}}};

// A result as it was read.
struct Recording {
  std::string file;
  Struct fields;
  std::vector<Struct> seconds;  // that were measured, and in which something was leased
};

enum class Verdict : uint8_t { kSame, kBetter, kWorse };
const char* NameOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSame:
      return "no difference";
    case Verdict::kBetter:
      return "better";
    case Verdict::kWorse:
      return "worse";
  }
  return "";
}

struct Finding {
  Metric metric;
  double before;
  double after;
  RatioInterval interval;
  Verdict verdict;
};

const Value* FieldOf(const Struct& object, const std::string& name, Value::KindCase kind) {
  const auto found = object.fields().find(name);
  return found != object.fields().end() && found->second.kind_case() == kind ? &found->second
                                                                             : nullptr;
}

double NumberOf(const Struct& object, const std::string& name) {
  const Value* const value = FieldOf(object, name, Value::kNumberValue);
  return value != nullptr ? value->number_value() : 0;
}

bool IsTrue(const Struct& object, const std::string& name) {
  const Value* const value = FieldOf(object, name, Value::kBoolValue);
  return value != nullptr && value->bool_value();
}

std::string TextOf(const Struct& object, const std::string& name) {
  const Value* const value = FieldOf(object, name, Value::kStringValue);
  return value != nullptr ? value->string_value() : "";
}

// The whole file; a sentence where there is none.
std::string Read(const std::string& file, std::string& text) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream all;
  if (!in || !(all << in.rdbuf())) {
    return std::string("cannot be read: ") + std::strerror(errno != 0 ? errno : EIO);
  }
  text = all.str();
  if (text.size() <= static_cast<std::size_t>(kMostBytes)) return {};
  return "must be at most " + std::to_string(kMostBytes) + " bytes; got " +
         std::to_string(text.size());
}

// Fills it from its file; a sentence where that is no result.
std::string Fill(Recording& result) {
  std::string text;
  if (std::string why = Read(result.file, text); !why.empty()) return why;
  if (!google::protobuf::util::JsonStringToMessage(text, &result.fields).ok()) {
    return "is no JSON object";
  }
  if (const std::string schema = TextOf(result.fields, "schema"); schema != kSchema) {
    return std::string("schema must be ") + kSchema + " (bench --rate --output json); got " +
           (schema.empty() ? "none" : Printable(schema, 80));
  }
  const Value* const seconds = FieldOf(result.fields, "seconds", Value::kListValue);
  if (seconds != nullptr) {
    for (const Value& second : seconds->list_value().values()) {
      const Struct& fields = second.struct_value();
      if (IsTrue(fields, "measured") && NumberOf(fields, "leased") > 0 &&
          NumberOf(fields, "lease_p50_us") > 0 && NumberOf(fields, "lease_p99_us") > 0) {
        result.seconds.push_back(fields);
      }
    }
  }
  if (result.seconds.size() >= kLeastSeconds) return {};
  return "seconds: must have at least " + std::to_string(kLeastSeconds) +
         " that were measured whole, with leases; got " + std::to_string(result.seconds.size());
}

std::vector<double> MeasuredOf(const Recording& result, const char* field) {
  std::vector<double> values;
  for (const Struct& second : result.seconds) values.push_back(NumberOf(second, field));
  return values;
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// A difference is one when the whole interval is beyond what is tolerated.
Finding Compare(const Metric& metric, const Recording& before, const Recording& after,
                double tolerance) {
  const std::vector<double> a = MeasuredOf(before, metric.field);
  const std::vector<double> b = MeasuredOf(after, metric.field);
  Finding finding = {.metric = metric,
                     .before = Mean(a),
                     .after = Mean(b),
                     .interval = RatioOf(a, b),
                     .verdict = Verdict::kSame};
  const double most = 1 + (tolerance / 100);
  const bool more = finding.interval.low > most;
  const bool less = finding.interval.high < 1 / most;
  if (more || less) {
    finding.verdict = more == metric.more_is_better ? Verdict::kBetter : Verdict::kWorse;
  }
  return finding;
}

// An option as it was given.
std::string Shown(const Value& value) {
  switch (value.kind_case()) {
    case Value::kNumberValue: {
      std::ostringstream number;
      number << std::setprecision(15) << value.number_value();
      return number.str();
    }
    case Value::kBoolValue:
      return value.bool_value() ? "yes" : "no";
    default:
      return Printable(value.string_value(), 80);
  }
}

// What was asked differently: "rate 1000 / 2000".
std::vector<std::string> Differences(const Recording& before, const Recording& after) {
  // By name, what each says; "-" where it says nothing.
  std::map<std::string, std::array<std::string, 2>> all;
  for (const std::size_t side : {0U, 1U}) {
    const Value* const options =
        FieldOf((side == 0 ? before : after).fields, "options", Value::kStructValue);
    if (options == nullptr) continue;
    for (const auto& [name, value] : options->struct_value().fields()) {
      all.try_emplace(name, std::array<std::string, 2>{"-", "-"}).first->second[side] =
          Shown(value);
    }
  }
  std::vector<std::string> differences;
  for (const auto& [name, said] : all) {
    if (said[0] == said[1]) continue;
    differences.push_back(Printable(name, 80) + ' ' + said[0] + " / " + said[1]);
  }
  return differences;
}

// Worse where anything is.
Verdict Overall(const std::vector<Finding>& findings) {
  Verdict overall = Verdict::kSame;
  for (const Finding& finding : findings) overall = std::max(overall, finding.verdict);
  return overall;
}

struct Comparison {
  const CompareOptions& options;
  const Recording& before;
  const Recording& after;
  std::vector<Finding> findings;
  std::vector<std::string> differences;
};

void WriteText(const Comparison& comparison, std::ostream& out) {
  out << "A " << Printable(comparison.before.file) << ": " << comparison.before.seconds.size()
      << " seconds\nB " << Printable(comparison.after.file) << ": "
      << comparison.after.seconds.size() << " seconds\n";
  for (const std::string& difference : comparison.differences) {
    out << "options differ, A / B: " << difference << '\n';
  }
  out << '\n';
  std::vector<Row> rows = {{"mean of the seconds", "A", "B", "B / A", "99 % from", "to", ""}};
  for (const Finding& finding : comparison.findings) {
    rows.push_back({finding.metric.shown, Decimal(finding.before, 1), Decimal(finding.after, 1),
                    Decimal(finding.interval.ratio, 3), Decimal(finding.interval.low, 3),
                    Decimal(finding.interval.high, 3), NameOf(finding.verdict)});
  }
  WriteTable(out, rows);
  out << "\nB is "
      << (Overall(comparison.findings) == Verdict::kSame     ? "no different from A"
          : Overall(comparison.findings) == Verdict::kBetter ? "better than A"
                                                             : "worse than A")
      << ", where " << Decimal(comparison.options.tolerance, 1) << " % make no difference\n";
}

void WriteJson(const Comparison& comparison, std::ostream& out) {
  JsonWriter json(out);
  json.BeginObject();
  json.Field("schema", "objpool.bench.compare.v1");
  json.Field("before", comparison.before.file);
  json.Field("after", comparison.after.file);
  json.Field("tolerance_percent", comparison.options.tolerance);
  json.Field("seconds_before", comparison.before.seconds.size());
  json.Field("seconds_after", comparison.after.seconds.size());
  json.Field("verdict", NameOf(Overall(comparison.findings)));
  json.BeginArray("options_that_differ");
  for (const std::string& difference : comparison.differences) json.Field({}, difference);
  json.EndArray();
  json.BeginArray("metrics");
  for (const Finding& finding : comparison.findings) {
    json.BeginObject();
    json.Field("metric", finding.metric.field);
    json.Field("before", finding.before);
    json.Field("after", finding.after);
    json.Field("ratio", finding.interval.ratio);
    json.Field("ratio_low", finding.interval.low);
    json.Field("ratio_high", finding.interval.high);
    json.Field("verdict", NameOf(finding.verdict));
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

}  // namespace

Exit RunCompare(const CompareOptions& options, bool json, Console& console) {
  std::array<Recording, 2> results;
  results[0].file = options.before;
  results[1].file = options.after;
  for (Recording& result : results) {
    if (const std::string why = Fill(result); !why.empty()) {
      return Fail(console, Exit::kUsage, Printable(result.file) + ": " + why);
    }
    if (!IsTrue(result.fields, "valid")) {
      return Fail(console, Exit::kInvalid,
                  Printable(result.file) +
                      ": its run was INVALID: " + Printable(TextOf(result.fields, "why_invalid")));
    }
  }
  Comparison comparison = {.options = options,
                           .before = results[0],
                           .after = results[1],
                           .findings = {},
                           .differences = Differences(results[0], results[1])};
  for (const Metric& metric : kMetrics) {
    comparison.findings.push_back(Compare(metric, results[0], results[1], options.tolerance));
  }
  if (json) {
    WriteJson(comparison, console.out);
  } else {
    WriteText(comparison, console.out);
  }
  if (const Exit flushed = Flush(console); flushed != Exit::kOk) return flushed;
  return Overall(comparison.findings) == Verdict::kWorse ? Exit::kWorse : Exit::kOk;
}

}  // namespace objpool::client
