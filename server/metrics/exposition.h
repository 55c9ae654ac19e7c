// How metric families are written: Prometheus' text format, or OpenMetrics 1.0 (its specification,
// "Text format") for those who would rather have that. They differ in a counter's name, in bounds
// and in the end.
//
// prometheus-cpp's serializer writes to a stream, with a locale, number by number; this one appends
// to a string.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <string_view>
#include <vector>

namespace objpool::metrics {

inline constexpr std::string_view kTextContentType = "text/plain; version=0.0.4; charset=utf-8";
inline constexpr std::string_view kOpenMetricsContentType =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

// Whether somebody who sends this Accept header would rather have OpenMetrics than plain text: it
// is named, and not weighed less than text/plain.
[[nodiscard]] bool WantsOpenMetrics(std::string_view accept);

// Of counters, gauges and histograms.
[[nodiscard]] std::string Render(const std::vector<prometheus::MetricFamily>& families);
[[nodiscard]] std::string RenderOpenMetrics(const std::vector<prometheus::MetricFamily>& families);

}  // namespace objpool::metrics
