// pools and probe: how the server and its pools are doing.
#include <ostream>

#include "client/ctl/commands.h"
#include "client/ctl/json_writer.h"
#include "client/ctl/pool_text.h"
#include "client/ctl/table.h"
#include "client/text.h"

namespace objpool::client {
namespace {

uint64_t Sum(const v1::StealsByDistance& steals) {
  return steals.same_core() + steals.same_cache() + steals.same_node() + steals.remote_node();
}

void StealFields(std::string_view key, const v1::StealsByDistance& steals, JsonWriter& json) {
  json.BeginObject(key);
  json.Field("same_core", steals.same_core());
  json.Field("same_cache", steals.same_cache());
  json.Field("same_node", steals.same_node());
  json.Field("remote_node", steals.remote_node());
  json.EndObject();
}

void WriteList(const std::vector<v1::Pool>& pools, const Target& target, Console& console) {
  if (target.json) {
    JsonWriter json(console.out);
    json.BeginObject();
    json.BeginArray("pools");
    for (const v1::Pool& pool : pools) {
      json.BeginObject();
      PoolFields(pool, json);
      json.EndObject();
    }
    json.EndArray();
    json.EndObject();
    return;
  }
  std::vector<Row> rows = {{"NAME", "KIND", "CAPACITY", "FREE", "LEASED", "TTL", "STATE"}};
  for (const v1::Pool& pool : pools) {
    rows.push_back({Printable(BarePool(pool.name())), KindName(pool),
                    std::to_string(pool.capacity()), std::to_string(pool.free()),
                    std::to_string(pool.leased()), FormatDuration(DurationOf(pool.ttl_default())),
                    PoolStateName(pool.state())});
  }
  WriteTable(console.out, rows);
}

void WriteOneJson(const v1::Pool& pool, const v1::GetPoolStatsResponse& stats, Console& console) {
  JsonWriter json(console.out);
  json.BeginObject();
  PoolFields(pool, json);
  json.Field("engine", stats.engine());
  json.Field("granted", stats.granted());
  json.Field("renewed", stats.renewed());
  json.Field("returned", stats.returned());
  json.Field("expired", stats.expired());
  json.Field("revoked", stats.revoked());
  json.BeginArray("slots");
  for (const v1::SlotStats& slot : stats.slots()) {
    json.BeginObject();
    json.Field("worker", slot.worker());
    json.Field("cpu", slot.cpu());
    json.Field("node", slot.numa_node());
    json.Field("occupancy", slot.occupancy());
    json.Field("pushes", slot.pushes());
    json.Field("local_hits", slot.local_hits());
    json.Field("depot_hits", slot.depot_hits());
    json.Field("misses", slot.misses());
    StealFields("stolen_by", slot.stolen_by(), json);
    StealFields("stolen_from", slot.stolen_from(), json);
    StealFields("acquired_by_steal", slot.acquired_by_steal(), json);
    json.EndObject();
  }
  json.EndArray();
  json.EndObject();
}

void WriteOneText(const v1::Pool& pool, const v1::GetPoolStatsResponse& stats, Console& console) {
  console.out << "name      " << Printable(BarePool(pool.name())) << "\nkind      "
              << KindText(pool) << "\ncapacity  " << pool.capacity() << "\nfree      "
              << pool.free() << "\nleased    " << pool.leased() << "\nttl       "
              << FormatDuration(DurationOf(pool.ttl_default())) << " by default, from "
              << FormatDuration(DurationOf(pool.ttl_min())) << " to "
              << FormatDuration(DurationOf(pool.ttl_max())) << "\nstate     "
              << PoolStateName(pool.state()) << ", " << pool.waiters() << " waiting"
              << (pool.has_oldest_wait() ? ", the longest for " + OldestWaitText(pool) : "") << ", "
              << pool.dirty() << " dirty, " << pool.resting() << " resting, " << pool.quarantined()
              << " quarantined\ngrants    " << stats.granted() << " made, " << stats.renewed()
              << " renewed, " << stats.returned() << " returned, " << stats.expired()
              << " expired, " << stats.revoked() << " revoked\nengine    "
              << Printable(stats.engine()) << "\n\n";
  std::vector<Row> rows = {
      {"WORKER", "CPU", "NODE", "OCCUPANCY", "LOCAL_HITS", "DEPOT_HITS", "STEALS", "MISSES"}};
  for (const v1::SlotStats& slot : stats.slots()) {
    rows.push_back({std::to_string(slot.worker()), std::to_string(slot.cpu()),
                    std::to_string(slot.numa_node()), std::to_string(slot.occupancy()),
                    std::to_string(slot.local_hits()), std::to_string(slot.depot_hits()),
                    std::to_string(Sum(slot.stolen_by())), std::to_string(slot.misses())});
  }
  WriteTable(console.out, rows);
}

}  // namespace

Exit RunPools(const std::string& name, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  if (name.empty()) {
    const auto pools = client.ListPools();
    if (!pools.ok()) return Fail(console, pools.error, client.options());
    WriteList(pools.value, target, console);
    return Flush(console);
  }
  const Result<v1::Pool> pool = client.GetPool(name);
  if (!pool.ok()) return Fail(console, pool.error, client.options());
  const Result<v1::GetPoolStatsResponse> stats = client.GetPoolStats(name);
  if (!stats.ok()) return Fail(console, stats.error, client.options());
  if (target.json) {
    WriteOneJson(pool.value, stats.value, console);
  } else {
    WriteOneText(pool.value, stats.value, console);
  }
  return Flush(console);
}

Exit RunProbe(const std::string& service, const Target& target, Console& console) {
  using Response = grpc::health::v1::HealthCheckResponse;
  const Client client(OptionsOf(target, kProbeTimeout));
  const Result<Response::ServingStatus> health = client.Check(service);
  if (!health.ok()) return Fail(console, health.error, client.options());
  std::string status = Response::ServingStatus_Name(health.value);
  if (status.empty()) status = std::to_string(health.value);
  if (target.json) {
    JsonWriter json(console.out);
    json.BeginObject();
    json.Field("service", service);
    json.Field("status", status);
    json.EndObject();
  } else {
    console.out << status << '\n';
  }
  const Exit exit = Flush(console);
  if (exit != Exit::kOk) return exit;
  return health.value == Response::SERVING ? Exit::kOk : Exit::kRefused;
}

}  // namespace objpool::client
