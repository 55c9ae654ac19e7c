// handles and handle: where each handle of a pool is, and which of them are in use.
#include <map>
#include <ostream>

#include "client/ctl/commands.h"
#include "client/ctl/json_writer.h"
#include "client/ctl/page_writer.h"
#include "client/ctl/pool_text.h"
#include "client/ctl/table.h"
#include "client/text.h"

namespace objpool::client {
namespace {

constexpr uint32_t kHandlesPerPage = 1000;

std::string ValueText(const v1::PoolHandle& handle) {
  if (handle.has_id()) return std::to_string(handle.id());
  return handle.has_label() ? Printable(handle.label()) : "-";
}

std::string StateText(const v1::PoolHandle& handle) {
  return HandleStateName(handle.state()) + (handle.for_cleaning() ? ",CLEANING" : "") +
         (handle.to_be_quarantined() ? ",TO_BE_QUARANTINED" : "");
}

std::string LabelsText(const v1::PoolHandle& handle) {
  std::string text;
  // A map of protobuf has no order.
  for (const auto& [key, value] :
       std::map<std::string, std::string>(handle.labels().begin(), handle.labels().end())) {
    text += (text.empty() ? "" : ",") + Printable(key) + '=' + Printable(value);
  }
  return text.empty() ? "-" : text;
}

void HandleFields(const v1::PoolHandle& handle, JsonWriter& json) {
  json.Field("handle", handle.handle());
  if (handle.has_id()) json.Field("id", handle.id());
  if (handle.has_label()) json.Field("label", handle.label());
  json.Field("state", HandleStateName(handle.state()));
  json.Field("for_cleaning", handle.for_cleaning());
  json.Field("to_be_quarantined", handle.to_be_quarantined());
  json.Field("fence", std::to_string(handle.fence()));
  json.BeginObject("labels");
  for (const auto& [key, value] :
       std::map<std::string, std::string>(handle.labels().begin(), handle.labels().end())) {
    json.Field(key, value);
  }
  json.EndObject();
}

Exit Write(const Result<v1::PoolHandle>& result, const GrantOptions& options, const Client& client,
           const Target& target, Console& console) {
  if (!result.ok()) return Fail(console, result.error, client.options());
  const v1::PoolHandle& handle = result.value;
  if (target.json) {
    JsonWriter json(console.out);
    json.BeginObject();
    json.Field("pool", BarePool(options.pool));
    HandleFields(handle, json);
    json.EndObject();
  } else {
    console.out << "handle  " << BarePool(options.pool) << '/' << handle.handle() << "\nvalue   "
                << ValueText(handle) << "\nstate   " << StateText(handle) << "\nfence   "
                << handle.fence() << "\nlabels  " << LabelsText(handle) << '\n';
  }
  return Flush(console);
}

}  // namespace

Exit RunHandles(const HandlesOptions& options, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  v1::ListHandlesRequest request;
  request.set_pool(options.pool);
  request.set_page_size(kHandlesPerPage);
  request.set_state(options.state);
  PageWriter writer("handles", options.pool, {"HANDLE", "VALUE", "STATE", "FENCE", "LABELS"},
                    target, console);
  return writer.Run(
      client, request, [&](const v1::ListHandlesRequest& page) { return client.ListHandles(page); },
      [](const v1::ListHandlesResponse& page) -> const auto& { return page.handles(); },
      HandleFields,
      [](const v1::PoolHandle& handle) -> Row {
        return {std::to_string(handle.handle()), ValueText(handle), StateText(handle),
                std::to_string(handle.fence()), LabelsText(handle)};
      });
}

Exit RunHandleShow(const GrantOptions& options, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  return Write(client.GetHandle(options.pool, options.handle), options, client, target, console);
}

Exit RunHandleQuarantine(const GrantOptions& options, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  return Write(client.QuarantineHandle(options.pool, options.handle), options, client, target,
               console);
}

Exit RunHandleReinstate(const GrantOptions& options, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  return Write(client.ReinstateHandle(options.pool, options.handle), options, client, target,
               console);
}

}  // namespace objpool::client
