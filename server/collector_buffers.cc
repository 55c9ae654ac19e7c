// What goes into and out of leased buffers over the wire.
#include <string>
#include <vector>

#include "server/collector.h"
#include "server/metrics/families.h"

namespace objpool::server {

using metrics::FamilyBuilder;

void AppendBufferMetrics(const CollectorSources& sources,
                         std::vector<prometheus::MetricFamily>& families) {
  FamilyBuilder read{"objpool_buffer_read_bytes_total"};
  FamilyBuilder written{"objpool_buffer_written_bytes_total"};
  bool any = false;
  for (const NamedPool& pool : sources.pools.pools()) {
    if (pool.memory == nullptr) continue;
    any = true;
    uint64_t read_bytes = 0;
    uint64_t written_bytes = 0;
    for (const BufferCell& cell : pool.transfers) {
      read_bytes += cell.read_bytes.value();
      written_bytes += cell.written_bytes.value();
    }
    read.Add(read_bytes, {{"pool", pool.spec.name}});
    written.Add(written_bytes, {{"pool", pool.spec.name}});
  }
  if (!any) return;
  for (FamilyBuilder* const family : {&read, &written}) families.push_back(family->Take());
}

}  // namespace objpool::server
