#include "client/ctl/server_delta.h"

#include <ostream>

namespace objpool::client {
namespace {

// Counters of a server that was restarted meanwhile begin anew.
uint64_t Rise(uint64_t before, uint64_t after) { return after >= before ? after - before : after; }

ServerDelta TotalsOf(const v1::GetPoolStatsResponse& stats) {
  ServerDelta total;
  total.granted = stats.granted();
  total.returned = stats.returned();
  total.expired = stats.expired();
  total.revoked = stats.revoked();
  for (const v1::SlotStats& slot : stats.slots()) {
    total.local_hits += slot.local_hits();
    total.depot_hits += slot.depot_hits();
    total.misses += slot.misses();
    total.same_core += slot.stolen_by().same_core();
    total.same_cache += slot.stolen_by().same_cache();
    total.same_node += slot.stolen_by().same_node();
    total.remote_node += slot.stolen_by().remote_node();
    const v1::StealsByDistance& acquired = slot.acquired_by_steal();
    total.acquired_by_steal += acquired.same_core() + acquired.same_cache() + acquired.same_node() +
                               acquired.remote_node();
  }
  return total;
}

}  // namespace

ServerDelta DeltaOf(const v1::GetPoolStatsResponse& before, const v1::GetPoolStatsResponse& after) {
  const ServerDelta from = TotalsOf(before);
  const ServerDelta to = TotalsOf(after);
  return {.engine = after.engine(),
          .granted = Rise(from.granted, to.granted),
          .returned = Rise(from.returned, to.returned),
          .expired = Rise(from.expired, to.expired),
          .revoked = Rise(from.revoked, to.revoked),
          .local_hits = Rise(from.local_hits, to.local_hits),
          .depot_hits = Rise(from.depot_hits, to.depot_hits),
          .misses = Rise(from.misses, to.misses),
          .same_core = Rise(from.same_core, to.same_core),
          .same_cache = Rise(from.same_cache, to.same_cache),
          .same_node = Rise(from.same_node, to.same_node),
          .remote_node = Rise(from.remote_node, to.remote_node),
          .acquired_by_steal = Rise(from.acquired_by_steal, to.acquired_by_steal)};
}

void WriteDelta(const ServerDelta& delta, std::ostream& out) {
  out << "server   " << delta.local_hits << " local hits, " << delta.depot_hits << " depot hits, "
      << delta.steals() << " steals (same core " << delta.same_core << ", same cache "
      << delta.same_cache << ", same node " << delta.same_node << ", other node "
      << delta.remote_node << "), " << delta.misses << " misses\n";
}

void WriteDelta(const ServerDelta& delta, JsonWriter& json) {
  json.BeginObject("server_delta");
  json.Field("engine", delta.engine);
  json.Field("granted", delta.granted);
  json.Field("returned", delta.returned);
  json.Field("expired", delta.expired);
  json.Field("revoked", delta.revoked);
  json.Field("local_hits", delta.local_hits);
  json.Field("depot_hits", delta.depot_hits);
  json.Field("misses", delta.misses);
  json.BeginObject("steals");
  json.Field("total", delta.steals());
  json.Field("same_core", delta.same_core);
  json.Field("same_cache", delta.same_cache);
  json.Field("same_node", delta.same_node);
  json.Field("remote_node", delta.remote_node);
  json.EndObject();
  json.Field("acquired_by_steal", delta.acquired_by_steal);
  json.EndObject();
}

}  // namespace objpool::client
