// Metric families as OpenMetrics 1.0 text, which prometheus-cpp 1.0 does not write.
// Source: OpenMetrics, version 1.0.0 of the specification, "Text format".
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <string_view>
#include <vector>

namespace objpool::metrics {

inline constexpr std::string_view kOpenMetricsContentType =
    "application/openmetrics-text; version=1.0.0; charset=utf-8";

// Whether somebody who sends this Accept header would rather have it than plain text: it is named,
// and not weighed less than text/plain.
[[nodiscard]] bool WantsOpenMetrics(std::string_view accept);

// Of counters, gauges and histograms.
[[nodiscard]] std::string RenderOpenMetrics(const std::vector<prometheus::MetricFamily>& families);

}  // namespace objpool::metrics
