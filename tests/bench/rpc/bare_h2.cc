#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <vector>

#include "tests/bench/rpc/bare_server.h"
#include "tests/bench/rpc/echo_script.h"

namespace objpool::bench {
namespace {

constexpr std::size_t kFrameHeadBytes = 5;  // of gRPC: not compressed, and the length

nghttp2_nv Field(std::string_view name, std::string_view value) {
  // nghttp2 reads these only.
  return {.name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          .value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())),
          .namelen = name.size(),
          .valuelen = value.size(),
          .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

// A call: how long the reply is to be, once the request's first bytes have come.
struct Stream {
  std::size_t request_bytes = 0;
  std::array<uint8_t, kEchoHeadBytes> head{};
  std::size_t reply_bytes = 0;  // with its frame
  std::size_t written = 0;
};

class BareH2 final : public BareProtocol {
 public:
  BareH2() {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, OnBegin);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnChunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
    nghttp2_session_server_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~BareH2() override { nghttp2_session_del(session_); }
  BareH2(const BareH2&) = delete;
  BareH2& operator=(const BareH2&) = delete;

  [[nodiscard]] bool OnBytes(std::string_view bytes, std::string& out) override {
    if (nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()),
                                 bytes.size()) < 0) {
      return false;
    }
    const uint8_t* part = nullptr;
    ssize_t count = 0;
    while ((count = nghttp2_session_mem_send(session_, &part)) > 0) {
      out.append(reinterpret_cast<const char*>(part), static_cast<std::size_t>(count));
    }
    return count == 0;
  }

 private:
  static BareH2& Self(void* user) { return *static_cast<BareH2*>(user); }

  static int OnBegin(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    BareH2& self = Self(user);
    if (self.unused_.empty()) {
      self.streams_.push_back(std::make_unique<Stream>());
      self.unused_.push_back(self.streams_.back().get());
    }
    Stream* const stream = self.unused_.back();
    self.unused_.pop_back();
    *stream = {};
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
  }

  // Of the request its first bytes are kept, behind the head of the frame.
  static int OnChunk(nghttp2_session* session, uint8_t /*flags*/, int32_t id, const uint8_t* bytes,
                     std::size_t count, void* /*user*/) {
    auto* const stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
    for (std::size_t i = 0; i < kEchoHeadBytes; ++i) {
      const std::size_t at = kFrameHeadBytes + i;
      if (at >= stream->request_bytes && at - stream->request_bytes < count) {
        stream->head[i] = bytes[at - stream->request_bytes];
      }
    }
    stream->request_bytes += count;
    return 0;
  }

  static int OnFrame(nghttp2_session* session, const nghttp2_frame* frame, void* /*user*/) {
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    auto* const stream =
        static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, frame->hd.stream_id));
    if (stream == nullptr) return 0;
    stream->reply_bytes = kFrameHeadBytes + stream->head[0] + (std::size_t{stream->head[1]} << 8);
    const std::array<nghttp2_nv, 2> fields = {Field(":status", "200"),
                                              Field("content-type", "application/grpc")};
    nghttp2_data_provider reply{.source = {.ptr = stream}, .read_callback = OnWrite};
    return nghttp2_submit_response(session, frame->hd.stream_id, fields.data(), fields.size(),
                                   &reply);
  }

  static ssize_t OnWrite(nghttp2_session* session, int32_t id, uint8_t* to, std::size_t most,
                         uint32_t* flags, nghttp2_data_source* source, void* /*user*/) {
    Stream& stream = *static_cast<Stream*>(source->ptr);
    const std::size_t count = std::min(most, stream.reply_bytes - stream.written);
    std::memset(to, kEchoFill, count);
    if (stream.written == 0) {
      const auto length = static_cast<uint32_t>(stream.reply_bytes - kFrameHeadBytes);
      to[0] = 0;
      for (int i = 0; i < 4; ++i) to[1 + i] = static_cast<uint8_t>(length >> (24 - (8 * i)));
    }
    stream.written += count;
    if (stream.written == stream.reply_bytes) {
      *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
      const nghttp2_nv status = Field("grpc-status", "0");
      if (nghttp2_submit_trailer(session, id, &status, 1) != 0) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
      }
    }
    return static_cast<ssize_t>(count);
  }

  static int OnClose(nghttp2_session* session, int32_t id, uint32_t /*error*/, void* user) {
    auto* const stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
    if (stream != nullptr) Self(user).unused_.push_back(stream);
    return 0;
  }

  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Stream>> streams_;  // as many as were ever open at once
  std::vector<Stream*> unused_;
};

}  // namespace

std::unique_ptr<BareProtocol> MakeBareH2() { return std::make_unique<BareH2>(); }

}  // namespace objpool::bench
