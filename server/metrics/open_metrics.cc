#include "server/metrics/open_metrics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <span>

namespace objpool::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::string_view kTotal = "_total";

void AppendNumber(double value, std::string& to) {
  if (std::isinf(value)) {
    to += value > 0 ? "+Inf" : "-Inf";
    return;
  }
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  to.append(text.data(), end);
}

// In a label's value or a help text.
void AppendEscaped(std::string_view text, std::string& to) {
  for (const char letter : text) {
    if (letter == '\n') {
      to += "\\n";
      continue;
    }
    if (letter == '\\' || letter == '"') to += '\\';
    to += letter;
  }
}

// NAME{label="value",...} VALUE; `le` is one more label where it is not NaN.
void AppendSample(std::string_view name, std::string_view suffix,
                  std::span<const ClientMetric::Label> labels, double le, double value,
                  std::string& to) {
  to.append(name).append(suffix);
  char before = '{';
  const auto begin_label = [&](std::string_view label) {
    to += before;
    to.append(label).append("=\"");
    before = ',';
  };
  for (const ClientMetric::Label& label : labels) {
    begin_label(label.name);
    AppendEscaped(label.value, to);
    to += '"';
  }
  if (!std::isnan(le)) {
    begin_label("le");
    AppendNumber(le, to);
    if (le == std::floor(le) && std::abs(le) < 1e6) to += ".0";  // as the specification writes it
    to += '"';
  }
  if (before == ',') to += '}';
  to += ' ';
  AppendNumber(value, to);
  to += '\n';
}

void AppendHistogram(std::string_view name, const ClientMetric& metric, std::string& to) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  for (const ClientMetric::Bucket& bucket : metric.histogram.bucket) {
    AppendSample(name, "_bucket", metric.label, bucket.upper_bound,
                 static_cast<double>(bucket.cumulative_count), to);
  }
  const auto& buckets = metric.histogram.bucket;
  if (buckets.empty() || !std::isinf(buckets.back().upper_bound)) {
    AppendSample(name, "_bucket", metric.label, std::numeric_limits<double>::infinity(),
                 static_cast<double>(metric.histogram.sample_count), to);
  }
  AppendSample(name, "_count", metric.label, kNone,
               static_cast<double>(metric.histogram.sample_count), to);
  AppendSample(name, "_sum", metric.label, kNone, metric.histogram.sample_sum, to);
}

void AppendFamily(const MetricFamily& family, std::string& to) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  std::string_view name = family.name;
  const bool counter = family.type == MetricType::Counter;
  // The family of a counter is named without what its samples end in.
  if (counter && name.ends_with(kTotal)) name.remove_suffix(kTotal.size());
  const char* const type = counter                                ? "counter"
                           : family.type == MetricType::Histogram ? "histogram"
                                                                  : "gauge";
  to.append("# TYPE ").append(name).append(" ").append(type).append("\n# HELP ").append(name);
  to += ' ';
  AppendEscaped(family.help, to);
  to += '\n';
  for (const ClientMetric& metric : family.metric) {
    if (family.type == MetricType::Histogram) {
      AppendHistogram(name, metric, to);
    } else if (counter) {
      AppendSample(name, kTotal, metric.label, kNone, metric.counter.value, to);
    } else {
      AppendSample(name, "", metric.label, kNone, metric.gauge.value, to);
    }
  }
}

// The weight of a media range: 1 where none is said; of a broken one 0.
double WeightOf(std::string_view range) {
  const auto at = range.find("q=");
  if (at == std::string_view::npos) return 1;
  double weight = 0;
  const std::string_view digits = range.substr(at + 2);
  (void)std::from_chars(digits.data(), digits.data() + digits.size(), weight);
  return weight;
}

}  // namespace

bool WantsOpenMetrics(std::string_view accept) {
  double open = 0;
  double plain = 0;
  while (!accept.empty()) {
    const auto end = accept.find(',');
    const std::string_view range = accept.substr(0, end);
    if (range.find("application/openmetrics-text") != std::string_view::npos) {
      open = std::max(open, WeightOf(range));
    } else if (range.find("text/plain") != std::string_view::npos) {
      plain = std::max(plain, WeightOf(range));
    }
    accept = end == std::string_view::npos ? std::string_view() : accept.substr(end + 1);
  }
  return open > 0 && open >= plain;
}

std::string RenderOpenMetrics(const std::vector<MetricFamily>& families) {
  std::string text;
  for (const MetricFamily& family : families) AppendFamily(family, text);
  text += "# EOF\n";
  return text;
}

}  // namespace objpool::metrics
