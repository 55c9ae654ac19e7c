#include "server/rpc/h2_trailers.h"

#include <algorithm>

#include "server/rpc/h2_limits.h"
#include "server/rpc/h2_text.h"
#include "server/rpc/inflater.h"

namespace objpool::rpc {
namespace {

constexpr std::array<std::string_view, kCodes> kCodeTexts = {
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"};

nghttp2_nv Field(std::string_view name, std::string_view value, uint8_t flags) {
  // libnghttp2 only reads them, but its type is older than const.
  return {.name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          .value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())),
          .namelen = name.size(),
          .valuelen = value.size(),
          .flags = flags};
}

// The beginning that is shown, in whole characters of UTF-8.
std::string_view Shown(std::string_view message) {
  std::size_t end = std::min(message.size(), h2_limits::kMaxMessageBytes);
  while (end > 0 && end < message.size() && (message[end] & 0xc0) == 0x80) --end;
  return message.substr(0, end);
}

// The value is this answer's alone: it is copied, and not kept for later ones.
nghttp2_nv OwnField(std::string_view name, std::string_view value) {
  return Field(name, value, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_INDEX);
}

}  // namespace

nghttp2_nv StaticField(std::string_view name, std::string_view value) {
  return Field(name, value, NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE);
}

std::span<const nghttp2_nv> AnswerFields(bool with_encodings) {
  static const std::array<nghttp2_nv, 3> fields = {
      StaticField(":status", "200"), StaticField("content-type", "application/grpc"),
      StaticField("grpc-accept-encoding", kAcceptedEncodings)};
  return std::span(fields).first(with_encodings ? 3 : 2);
}

void H2Trailers::Make(const Status& status, bool alone) {
  count_ = 0;
  if (alone) {
    for (const nghttp2_nv& field : AnswerFields(status.code == Code::kUnimplemented)) Add(field);
  }
  Add(StaticField("grpc-status", kCodeTexts[static_cast<std::size_t>(status.code)]));
  if (!status.message.empty()) {
    message_.clear();
    AppendPercentEncoded(Shown(status.message), message_);
    Add(OwnField("grpc-message", message_));
  }
  if (!status.details.empty() && status.details.size() <= h2_limits::kMaxDetailsBytes) {
    details_.clear();
    AppendBase64(status.details, details_);
    Add(OwnField("grpc-status-details-bin", details_));
  }
  if (status.retry_ms != 0) {
    retry_ = std::to_string(status.retry_ms);
    Add(OwnField("grpc-retry-pushback-ms", retry_));
  }
}

}  // namespace objpool::rpc
