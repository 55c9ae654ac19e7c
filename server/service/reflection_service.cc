#include "server/service/reflection_service.h"

#include <google/protobuf/descriptor.pb.h>

#include <functional>
#include <memory>
#include <set>
#include <string_view>

#include "server/service/errors.h"

namespace objpool::server {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;

// The file itself first, then its imports, once each.
void AppendWithImports(const FileDescriptor& file, std::set<std::string>& seen,
                       ServerReflectionResponse& reply) {
  if (!seen.insert(file.name()).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  reply.mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) {
    AppendWithImports(*file.dependency(i), seen, reply);
  }
}

void SetNotFound(std::string_view what, const std::string& name, ServerReflectionResponse& reply) {
  reply.mutable_error_response()->set_error_code(static_cast<int>(rpc::Code::kNotFound));
  reply.mutable_error_response()->set_error_message("no " + std::string(what) + " \"" +
                                                    name.substr(0, 256) + "\"");
}

class Conversation final : public rpc::StreamHandler {
 public:
  Conversation(const ReflectionService& service, rpc::StreamCall& call)
      : service_(service), call_(call) {}

  void OnMessage(std::string_view message) override {
    ServerReflectionRequest request;
    if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      Finish(ToCallStatus(Malformed(ServerReflectionRequest::descriptor()->full_name())));
    } else if (!call_.Send(service_.Answer(request).SerializeAsString())) {
      Finish(
          {rpc::Code::kResourceExhausted, "too many questions before the answers were read", {}});
    }
  }
  void OnHalfClose() override { Finish({}); }
  void OnShutdown() override {
    Finish({rpc::Code::kUnavailable, "the server is shutting down", {}});
  }

 private:
  void Finish(const rpc::Status& status) {
    if (finished_) return;
    finished_ = true;
    call_.Finish(status);
  }

  const ReflectionService& service_;
  rpc::StreamCall& call_;
  bool finished_ = false;
};

}  // namespace

void ReflectionService::Show(const FileDescriptor& file) {
  if (!files_.emplace(file.name(), &file).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) Show(*file.dependency(i));
}

ServerReflectionResponse ReflectionService::Answer(const ServerReflectionRequest& request) const {
  ServerReflectionResponse reply;
  reply.set_valid_host(request.host());
  *reply.mutable_original_request() = request;
  std::set<std::string> seen;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename: {
      const auto at = files_.find(request.file_by_filename());
      if (at == files_.end()) {
        SetNotFound("file", request.file_by_filename(), reply);
      } else {
        AppendWithImports(*at->second, seen, reply);
      }
      break;
    }
    case ServerReflectionRequest::kFileContainingSymbol: {
      const std::string& symbol = request.file_containing_symbol();
      const FileDescriptor* const file =
          DescriptorPool::generated_pool()->FindFileContainingSymbol(symbol);
      if (file == nullptr || !files_.contains(file->name())) {
        SetNotFound("symbol", symbol, reply);
      } else {
        AppendWithImports(*file, seen, reply);
      }
      break;
    }
    case ServerReflectionRequest::kFileContainingExtension:
      SetNotFound("extension of", request.file_containing_extension().containing_type(), reply);
      break;
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      // proto3 has none; a type that is known has an empty list.
      if (DescriptorPool::generated_pool()->FindMessageTypeByName(
              request.all_extension_numbers_of_type()) == nullptr) {
        SetNotFound("type", request.all_extension_numbers_of_type(), reply);
      } else {
        reply.mutable_all_extension_numbers_response()->set_base_type_name(
            request.all_extension_numbers_of_type());
      }
      break;
    case ServerReflectionRequest::kListServices:
      for (const std::string& name : services_) {
        reply.mutable_list_services_response()->add_service()->set_name(name);
      }
      break;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      reply.mutable_error_response()->set_error_code(static_cast<int>(rpc::Code::kInvalidArgument));
      reply.mutable_error_response()->set_error_message("the request asks nothing");
      break;
  }
  return reply;
}

void ReflectionService::AddTo(rpc::MethodTable& methods, Gate& gate) {
  methods.Add(
      "grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo",
      GuardedStream({gate, settings::Method::kServerReflectionInfo}, [this](rpc::StreamCall& call) {
        return std::make_unique<Conversation>(*this, call);
      }));
  services_ = methods.Services();
  for (const std::string& name : services_) {
    const auto* const service = DescriptorPool::generated_pool()->FindServiceByName(name);
    if (service != nullptr) Show(*service->file());
  }
}

}  // namespace objpool::server
