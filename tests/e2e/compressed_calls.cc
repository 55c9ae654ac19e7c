// Calls of gRPC C++ whose requests are compressed: compressed_calls ADDRESS POOL. Leases a buffer
// of POOL, writes zeros into it by several messages and returns it. Prints "ok".
#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <string>

#include "objpool/v1/buffer_service.grpc.pb.h"
#include "objpool/v1/lease_service.grpc.pb.h"

namespace {

using namespace objpool::v1;  // NOLINT: a test's own program

constexpr std::size_t kStepBytes = 100'000;
constexpr int kSteps = 5;

int Fail(const char* what, const grpc::Status& status) {
  std::fprintf(stderr, "%s: %d %s\n", what, status.error_code(), status.error_message().c_str());
  return 1;
}

int Run(const std::string& address, const std::string& pool) {
  const auto channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  const auto leases = LeaseService::NewStub(channel);
  const auto buffers = BufferService::NewStub(channel);
  LeaseRequest lease;
  lease.set_pool(pool);
  lease.set_holder(std::string(64, 'h'));
  LeaseResponse leased;
  grpc::ClientContext lease_context;
  lease_context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  grpc::Status status = leases->Lease(&lease_context, lease, &leased);
  if (!status.ok()) return Fail("lease", status);

  grpc::ClientContext write_context;
  write_context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  WriteResponse written;
  const auto writer = buffers->Write(&write_context, &written);
  WriteRequest first;
  first.set_pool(pool);
  *first.mutable_grant() = leased.grants(0).ref();
  bool sent = writer->Write(first);
  WriteRequest piece;
  piece.set_data(std::string(kStepBytes, '\0'));
  for (int i = 0; i < kSteps; ++i) sent = sent && writer->Write(piece);
  writer->WritesDone();
  status = writer->Finish();
  if (!status.ok() || !sent) return Fail("write", status);

  ReturnRequest give_back;
  give_back.set_pool(pool);
  *give_back.add_items()->mutable_grant() = leased.grants(0).ref();
  ReturnResponse returned;
  grpc::ClientContext return_context;
  return_context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  status = leases->Return(&return_context, give_back, &returned);
  if (!status.ok()) return Fail("return", status);
  std::puts("ok");
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return argc == 3 ? Run(argv[1], argv[2]) : 2; }
