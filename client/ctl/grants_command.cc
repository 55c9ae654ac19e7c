// grants and check-fence: who holds what, and what a fence is worth.
#include <optional>
#include <ostream>

#include "client/ctl/commands.h"
#include "client/ctl/grant_text.h"
#include "client/ctl/json_writer.h"
#include "client/ctl/page_writer.h"
#include "client/ctl/table.h"
#include "client/text.h"

namespace objpool::client {
namespace {

constexpr uint32_t kGrantsPerPage = 1000;

// "RUNNING", or the number of a state that this program does not know.
std::string StateName(v1::FenceState state) {
  const std::string name = v1::FenceState_Name(state);
  constexpr std::string_view kPrefix = "FENCE_STATE_";
  return name.empty() ? std::to_string(state) : name.substr(kPrefix.size());
}

void WriteFence(const Ref& ref, const v1::CheckFenceResponse& fence, Console& console) {
  console.out << "grant      " << WithoutKey(ref) << "\nstate      " << StateName(fence.state());
  if (fence.has_remaining()) {
    console.out << "\nremaining  " << FormatDuration(DurationOf(fence.remaining()))
                << "\nends       " << FormatTimestamp(fence.expire_time());
  }
  if (fence.has_ended_ago()) {
    console.out << "\nended ago  " << FormatDuration(DurationOf(fence.ended_ago()));
  }
  console.out << "\nnewest     ";
  if (fence.current_fence() == 0) {
    console.out << "none\n";
  } else {
    console.out << fence.current_fence() << '\n';
  }
}

void WriteFenceJson(const Ref& ref, const v1::CheckFenceResponse& fence, Console& console) {
  JsonWriter json(console.out);
  json.BeginObject();
  json.Field("pool", ref.pool);
  json.Field("handle", ref.handle);
  json.Field("fence", std::to_string(ref.fence));
  json.Field("state", StateName(fence.state()));
  if (fence.has_remaining()) {
    json.Field("remaining_ms", DurationOf(fence.remaining()).count());
    json.Field("expire_time", FormatTimestamp(fence.expire_time()));
  }
  if (fence.has_ended_ago()) json.Field("ended_ago_ms", DurationOf(fence.ended_ago()).count());
  if (fence.current_fence() != 0) {
    json.Field("current_fence", std::to_string(fence.current_fence()));
  } else {
    json.Null("current_fence");
  }
  json.EndObject();
}

}  // namespace

Exit RunGrants(const GrantsOptions& options, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  v1::ListGrantsRequest request;
  request.set_pool(options.pool);
  request.set_page_size(kGrantsPerPage);
  if (options.holder) request.set_holder(*options.holder);
  if (options.held_at_least.count() != 0) {
    *request.mutable_held_at_least() = ProtoDuration(options.held_at_least);
  }
  PageWriter writer("grants", options.pool, {"REF", "VALUE", "HELD", "REMAINING", "HOLDER"}, target,
                    console);
  const std::string_view pool = BarePool(options.pool);
  return writer.Run(
      client, request, [&](const v1::ListGrantsRequest& page) { return client.ListGrants(page); },
      [](const v1::ListGrantsResponse& page) -> const auto& { return page.grants(); },
      [&](const v1::Grant& grant, JsonWriter& json) {
        json.Field("ref", WithoutKey(RefOf(pool, grant.ref())));
        GrantFields(grant, json);
      },
      [&](const v1::Grant& grant) -> Row {
        return {WithoutKey(RefOf(pool, grant.ref())), ValueText(grant),
                FormatDuration(Coarse(DurationOf(grant.held()))),
                FormatDuration(Coarse(DurationOf(grant.remaining()))),
                grant.holder().empty() ? "-" : Printable(grant.holder())};
      });
}

Exit RunCheckFence(const std::string& word, const Target& target, Console& console) {
  std::string why;
  const std::optional<Ref> ref = ParseRefWithoutKey(word, why);
  if (!ref) return Fail(console, Exit::kUsage, why);
  const Client client(OptionsOf(target));
  const Result<v1::CheckFenceResponse> fence =
      client.CheckFence(ref->pool, ref->handle, ref->fence);
  if (!fence.ok()) return Fail(console, fence.error, client.options());
  if (target.json) {
    WriteFenceJson(*ref, fence.value, console);
  } else {
    WriteFence(*ref, fence.value, console);
  }
  const Exit exit = Flush(console);
  if (exit != Exit::kOk) return exit;
  return fence.value.state() == v1::FENCE_STATE_RUNNING ? Exit::kOk : Exit::kRefused;
}

}  // namespace objpool::client
