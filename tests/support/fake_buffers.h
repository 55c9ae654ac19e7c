// FakeBuffers: BufferService over some bytes in this process, for tests of the client.
//
// Buffers have 4096 bytes. Who may use one is asked of the owner at each message, so that a test
// can change the answer in the midst.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/sync_stream.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "objpool/v1/buffer_service.grpc.pb.h"

namespace objpool::testing {

class FakeBuffers final : public v1::BufferService::Service {
 public:
  static constexpr uint64_t kSize = 4096;
  static constexpr uint64_t kChunk = 1000;
  using Admit = std::function<grpc::Status(const grpc::ServerContext& context,
                                           const std::string& pool, const v1::GrantRef& ref)>;

  explicit FakeBuffers(Admit admit) : admit_(std::move(admit)) {}

  grpc::Status Read(grpc::ServerContext* context, const v1::ReadRequest* request,
                    grpc::ServerWriter<v1::ReadResponse>* writer) override {
    const std::string& bytes = BytesOf(request->grant().handle());
    const uint64_t offset = std::min(request->offset(), kSize);
    const uint64_t end = request->length() == 0 ? kSize : offset + request->length();
    for (uint64_t at = offset; at < std::min(end, kSize); at += kChunk) {
      grpc::Status status = admit_(*context, request->pool(), request->grant());
      if (!status.ok()) return status;
      v1::ReadResponse reply;
      reply.set_offset(at);
      reply.set_data(bytes.substr(at, std::min(end - at, kChunk)));
      if (!writer->Write(reply)) break;
    }
    return admit_(*context, request->pool(), request->grant());
  }

  grpc::Status Write(grpc::ServerContext* context, grpc::ServerReader<v1::WriteRequest>* reader,
                     v1::WriteResponse* response) override {
    v1::WriteRequest request;
    v1::WriteRequest first;
    uint64_t at = 0;
    for (int i = 0; reader->Read(&request); ++i) {
      if (i == 0) at = request.offset();
      if (i == 0) first = request;
      grpc::Status status = admit_(*context, first.pool(), first.grant());
      if (!status.ok()) return status;
      std::string& bytes = BytesOf(first.grant().handle());
      if (at + request.data().size() > bytes.size()) {
        return {grpc::StatusCode::INVALID_ARGUMENT, "beyond the end"};
      }
      bytes.replace(at, request.data().size(), request.data());
      at += request.data().size();
    }
    response->set_first_offset(first.offset());
    response->set_end_offset(at);
    response->set_bytes_written(at - first.offset());
    return grpc::Status::OK;
  }

 private:
  std::string& BytesOf(uint64_t handle) {
    return bytes_.try_emplace(handle, kSize, '\0').first->second;
  }

  const Admit admit_;
  std::map<uint64_t, std::string> bytes_;  // by handle; one call at a time
};

}  // namespace objpool::testing
