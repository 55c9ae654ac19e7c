#include "server/rpc/h2_request_head.h"

#include <cstring>

#include "server/rpc/h2_limits.h"
#include "server/rpc/h2_text.h"
#include "server/rpc/inflater.h"

namespace objpool::rpc {
namespace {

constexpr std::string_view kGrpcType = "application/grpc";
constexpr std::size_t kFieldOverhead = 32;  // HTTP/2's own, for each field
constexpr std::size_t kMaxEncodingBytes = 32;

// Whether it is `text`: a few instructions, because its length is known.
template <std::size_t N>
bool Is(std::string_view what, const char (&text)[N]) {
  return what.size() == N - 1 && std::memcmp(what.data(), text, N - 1) == 0;
}

// "application/grpc", "application/grpc+proto", but not "application/grpc-web".
bool IsGrpc(std::string_view type) {
  if (!type.starts_with(kGrpcType)) return false;
  type.remove_prefix(kGrpcType.size());
  return type.empty() || type.front() == '+' || type.front() == ';';
}

}  // namespace

void RequestHead::Reset() {
  path_.clear();
  encoding_.clear();
  timeout_.reset();
  bad_timeout_ = post_ = grpc_ = false;
  bytes_ = 0;
}

bool RequestHead::Add(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + kFieldOverhead;
  if (Is(name, ":path")) {
    path_ = value.substr(0, h2_limits::kMaxPathBytes);
  } else if (Is(name, ":method")) {
    post_ = Is(value, "POST");
  } else if (Is(name, "content-type")) {
    grpc_ = IsGrpc(value);
  } else if (Is(name, "grpc-timeout")) {
    timeout_ = ParseGrpcTimeout(value);
    bad_timeout_ = !timeout_;
  } else if (Is(name, "grpc-encoding") && !Is(value, "identity")) {
    encoding_ = value.substr(0, kMaxEncodingBytes);
  }
  return bytes_ <= h2_limits::kMaxInflatedBytes;
}

const char* RequestHead::HttpRefusal() const {
  if (!post_) return "405";
  return grpc_ ? nullptr : "415";
}

bool RequestHead::too_long() const { return bytes_ > h2_limits::kMaxHeaderBytes; }

std::optional<Status> RequestHead::Refusal() const {
  if (too_long()) {
    return Status{Code::kResourceExhausted,
                  "headers must have at most " + std::to_string(h2_limits::kMaxHeaderBytes) +
                      " bytes, got " + std::to_string(bytes_),
                  {}};
  }
  if (bad_timeout_) {
    return Status{Code::kInvalidArgument, "grpc-timeout must be a number and its unit", {}};
  }
  if (!encoding_.empty() && !gzip()) {
    return Status{
        Code::kUnimplemented,
        "grpc-encoding must be one of " + std::string(kAcceptedEncodings) + ", got " + encoding_,
        {}};
  }
  return std::nullopt;
}

}  // namespace objpool::rpc
