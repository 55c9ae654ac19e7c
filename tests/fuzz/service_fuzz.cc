// Requests to all services, from bytes to answers: parsing, checks, and what the lease core does.
//
// An input is a script of calls; each step begins with a byte that says what it is (Kind). Whatever
// it says, each call is answered once, by a message that reads or an error that says why; in the
// end no handle is lost; and all of it goes when the server stops.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/stubs/logging.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "pool/base/check.h"
#include "server/config/utf8.h"
#include "tests/fuzz/fake_calls.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/late_threads.h"
#include "tests/fuzz/request_words.h"
#include "tests/fuzz/virtual_clock.h"
#include "tests/fuzz/world.h"

namespace objpool::fuzz {
namespace {

using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

constexpr int kMostSteps = 64;
constexpr std::size_t kMostStreams = 8;
constexpr uint64_t kMs = 1'000'000;

enum Kind : uint8_t {
  kCall,       // METHOD LENGTH request
  kLongCall,   // METHOD, two bytes of LENGTH, request
  kOpen,       // METHOD: a stream
  kSay,        // STREAM LENGTH message
  kHalfClose,  // STREAM
  kLeave,      // STREAM
  kLater,      // EXPONENT: so many times 2 ms pass, with their ticks and turns
  kCancel,     // WHICH: of the unary calls that wait
  kKinds,
};

// By their numbers in inputs. A new one is added at the end, so that old inputs stay what they are.
constexpr std::array<std::string_view, 27> kMethods = {
    "/objpool.v1.LeaseService/Lease",
    "/objpool.v1.LeaseService/Return",
    "/objpool.v1.LeaseService/Renew",
    "/objpool.v1.LeaseService/GetGrant",
    "/objpool.v1.LeaseService/CheckFence",
    "/objpool.v1.LeaseService/ListGrants",
    "/objpool.v1.LeaseService/Session",
    "/objpool.v1.PoolService/GetPool",
    "/objpool.v1.PoolService/ListPools",
    "/objpool.v1.PoolService/GetPoolStats",
    "/objpool.v1.PoolService/RevokeGrant",
    "/objpool.v1.PoolService/CreatePool",
    "/objpool.v1.PoolService/UpdatePool",
    "/objpool.v1.PoolService/DrainPool",
    "/objpool.v1.PoolService/ResumePool",
    "/objpool.v1.PoolService/DeletePool",
    "/objpool.v1.PoolService/WatchPool",
    "/objpool.v1.PoolService/GetHandle",
    "/objpool.v1.PoolService/ListHandles",
    "/objpool.v1.PoolService/QuarantineHandle",
    "/objpool.v1.PoolService/ReinstateHandle",
    "/objpool.v1.PoolService/AuditPool",
    "/objpool.v1.BufferService/Read",
    "/objpool.v1.BufferService/Write",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};

const MethodDescriptor& DescriptorOf(const rpc::Method& method) {
  const auto* const found = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
      method.service + "." + method.name);
  OBJPOOL_CHECK(found != nullptr, "a method has a schema");
  return *found;
}

std::unique_ptr<Message> Make(const google::protobuf::Descriptor* type) {
  const auto* const prototype =
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type);
  return std::unique_ptr<Message>(prototype->New());
}

void CheckStatus(const rpc::Status& status) {
  if (status.ok()) return;
  OBJPOOL_CHECK(!status.message.empty(), "an error says why");
  OBJPOOL_CHECK(server::IsUtf8(status.message), "and by text");
  if (status.details.empty()) return;
  google::rpc::Status details;
  OBJPOOL_CHECK(details.ParseFromString(status.details), "details read");
  OBJPOOL_CHECK(details.code() == static_cast<int>(status.code), "both say the same code");
  google::rpc::ErrorInfo info;
  OBJPOOL_CHECK(details.details_size() > 0 && details.details(0).UnpackTo(&info) &&
                    info.domain() == "objpool" && !info.reason().empty(),
                "an error has a reason");
}

class Script {
 public:
  explicit Script(Input input) : input_(input) {}
  // Streams first: their services are in the world.
  ~Script() { streams_.clear(); }
  Script(const Script&) = delete;
  Script& operator=(const Script&) = delete;

  void Run() {
    for (int step = 0; step < kMostSteps && !input_.empty(); ++step) {
      Do(static_cast<Kind>(input_.Byte() % kKinds));
      EndTurn(false);
    }
    Stop();
  }

 private:
  struct Unary {
    std::unique_ptr<FakeUnary> call;
    const MethodDescriptor* method;
  };
  struct Stream {
    std::unique_ptr<FakeStream> call;
    const MethodDescriptor* method;
  };

  void Do(Kind kind) {
    switch (kind) {
      case kCall: {
        const uint8_t method = input_.Byte();
        return Call(method, input_.Piece());
      }
      case kLongCall: {
        const uint8_t method = input_.Byte();
        return Call(method, input_.Bytes(input_.Pair()));
      }
      case kOpen:
        return Open(input_.Byte());
      case kLater:
        return PassTime((uint64_t{2} << (input_.Byte() % 16)) * kMs);
      case kCancel: {
        const uint8_t which = input_.Byte();
        if (!waiting_.empty()) waiting_[which % waiting_.size()].call->Cancel();
        return;
      }
      default:
        OnStream(kind);
    }
  }

  void OnStream(Kind kind) {
    const uint8_t which = input_.Byte();
    const std::string_view message = kind == kSay ? input_.Piece() : std::string_view();
    if (streams_.empty()) return;
    Stream& stream = streams_[which % streams_.size()];
    if (kind == kSay) stream.call->Say(Filled(*stream.method, message));
    if (kind == kHalfClose) stream.call->HalfClose();
    if (kind == kLeave) stream.call->Leave();
  }

  // The one of this number, or the next of that shape.
  const rpc::Method& MethodOf(uint8_t number, bool unary) {
    const rpc::MethodTable& table = world_.methods();
    OBJPOOL_CHECK(table.methods().size() == kMethods.size(), "kMethods has every method");
    for (std::size_t i = number % kMethods.size();; i = (i + 1) % kMethods.size()) {
      const std::size_t at = table.Find(kMethods[i]);
      OBJPOOL_CHECK(at != rpc::MethodTable::kUnknown, "there is such a method");
      if (table.methods()[at].unary() == unary) return table.methods()[at];
    }
  }

  // The request as it came, but for what it cannot know; as it came, where it cannot be read.
  std::string Filled(const MethodDescriptor& method, std::string_view bytes) {
    const auto message = Make(method.input_type());
    if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return std::string(bytes);
    }
    words_.Fill(*message);
    return message->SerializeAsString();
  }

  void Call(uint8_t number, std::string_view bytes) {
    const rpc::Method& method = MethodOf(number, true);
    const MethodDescriptor& schema = DescriptorOf(method);
    // Three have a thread of their own at work, and two of them wait for it.
    const bool waits = method.name == "CreatePool" || method.name == "AuditPool";
    if (waits || method.name == "DeletePool") BeginThreads();
    waiting_.push_back({std::make_unique<FakeUnary>(Filled(schema, bytes)), &schema});
    FakeUnary& call = *waiting_.back().call;
    std::get<rpc::UnaryHandler>(method.handler)(call);
    while (waits && !call.status()) {
      world_.AwaitWake();
      world_.Turn();
    }
  }

  void Open(uint8_t number) {
    if (streams_.size() >= kMostStreams) return;
    const rpc::Method& method = MethodOf(number, false);
    streams_.push_back({std::make_unique<FakeStream>(std::get<rpc::StreamFactory>(method.handler)),
                        &DescriptorOf(method)});
  }

  void PassTime(uint64_t ns) {
    // In a few turns, however long: what ends in between is seen at the next.
    for (const uint64_t share : {ns / 4, ns / 4, ns / 2}) {
      VirtualNs() += share;
      for (const Stream& stream : streams_) stream.call->Tick();
      EndTurn(false);
    }
  }

  void EndTurn(bool leaving) {
    world_.Turn(leaving);
    for (const Unary& unary : waiting_) {
      if (unary.call->status()) Judge(unary);
    }
    std::erase_if(waiting_, [](const Unary& unary) { return unary.call->status().has_value(); });
    for (const Stream& stream : streams_) Judge(stream);
    std::erase_if(streams_, [](const Stream& stream) { return stream.call->over(); });
  }

  void Learn(const MethodDescriptor& method, const std::string& bytes) {
    const auto reply = Make(method.output_type());
    OBJPOOL_CHECK(reply->ParseFromString(bytes), "an answer reads");
    words_.Learn(*reply);
  }
  void Judge(const Unary& unary) {
    CheckStatus(*unary.call->status());
    if (unary.call->status()->ok()) Learn(*unary.method, unary.call->reply());
  }
  void Judge(const Stream& stream) {
    for (const std::string& message : stream.call->Take()) Learn(*stream.method, message);
    if (stream.call->status()) CheckStatus(*stream.call->status());
  }

  void CheckPools() {
    const server::PoolSet::Held pools = world_.pools().pools();
    for (const server::NamedPool& pool : pools) {
      const lease::LeasePool::Census counted = pool.leases->Counted();
      OBJPOOL_CHECK(counted.sum() == pool.capacity(), "no handle is lost");
      OBJPOOL_CHECK(counted == pool.leases->Recount(), "records say what was counted");
    }
  }

  // As a server does that stops.
  void Stop() {
    constexpr int kMostTurns = 100;
    for (int i = 0; i < kMostTurns && !(waiting_.empty() && streams_.empty()); ++i) {
      for (const Stream& stream : streams_) stream.call->Shutdown();
      EndTurn(true);
      VirtualNs() += 20 * kMs;
    }
    OBJPOOL_CHECK(waiting_.empty(), "each call is answered");
    for (const Stream& stream : streams_) stream.call->Leave();
    EndTurn(true);
    CheckPools();
  }

  Input input_;
  World world_;
  RequestWords words_;
  std::vector<Unary> waiting_;
  std::vector<Stream> streams_;
};

}  // namespace
}  // namespace objpool::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t count) {
  using namespace objpool::fuzz;
  HoldThreads();
  // It would write a line for each text that is none.
  google::protobuf::SetLogHandler(nullptr);
  Script(Input(bytes, count)).Run();
  return 0;
}
