// lease and grant: what a handle stands for, and in whose hands it is.
#include <ostream>

#include "client/ctl/commands.h"
#include "client/ctl/grant_text.h"
#include "client/ctl/json_writer.h"
#include "client/text.h"

namespace objpool::client {
namespace {

// Fences and keys are strings: many readers of JSON round numbers beyond 2^53.
void WriteLeaseJson(std::string_view pool, const v1::LeaseResponse& response, Console& console) {
  JsonWriter json(console.out);
  json.BeginObject();
  json.Field("pool", BarePool(pool));
  json.BeginArray("grants");
  for (const v1::Grant& grant : response.grants()) {
    const std::string ref = FormatRef(RefOf(pool, grant.ref()));
    json.BeginObject();
    ValueFields(grant, json);
    json.Field("ref", ref);
    json.Field("handle", grant.ref().handle());
    json.Field("fence", std::to_string(grant.ref().fence()));
    json.Field("key", ref.substr(ref.rfind('/') + 1));
    json.EndObject();
  }
  json.EndArray();
  json.Field("ttl_ms", DurationOf(response.ttl()).count());
  json.Field("expire_time", FormatTimestamp(response.expire_time()));
  json.EndObject();
}

// Nobody got to know of these grants, so nobody else would return them.
void GiveBack(const Client& client, std::string_view pool, const v1::LeaseResponse& response,
              Console& console) {
  std::vector<Ref> refs;
  for (const v1::Grant& grant : response.grants()) refs.push_back(RefOf(pool, grant.ref()));
  for (const ItemResult& item : client.Return(pool, refs).items) {
    if (!item.error.ok()) static_cast<void>(Fail(console, item.error, client.options()));
  }
}

}  // namespace

v1::LeaseRequest RequestOf(const LeaseOptions& options) {
  v1::LeaseRequest request;
  request.set_pool(options.pool);
  request.set_count(options.count);
  request.set_min_count(options.min_count);
  request.set_holder(options.holder);
  if (options.ttl.count() != 0) *request.mutable_ttl() = ProtoDuration(options.ttl);
  if (options.max_wait.count() != 0) {
    *request.mutable_max_wait() = ProtoDuration(options.max_wait);
  }
  request.set_priority(options.priority);
  if (options.dirty) request.set_state(v1::HANDLE_STATE_DIRTY);
  request.mutable_selector()->Assign(options.selector.begin(), options.selector.end());
  if (options.near_node) request.set_near_numa_node(*options.near_node);
  request.set_request_id(options.request_id);
  return request;
}

void WriteLease(std::string_view pool, const v1::LeaseResponse& leased, const Target& target,
                Console& console) {
  if (target.json) {
    WriteLeaseJson(pool, leased, console);
  } else {
    const std::string ttl = FormatDuration(DurationOf(leased.ttl()));
    for (const v1::Grant& grant : leased.grants()) {
      console.out << ValueText(grant) << '\t' << FormatRef(RefOf(pool, grant.ref())) << '\t' << ttl
                  << '\n';
    }
  }
}

Exit RunLease(const LeaseOptions& options, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  const Result<v1::LeaseResponse> leased = client.Lease(RequestOf(options));
  if (!leased.ok()) return Fail(console, leased.error, client.options());

  WriteLease(options.pool, leased.value, target, console);
  const Exit exit = Flush(console);
  if (exit != Exit::kOk) GiveBack(client, options.pool, leased.value, console);
  return exit;
}

Exit RunGrant(const GrantOptions& options, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  const Result<v1::Grant> found = client.GetGrant(options.pool, options.handle);
  if (!found.ok()) return Fail(console, found.error, client.options());
  const v1::Grant& grant = found.value;
  if (target.json) {
    JsonWriter json(console.out);
    json.BeginObject();
    json.Field("pool", BarePool(options.pool));
    GrantFields(grant, json);
    json.EndObject();
  } else {
    console.out << "value      " << ValueText(grant) << "\nhandle     " << grant.ref().handle()
                << "\nfence      " << grant.ref().fence() << "\nholder     "
                << Printable(grant.holder()) << "\nheld       "
                << FormatDuration(DurationOf(grant.held())) << "\nremaining  "
                << FormatDuration(DurationOf(grant.remaining())) << "\nends       "
                << FormatTimestamp(grant.expire_time()) << '\n';
  }
  return Flush(console);
}

}  // namespace objpool::client
