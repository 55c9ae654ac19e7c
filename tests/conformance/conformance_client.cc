// The cases of the suite by gRPC C++, against the server at ADDRESS (clients_test.py starts it):
//
//   conformance_client ADDRESS
//
// One line a case: its name, and " ok" or what was wrong. conformance.js does the same by Node.
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "objpool/v1/buffer_service.grpc.pb.h"
#include "objpool/v1/lease_service.grpc.pb.h"
#include "objpool/v1/pool_service.grpc.pb.h"

namespace objpool {
namespace {

using grpc::ClientContext;
using grpc::Status;
using grpc::StatusCode;

constexpr std::chrono::seconds kDeadline{60};
constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
constexpr std::size_t kPieceBytes = std::size_t{100} * 1000;
constexpr uint32_t kLargeBatch = 1024;
constexpr int kPings = 100;
constexpr int kRounds = 16;
constexpr std::size_t kWaiters = 200;

// A call's context that cannot wait for ever.
struct Context : ClientContext {
  Context() { set_deadline(std::chrono::system_clock::now() + kDeadline); }
};

// Empty, or what was wrong.
using Verdict = std::string;

Verdict Expect(bool good, std::string_view what) { return good ? "" : std::string(what); }

Verdict ExpectCode(const Status& status, StatusCode code) {
  if (status.error_code() == code) return "";
  return "ended with " + std::to_string(status.error_code()) + ", " + status.error_message() +
         ", not with " + std::to_string(code);
}

class Cases {
 public:
  explicit Cases(const std::string& address)
      : channel_(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())),
        leases_(v1::LeaseService::NewStub(channel_)),
        pools_(v1::PoolService::NewStub(channel_)),
        buffers_(v1::BufferService::NewStub(channel_)),
        health_(grpc::health::v1::Health::NewStub(channel_)) {}

  Verdict EmptyUnary() {
    Context context;
    grpc::health::v1::HealthCheckResponse reply;
    const Status status = health_->Check(&context, {}, &reply);
    if (!status.ok()) return ExpectCode(status, StatusCode::OK);
    return Expect(reply.status() == grpc::health::v1::HealthCheckResponse::SERVING, "not serving");
  }

  Verdict LargeUnary() {
    v1::LeaseRequest request;
    request.set_pool("large");
    request.set_count(kLargeBatch);
    v1::LeaseResponse reply;
    Context context;
    const Status status = leases_->Lease(&context, request, &reply);
    if (!status.ok()) return ExpectCode(status, StatusCode::OK);
    v1::ReturnRequest back;
    back.set_pool("large");
    for (const v1::Grant& grant : reply.grants()) *back.add_items()->mutable_grant() = grant.ref();
    Context again;
    v1::ReturnResponse returned;
    if (const Status end = leases_->Return(&again, back, &returned); !end.ok()) {
      return ExpectCode(end, StatusCode::OK);
    }
    return Expect(returned.results_size() == int{kLargeBatch}, "other counts");
  }

  Verdict ClientAndServerStreaming() {
    v1::Grant grant;
    if (Verdict bad = LeaseOne("buffers", grant); !bad.empty()) return bad;
    std::string data(kBufferBytes, '\0');
    for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7919 >> 8);
    Context writing;
    v1::WriteResponse written;
    const auto writer = buffers_->Write(&writing, &written);
    v1::WriteRequest piece;
    piece.set_pool("buffers");
    *piece.mutable_grant() = grant.ref();
    piece.set_offset(0);
    for (std::size_t at = 0; at < data.size(); at += kPieceBytes) {
      piece.set_data(data.substr(at, kPieceBytes));
      if (!writer->Write(piece)) break;
      piece.Clear();
    }
    writer->WritesDone();
    const Status wrote = writer->Finish();
    if (!wrote.ok()) return ExpectCode(wrote, StatusCode::OK);
    Context reading;
    v1::ReadRequest request;
    request.set_pool("buffers");
    *request.mutable_grant() = grant.ref();
    const auto reader = buffers_->Read(&reading, request);
    std::string got;
    for (v1::ReadResponse chunk; reader->Read(&chunk);) got += chunk.data();
    const Status read = reader->Finish();
    if (!read.ok()) return ExpectCode(read, StatusCode::OK);
    if (Verdict bad = GiveBack("buffers", grant); !bad.empty()) return bad;
    return Expect(written.bytes_written() == data.size() && got == data, "other bytes");
  }

  Verdict PingPong() {
    Context context;
    const auto stream = leases_->Session(&context);
    if (Verdict bad = Opened(*stream); !bad.empty()) return bad;
    for (int ping = 1; ping <= kPings; ++ping) {
      v1::SessionRequest request;
      v1::SessionOperation& operation = *request.add_operations();
      operation.set_id(static_cast<uint64_t>(ping));
      operation.mutable_heartbeat();
      v1::SessionResponse reply;
      if (!stream->Write(request) || !stream->Read(&reply)) return "no answer";
      if (reply.answers_size() != 1 || reply.answers(0).id() != static_cast<uint64_t>(ping)) {
        return "another answer";
      }
    }
    stream->WritesDone();
    v1::SessionResponse rest;
    if (stream->Read(&rest)) return "more answers than operations";
    return ExpectCode(stream->Finish(), StatusCode::OK);
  }

  // A session that nobody opens is told so.
  Verdict EmptyStream() {
    Context context;
    const auto stream = leases_->Session(&context);
    stream->WritesDone();
    v1::SessionResponse reply;
    if (stream->Read(&reply)) return "an answer to nothing";
    return ExpectCode(stream->Finish(), StatusCode::INVALID_ARGUMENT);
  }

  Verdict CancelAfterBegin() {
    Context context;
    v1::WriteResponse written;
    const auto writer = buffers_->Write(&context, &written);
    context.TryCancel();
    return ExpectCode(writer->Finish(), StatusCode::CANCELLED);
  }

  Verdict CancelAfterFirstReply() {
    Context context;
    const auto stream = leases_->Session(&context);
    if (Verdict bad = Opened(*stream); !bad.empty()) return bad;
    context.TryCancel();
    for (v1::SessionResponse reply; stream->Read(&reply);) {
    }
    return ExpectCode(stream->Finish(), StatusCode::CANCELLED);
  }

  Verdict DeadlineWhileWaiting() {
    v1::Grant grant;
    if (Verdict bad = LeaseOne("one", grant); !bad.empty()) return bad;
    v1::LeaseRequest request;
    request.set_pool("one");
    request.mutable_max_wait()->set_seconds(3600);
    ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
    v1::LeaseResponse reply;
    const Status status = leases_->Lease(&context, request, &reply);
    if (Verdict bad = GiveBack("one", grant); !bad.empty()) return bad;
    return ExpectCode(status, StatusCode::DEADLINE_EXCEEDED);
  }

  // Each is reset when its time is over, on one connection.
  Verdict ManyDeadlines() {
    v1::Grant grant;
    if (Verdict bad = LeaseOne("one", grant); !bad.empty()) return bad;
    v1::LeaseRequest request;
    request.set_pool("one");
    request.mutable_max_wait()->set_seconds(3600);
    Verdict verdict;
    for (int round = 0; round < kRounds && verdict.empty(); ++round) {
      verdict = WaitInVain(request);
    }
    if (Verdict bad = GiveBack("one", grant); !bad.empty()) return bad;
    return verdict;
  }

  Verdict StatusMessage() {
    const std::string name = "100% \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x88";
    Context context;
    v1::GetPoolRequest request;
    request.set_name(name);
    v1::GetPoolResponse reply;
    const Status status = pools_->GetPool(&context, request, &reply);
    if (Verdict bad = ExpectCode(status, StatusCode::NOT_FOUND); !bad.empty()) return bad;
    return Expect(status.error_message() == "no pool is named \"" + name + "\"",
                  status.error_message());
  }

  Verdict UnknownMethod() { return Raw("/objpool.v1.LeaseService/Nothing"); }
  Verdict UnknownService() { return Raw("/objpool.v1.NoService/Lease"); }

  // What a server does not know, it passes over.
  Verdict CustomMetadata() {
    Context context;
    context.AddMetadata("x-name", "value");
    context.AddMetadata("x-name", "value");
    context.AddMetadata("x-empty", "");
    context.AddMetadata("x-bytes-bin", std::string("\0\xff\x80,", 4));
    context.AddMetadata("x-long", std::string(4000, 'v'));
    return ExpectCode(Check(context), StatusCode::OK);
  }

  // Compression is the server's to refuse, with what it takes.
  Verdict CompressedRequest() {
    Context context;
    context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    const Status status = Check(context);
    return status.ok() ? "" : ExpectCode(status, StatusCode::UNIMPLEMENTED);
  }

  Verdict ManyStreams() {
    constexpr int kStreams = 200;
    std::vector<std::unique_ptr<Context>> contexts;
    using Stream = grpc::ClientReaderWriter<v1::SessionRequest, v1::SessionResponse>;
    std::vector<std::unique_ptr<Stream>> streams;
    for (int i = 0; i < kStreams; ++i) {
      contexts.push_back(std::make_unique<Context>());
      streams.push_back(leases_->Session(contexts.back().get()));
      if (Verdict bad = Opened(*streams.back()); !bad.empty()) return bad;
    }
    Verdict verdict;
    for (const auto& stream : streams) {
      stream->WritesDone();
      if (Verdict bad = ExpectCode(stream->Finish(), StatusCode::OK); !bad.empty()) verdict = bad;
    }
    return verdict;
  }

  Verdict RequestTooLarge() {
    Context context;
    v1::LeaseRequest request;
    request.set_pool(std::string(256 * 1024, 'p'));
    v1::LeaseResponse reply;
    return ExpectCode(leases_->Lease(&context, request, &reply), StatusCode::RESOURCE_EXHAUSTED);
  }

  // A client that takes less than it is answered says so, and the connection goes on.
  Verdict ReplyTooLarge(const std::string& address) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(10);
    const auto channel =
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
    const auto pools = v1::PoolService::NewStub(channel);
    Context context;
    v1::ListPoolsResponse reply;
    const Status status = pools->ListPools(&context, {}, &reply);
    if (Verdict bad = ExpectCode(status, StatusCode::RESOURCE_EXHAUSTED); !bad.empty()) return bad;
    Context again;
    grpc::health::v1::HealthCheckResponse health;
    return ExpectCode(grpc::health::v1::Health::NewStub(channel)->Check(&again, {}, &health),
                      StatusCode::OK);
  }

 private:
  template <typename Stream>
  static Verdict Opened(Stream& stream) {
    v1::SessionRequest request;
    request.mutable_start()->mutable_linger();
    v1::SessionResponse reply;
    return Expect(stream.Write(request) && stream.Read(&reply) && reply.has_opened(), "no session");
  }
  Status Check(ClientContext& context) {
    grpc::health::v1::HealthCheckResponse reply;
    return health_->Check(&context, {}, &reply);
  }
  Verdict LeaseOne(const char* pool, v1::Grant& grant) {
    Context context;
    v1::LeaseRequest request;
    request.set_pool(pool);
    v1::LeaseResponse reply;
    const Status status = leases_->Lease(&context, request, &reply);
    if (status.ok()) grant = reply.grants(0);
    return ExpectCode(status, StatusCode::OK);
  }
  Verdict GiveBack(const char* pool, const v1::Grant& grant) {
    Context context;
    v1::ReturnRequest request;
    request.set_pool(pool);
    *request.add_items()->mutable_grant() = grant.ref();
    v1::ReturnResponse reply;
    return ExpectCode(leases_->Return(&context, request, &reply), StatusCode::OK);
  }
  // So many at the same time, for what they do not get in time.
  Verdict WaitInVain(const v1::LeaseRequest& request) {
    struct Call {
      ClientContext context;
      v1::LeaseResponse reply;
      Status status;
      std::unique_ptr<grpc::ClientAsyncResponseReader<v1::LeaseResponse>> reader;
    };
    grpc::CompletionQueue queue;
    std::vector<Call> calls(kWaiters);
    for (Call& call : calls) {
      call.context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(250));
      call.reader = leases_->AsyncLease(&call.context, request, &queue);
      call.reader->Finish(&call.reply, &call.status, &call);
    }
    Verdict verdict;
    for (std::size_t i = 0; i < calls.size(); ++i) {
      void* tag = nullptr;
      bool ok = false;
      if (!queue.Next(&tag, &ok)) return "no call ends";
      const Status& status = static_cast<Call*>(tag)->status;
      if (Verdict bad = ExpectCode(status, StatusCode::DEADLINE_EXCEEDED); !bad.empty()) {
        verdict = bad;
      }
    }
    return verdict;
  }
  // A call that no schema has.
  Verdict Raw(const std::string& path) {
    grpc::GenericStub stub(channel_);
    grpc::CompletionQueue queue;
    Context context;
    const auto call = stub.PrepareUnaryCall(&context, path, grpc::ByteBuffer(), &queue);
    grpc::ByteBuffer reply;
    Status status;
    call->StartCall();
    call->Finish(&reply, &status, this);
    void* tag = nullptr;
    bool ok = false;
    if (!queue.Next(&tag, &ok)) return "no answer";
    return ExpectCode(status, StatusCode::UNIMPLEMENTED);
  }

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::LeaseService::Stub> leases_;
  const std::unique_ptr<v1::PoolService::Stub> pools_;
  const std::unique_ptr<v1::BufferService::Stub> buffers_;
  const std::unique_ptr<grpc::health::v1::Health::Stub> health_;
};

int Run(const std::string& address) {
  Cases cases(address);
  const std::vector<std::pair<const char*, std::function<Verdict()>>> all = {
      {"empty_unary", [&] { return cases.EmptyUnary(); }},
      {"large_unary", [&] { return cases.LargeUnary(); }},
      {"client_and_server_streaming", [&] { return cases.ClientAndServerStreaming(); }},
      {"ping_pong", [&] { return cases.PingPong(); }},
      {"empty_stream", [&] { return cases.EmptyStream(); }},
      {"cancel_after_begin", [&] { return cases.CancelAfterBegin(); }},
      {"cancel_after_first_reply", [&] { return cases.CancelAfterFirstReply(); }},
      {"deadline_while_waiting", [&] { return cases.DeadlineWhileWaiting(); }},
      {"many_deadlines", [&] { return cases.ManyDeadlines(); }},
      {"status_message", [&] { return cases.StatusMessage(); }},
      {"unknown_method", [&] { return cases.UnknownMethod(); }},
      {"unknown_service", [&] { return cases.UnknownService(); }},
      {"custom_metadata", [&] { return cases.CustomMetadata(); }},
      {"compressed_request", [&] { return cases.CompressedRequest(); }},
      {"many_streams", [&] { return cases.ManyStreams(); }},
      {"request_too_large", [&] { return cases.RequestTooLarge(); }},
      {"reply_too_large", [&] { return cases.ReplyTooLarge(address); }},
  };
  for (const auto& [name, run] : all) {
    const Verdict verdict = run();
    std::cout << name << ' ' << (verdict.empty() ? "ok" : verdict) << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace objpool

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  return objpool::Run(argv[1]);
}
