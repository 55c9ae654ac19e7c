#include "tests/bench/rpc/echo_script.h"

#include "client/load/lease_messages.h"
#include "objpool/v1/lease_service.pb.h"

namespace objpool::bench {
namespace {

// As long as those of a server that has run for a while.
v1::LeaseResponse UsualResponse(uint32_t batch) {
  v1::LeaseResponse response;
  for (uint32_t i = 0; i < batch; ++i) {
    v1::Grant& grant = *response.add_grants();
    grant.mutable_ref()->set_handle(1000 + i);
    grant.mutable_ref()->set_fence(1'000'000 + i);
    grant.mutable_ref()->set_key(~uint64_t{i});
    grant.set_id(1000 + i);
  }
  response.mutable_ttl()->set_seconds(30);
  response.mutable_expire_time()->set_seconds(1'800'000'000);
  response.mutable_expire_time()->set_nanos(123'456'789);
  return response;
}

std::string Request(std::size_t bytes, std::size_t reply_bytes) {
  std::string request = {static_cast<char>(reply_bytes), static_cast<char>(reply_bytes >> 8)};
  request.resize(bytes, kEchoFill);
  return request;
}

}  // namespace

EchoScript::EchoScript(uint32_t batch) {
  const std::string lease_reply = UsualResponse(batch).SerializeAsString();
  std::vector<load::GrantBytes> grants;
  (void)load::ReadGrants(lease_reply, grants);
  std::string give_back;
  load::AppendReturnRequest("bench", grants, give_back);
  v1::ReturnResponse return_reply;
  for (uint32_t i = 0; i < batch; ++i) return_reply.add_results();
  const std::size_t lease_bytes = load::LeaseRequestBytes("bench", batch).size();
  const std::size_t return_reply_bytes = return_reply.ByteSizeLong();
  calls_ = {{bench::Request(lease_bytes, lease_reply.size()), lease_reply.size()},
            {bench::Request(give_back.size(), return_reply_bytes), return_reply_bytes}};
}

std::vector<std::string> EchoScript::paths() const {
  const std::string path = "/" + std::string(kEchoService) + "/" + std::string(kEchoMethod);
  // Two of a name, so that as much goes into the table of headers.
  return {path, path};
}

bool EchoScript::Request(std::size_t call, std::string_view reply, std::string& request,
                         std::string& why) {
  request.append(calls_[call].request);
  return call == 0 || IsReply(call - 1, reply, why);
}

bool EchoScript::Finish(std::string_view reply, std::string& why) {
  return IsReply(calls_.size() - 1, reply, why);
}

bool EchoScript::IsReply(std::size_t call, std::string_view reply, std::string& why) const {
  if (reply.size() == calls_[call].reply_bytes && reply.back() == kEchoFill) return true;
  why = "an echo is not what was asked for";
  return false;
}

}  // namespace objpool::bench
