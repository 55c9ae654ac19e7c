// ReflectionService: grpc.reflection.v1alpha, with which tools learn the API from the server.
//
// It shows the files of the services in the method table and what they import, nothing else that is
// linked into the process. Read-only after AddTo: any thread.
#pragma once

#include <google/protobuf/descriptor.h>

#include <map>
#include <string>
#include <vector>

#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "server/rpc/method_table.h"
#include "server/service/gate.h"

namespace objpool::server {

class ReflectionService {
 public:
  // Add it last: it shows what is in `methods` then, itself included.
  void AddTo(rpc::MethodTable& methods, Gate& gate);

  // The answer to one question.
  [[nodiscard]] grpc::reflection::v1alpha::ServerReflectionResponse Answer(
      const grpc::reflection::v1alpha::ServerReflectionRequest& request) const;

 private:
  void Show(const google::protobuf::FileDescriptor& file);

  std::vector<std::string> services_;
  std::map<std::string, const google::protobuf::FileDescriptor*, std::less<>> files_;
};

}  // namespace objpool::server
