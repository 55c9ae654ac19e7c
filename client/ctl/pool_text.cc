#include "client/ctl/pool_text.h"

#include "client/duration.h"
#include "client/ref.h"
#include "client/text.h"

namespace objpool::client {
namespace {

// "DRAINING" for "POOL_STATE_DRAINING", and likewise for all names of one word.
std::string WithoutPrefix(const std::string& name) { return name.substr(name.rfind('_') + 1); }

}  // namespace

std::string KindName(const v1::Pool& pool) {
  switch (pool.kind_case()) {
    case v1::Pool::kIds:
      return "ids";
    case v1::Pool::kLabels:
      return "labels";
    case v1::Pool::kBuffers:
      return "buffers";
    case v1::Pool::KIND_NOT_SET:
      break;
  }
  return "unknown";
}

std::string PoolStateName(v1::PoolState state) {
  const std::string name = v1::PoolState_Name(state);
  return name.empty() ? std::to_string(state) : WithoutPrefix(name);
}

std::string HandleStateName(v1::HandleState state) {
  const std::string name = v1::HandleState_Name(state);
  return name.empty() ? std::to_string(state) : WithoutPrefix(name);
}

std::string KindText(const v1::Pool& pool) {
  if (pool.has_ids()) return "ids from " + std::to_string(pool.ids().first_id());
  if (!pool.has_buffers()) return KindName(pool);
  return "buffers of " + std::to_string(pool.buffers().size_bytes()) + " bytes, " +
         std::to_string(pool.buffers().mapped_bytes()) + " bytes mapped, " +
         Printable(pool.buffers().placement());
}

std::string OldestWaitText(const v1::Pool& pool) {
  return pool.has_oldest_wait() ? FormatDuration(Coarse(DurationOf(pool.oldest_wait()))) : "-";
}

void PoolFields(const v1::Pool& pool, JsonWriter& json) {
  json.Field("name", BarePool(pool.name()));
  json.Field("kind", KindName(pool));
  if (pool.has_ids()) json.Field("first_id", pool.ids().first_id());
  if (pool.has_buffers()) {
    json.Field("size_bytes", pool.buffers().size_bytes());
    json.Field("mapped_bytes", pool.buffers().mapped_bytes());
    json.Field("placement", pool.buffers().placement());
    uint64_t known = 0;
    uint64_t on_node = 0;
    for (const v1::NodePages& pages : pool.buffers().pages()) {
      known += pages.known();
      on_node += pages.on_node();
    }
    json.Field("pages_known", known);
    json.Field("pages_on_node", on_node);
  }
  json.Field("capacity", pool.capacity());
  json.Field("free", pool.free());
  json.Field("leased", pool.leased());
  json.Field("dirty", pool.dirty());
  json.Field("resting", pool.resting());
  json.Field("quarantined", pool.quarantined());
  json.Field("waiters", pool.waiters());
  if (pool.has_oldest_wait()) {
    json.Field("oldest_wait_ms", DurationOf(pool.oldest_wait()).count());
  } else {
    json.Null("oldest_wait_ms");
  }
  json.Field("state", PoolStateName(pool.state()));
  json.Field("durability", WithoutPrefix(objpool::config::v1::Durability_Name(pool.durability())));
  json.Field("ttl_min_ms", DurationOf(pool.ttl_min()).count());
  json.Field("ttl_default_ms", DurationOf(pool.ttl_default()).count());
  json.Field("ttl_max_ms", DurationOf(pool.ttl_max()).count());
  json.Field("reuse_delay_ms", DurationOf(pool.reuse_delay()).count());
  json.Field("quota_handles", pool.quota_per_identity().handles());
  json.Field("quota_calls_per_s", pool.quota_per_identity().calls_per_s());
}

}  // namespace objpool::client
