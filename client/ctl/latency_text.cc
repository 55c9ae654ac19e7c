#include "client/ctl/latency_text.h"

namespace objpool::client {

Row LatencyHeading() {
  Row row = {"us"};
  for (const LatencyShare& share : kLatencyShares) row.emplace_back(share.shown);
  row.insert(row.end(), {"max", "mean", "count"});
  return row;
}

Row LatencyRow(const char* name, const base::LogHistogram& ns, int digits) {
  const uint64_t count = ns.count();
  const auto us = [&](double value) { return count == 0 ? "-" : Decimal(Us(value), digits); };
  Row row = {name};
  for (const LatencyShare& share : kLatencyShares) {
    row.push_back(us(static_cast<double>(ns.Quantile(share.quantile))));
  }
  row.push_back(us(static_cast<double>(ns.max())));
  row.push_back(us(ns.mean()));
  row.push_back(std::to_string(count));
  return row;
}

void LatencyField(const char* name, const base::LogHistogram& ns, JsonWriter& json) {
  if (ns.count() == 0) return json.Null(name);
  json.BeginObject(name);
  json.Field("count", ns.count());
  for (const LatencyShare& share : kLatencyShares) {
    json.Field(share.field, Us(ns.Quantile(share.quantile)));
  }
  json.Field("max", Us(ns.max()));
  json.Field("mean", Us(ns.mean()));
  json.EndObject();
}

}  // namespace objpool::client
