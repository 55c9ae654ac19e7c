// pool: makes, changes, drains and ends pools, and recounts them.
#include <ostream>
#include <utility>

#include "client/ctl/commands.h"
#include "client/ctl/json_writer.h"
#include "client/ctl/pool_text.h"
#include "client/text.h"

namespace objpool::client {
namespace {

// The pool as it is now, or why not.
Exit Write(const Result<v1::Pool>& result, const char* done, const Client& client,
           const Target& target, Console& console) {
  if (!result.ok()) return Fail(console, result.error, client.options());
  if (target.json) {
    JsonWriter json(console.out);
    json.BeginObject();
    PoolFields(result.value, json);
    json.EndObject();
  } else {
    console.out << Printable(BarePool(result.value.name())) << '\t' << done << '\n';
  }
  return Flush(console);
}

void CountFields(std::string_view key, const v1::HandleCounts& counts, JsonWriter& json) {
  json.BeginObject(key);
  json.Field("free", counts.free());
  json.Field("leased", counts.leased());
  json.Field("dirty", counts.dirty());
  json.Field("resting", counts.resting());
  json.Field("quarantined", counts.quarantined());
  json.EndObject();
}

std::string CountText(const v1::HandleCounts& counts) {
  return std::to_string(counts.free()) + " free, " + std::to_string(counts.leased()) + " leased, " +
         std::to_string(counts.dirty()) + " dirty, " + std::to_string(counts.resting()) +
         " resting, " + std::to_string(counts.quarantined()) + " quarantined";
}

void WriteAudit(std::string_view pool, const v1::AuditPoolResponse& audit, const Target& target,
                Console& console) {
  if (!target.json) {
    console.out << "pool        " << BarePool(pool) << "\nconsistent  "
                << (audit.consistent() ? "yes" : "no") << "\ncapacity    " << audit.capacity()
                << "\nrecounted   " << CountText(audit.recounted()) << "\ncounted     "
                << CountText(audit.counted()) << "\nlooks       " << audit.looks() << '\n';
    for (const std::string& difference : audit.differences()) {
      console.out << "difference  " << Printable(difference) << '\n';
    }
    return;
  }
  JsonWriter json(console.out);
  json.BeginObject();
  json.Field("pool", BarePool(pool));
  json.Field("consistent", audit.consistent());
  json.Field("capacity", audit.capacity());
  CountFields("recounted", audit.recounted(), json);
  CountFields("counted", audit.counted(), json);
  json.Field("looks", audit.looks());
  json.BeginArray("differences");
  for (const std::string& difference : audit.differences()) json.Field({}, difference);
  json.EndArray();
  json.EndObject();
}

bool IsGone(const Error& error) { return error.reason == "POOL_UNKNOWN"; }

}  // namespace

Exit RunPoolCreate(const v1::CreatePoolRequest& request, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  return Write(client.CreatePool(request), "created", client, target, console);
}

Exit RunPoolUpdate(const v1::UpdatePoolRequest& request, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  return Write(client.UpdatePool(request), "updated", client, target, console);
}

Exit RunPoolDrain(const std::string& pool, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  return Write(client.DrainPool(pool), "draining", client, target, console);
}

Exit RunPoolResume(const std::string& pool, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  return Write(client.ResumePool(pool), "active", client, target, console);
}

Exit RunPoolDelete(const std::string& pool, bool wait, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  const Result<v1::Pool> deleted = client.DeletePool(pool);
  if (!deleted.ok() || !wait) return Write(deleted, "deleting", client, target, console);
  grpc::ClientContext context;
  const Error error =
      client.WatchPool(pool, kMinWatchInterval, context, [](const v1::Pool&) { return true; });
  if (!IsGone(error)) return Fail(console, error, client.options());
  return Write(deleted, "deleted", client, target, console);
}

Exit RunPoolAudit(const std::string& pool, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  const Result<v1::AuditPoolResponse> audit = client.AuditPool(pool);
  if (!audit.ok()) return Fail(console, audit.error, client.options());
  WriteAudit(pool, audit.value, target, console);
  const Exit exit = Flush(console);
  if (exit != Exit::kOk) return exit;
  return audit.value.consistent() ? Exit::kOk : Exit::kRefused;
}

}  // namespace objpool::client
