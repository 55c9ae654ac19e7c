#include "server/metrics/exposition.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

namespace objpool::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr std::string_view kTotal = "_total";

enum class Format : uint8_t { kText, kOpenMetrics };

void AppendNumber(double value, std::string& to) {
  if (std::isinf(value)) {
    to += value > 0 ? "+Inf" : "-Inf";
    return;
  }
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  to.append(text.data(), end);
}

void AppendNumber(uint64_t value, std::string& to) {
  std::array<char, 20> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  to.append(text.data(), end);
}

// In a label's value, or in a help text of OpenMetrics; that of plain text keeps its quotes.
void AppendEscaped(std::string_view text, std::string& to, bool quotes = true) {
  for (const char letter : text) {
    if (letter == '\n') {
      to += "\\n";
      continue;
    }
    if (letter == '\\' || (letter == '"' && quotes)) to += '\\';
    to += letter;
  }
}

// Writes the samples of one family.
class Samples {
 public:
  Samples(std::string_view name, Format format, std::string& to)
      : name_(name), format_(format), to_(to) {}

  // NAME{label="value",...} VALUE; `le` is one more label, where it is given.
  template <typename Number>
  void Add(std::string_view suffix, std::span<const ClientMetric::Label> labels, Number value,
           std::optional<double> le = std::nullopt) {
    to_.append(name_).append(suffix);
    char before = '{';
    const auto begin_label = [&](std::string_view label) {
      to_ += before;
      to_.append(label).append("=\"");
      before = ',';
    };
    for (const ClientMetric::Label& label : labels) {
      begin_label(label.name);
      AppendEscaped(label.value, to_);
      to_ += '"';
    }
    if (le) {
      begin_label("le");
      AppendNumber(*le, to_);
      // As its specification writes it.
      const bool whole = *le == std::floor(*le) && std::abs(*le) < 1e6;
      if (whole && format_ == Format::kOpenMetrics) to_ += ".0";
      to_ += '"';
    }
    if (before == ',') to_ += '}';
    to_ += ' ';
    AppendNumber(value, to_);
    to_ += '\n';
  }

  void AddHistogram(const ClientMetric& metric) {
    const auto& [count, sum, buckets] = metric.histogram;
    for (const ClientMetric::Bucket& bucket : buckets) {
      Add("_bucket", metric.label, bucket.cumulative_count, bucket.upper_bound);
    }
    if (buckets.empty() || !std::isinf(buckets.back().upper_bound)) {
      Add("_bucket", metric.label, count, std::numeric_limits<double>::infinity());
    }
    Add("_count", metric.label, count);
    Add("_sum", metric.label, sum);
  }

 private:
  const std::string_view name_;
  const Format format_;
  std::string& to_;
};

void AppendFamily(const MetricFamily& family, Format format, std::string& to) {
  const bool open = format == Format::kOpenMetrics;
  const bool counter = family.type == MetricType::Counter;
  std::string_view name = family.name;
  std::string_view suffix;
  // OpenMetrics name a counter's family without what its samples end in.
  if (open && counter && name.ends_with(kTotal)) {
    name.remove_suffix(kTotal.size());
    suffix = kTotal;
  }
  const char* const type = counter                                ? "counter"
                           : family.type == MetricType::Histogram ? "histogram"
                                                                  : "gauge";
  to.append("# HELP ").append(name).append(" ");
  AppendEscaped(family.help, to, open);
  to.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
  Samples samples(name, format, to);
  for (const ClientMetric& metric : family.metric) {
    if (family.type == MetricType::Histogram) {
      samples.AddHistogram(metric);
    } else {
      samples.Add(suffix, metric.label, counter ? metric.counter.value : metric.gauge.value);
    }
  }
}

std::string RenderAs(Format format, const std::vector<MetricFamily>& families) {
  constexpr std::size_t kUsualBytes = 65'536;
  std::string text;
  text.reserve(kUsualBytes);
  for (const MetricFamily& family : families) AppendFamily(family, format, text);
  return text;
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

std::string Render(const std::vector<MetricFamily>& families) {
  return RenderAs(Format::kText, families);
}

std::string RenderOpenMetrics(const std::vector<MetricFamily>& families) {
  return RenderAs(Format::kOpenMetrics, families) + "# EOF\n";
}

}  // namespace objpool::metrics
