// TypedHandler: turns a function over protobuf messages into a handler over bytes.
#pragma once

#include <google/protobuf/arena.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "server/lease/lease_word.h"
#include "server/rpc/call.h"
#include "server/service/disk_answers.h"
#include "server/service/errors.h"
#include "server/service/gate.h"
#include "server/service/lease_clock.h"

namespace objpool::server {

class LeaseAsker;

// Who serves a call, and when.
struct CallInfo {
  uint32_t worker;
  lease::BootMs now;
  // For those who answer later: the call; or in its place who asks, to be moved away.
  rpc::UnaryCall* call = nullptr;
  std::unique_ptr<LeaseAsker>* asker = nullptr;
  // Where to put the ticket of DiskAnswers that the answer has to wait for.
  uint64_t* ticket = nullptr;
  // In place of the call's, where there is no call.
  std::string_view peer = {};
  // What the policy grants the client, where that is not what the pool does.
  lease::Quotas::Own quota = {};
};

inline void FinishWith(rpc::UnaryCall& call, const google::protobuf::MessageLite& reply) {
  const std::size_t bytes = reply.ByteSizeLong();
  reply.SerializeWithCachedSizesToArray(call.AllocateReply(bytes));
  call.Finish({});
}

// What a request asks for, for the gate: its pool and its handle, whatever the fields are called.
template <typename Request>
Gate::Ask AskOf(settings::Method method, const Request& request) {
  Gate::Ask ask{.method = method};
  if constexpr (requires { request.pool().name(); }) {
    ask.pool = request.pool().name();
  } else if constexpr (requires { request.pool(); }) {
    ask.pool = request.pool();
  } else if constexpr (requires { request.name(); }) {
    ask.pool = request.name();
  }
  if constexpr (requires { request.handle(); }) ask.handle = request.handle();
  if constexpr (requires { request.fence(); }) ask.fence = request.fence();
  return ask;
}

// The messages of one call at a time, of one worker. They and what is in them begin in memory that
// is there; a call of many grants takes more, and gives it back.
struct CallMemory {
  static constexpr std::size_t kBytes = 32'768;  // some 200 grants
  std::unique_ptr<char[]> first = std::make_unique_for_overwrite<char[]>(kBytes);
  google::protobuf::Arena arena{first.get(), kBytes};
};

// `serve` is google::rpc::Status(const CallInfo&, const Request&, Reply&), which answers at once;
// or the same of std::optional<google::rpc::Status>, which may be empty when it answers later. Each
// worker reuses the memory of its messages, so that most calls allocate none.
// Without a door, everybody may call it.
template <typename Request, typename Reply, typename Serve>
rpc::UnaryHandler TypedHandler(const std::optional<Door>& door, LeaseClock clock, uint32_t workers,
                               Serve serve, DiskAnswers* disk = nullptr) {
  // Shared because std::function must be copyable; there is one copy.
  auto scratch = std::make_shared<std::vector<CallMemory>>(workers);
  return [door, clock, scratch, disk, serve = std::move(serve)](rpc::UnaryCall& call) {
    CallMemory& memory = (*scratch)[call.worker()];
    memory.arena.Reset();
    auto& request = *google::protobuf::Arena::CreateMessage<Request>(&memory.arena);
    auto& reply = *google::protobuf::Arena::CreateMessage<Reply>(&memory.arena);
    const std::string_view bytes = call.request();
    if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      call.Finish(ToCallStatus(Malformed(Request::descriptor()->full_name())));
      return;
    }
    uint64_t ticket = 0;
    CallInfo info{.worker = call.worker(),
                  .now = clock.At(call.now()),
                  .call = &call,
                  .ticket = disk == nullptr ? nullptr : &ticket};
    if (door) {
      if (const auto refusal = door->gate.Enter(info, AskOf(door->method, request))) {
        call.Finish(ToCallStatus(*refusal));
        return;
      }
    }
    const std::optional<google::rpc::Status> error =
        serve(std::as_const(info), std::as_const(request), reply);
    if (!error) return;
    if (door) door->gate.Note(info, AskOf(door->method, request), *error);
    if (error->code() == 0 && ticket != 0) {
      disk->Hold(call, ticket, reply.SerializeAsString());
    } else if (error->code() == 0) {
      FinishWith(call, reply);
    } else {
      call.Finish(ToCallStatus(*error));
    }
  };
}

}  // namespace objpool::server
