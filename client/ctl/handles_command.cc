// handles and handle: where each handle of a pool is, and which of them are in use.
#include <map>
#include <optional>
#include <ostream>
#include <utility>

#include "client/ctl/commands.h"
#include "client/ctl/json_writer.h"
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

// Writes page by page, so that a pool of millions takes no memory.
class HandlesWriter {
 public:
  HandlesWriter(std::string_view pool, const Target& target, Console& console)
      : json_(console.out), table_(console.out), as_json_(target.json) {
    if (!as_json_) return;
    json_.BeginObject();
    json_.Field("pool", BarePool(pool));
    json_.BeginArray("handles");
  }

  void Write(const v1::ListHandlesResponse& page) {
    std::vector<Row> rows;
    for (const v1::PoolHandle& handle : page.handles()) {
      if (as_json_) {
        json_.BeginObject();
        HandleFields(handle, json_);
        json_.EndObject();
        continue;
      }
      if (!std::exchange(headed_, true)) rows.push_back(Heading());
      rows.push_back({std::to_string(handle.handle()), ValueText(handle), StateText(handle),
                      std::to_string(handle.fence()), LabelsText(handle)});
    }
    table_.Write(rows);
  }

  // `complete` where all pages were written.
  void End(bool complete) {
    if (as_json_) {
      json_.EndArray();
      json_.Field("complete", complete);
      json_.EndObject();
    } else if (!headed_ && complete) {
      table_.Write({Heading()});
    }
  }

 private:
  static Row Heading() { return {"HANDLE", "VALUE", "STATE", "FENCE", "LABELS"}; }

  JsonWriter json_;
  TableWriter table_;
  const bool as_json_;
  bool headed_ = false;
};

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
  std::optional<HandlesWriter> writer;
  // Each page begins at least one handle further.
  for (uint64_t page = 0; page <= kMaxHandle; ++page) {
    const Result<v1::ListHandlesResponse> listed = client.ListHandles(request);
    if (!listed.ok()) {
      if (writer) writer->End(false);
      return Fail(console, listed.error, client.options());
    }
    if (!writer) writer.emplace(options.pool, target, console);
    writer->Write(listed.value);
    const bool last = listed.value.next_page_token().empty();
    if (last) writer->End(true);
    const Exit exit = Flush(console);
    if (last || exit != Exit::kOk) return exit;
    request.set_page_token(listed.value.next_page_token());
  }
  writer->End(false);
  return Fail(console, Exit::kRefused, "the server's pages do not end");
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
