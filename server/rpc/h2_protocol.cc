#include "server/rpc/h2_protocol.h"

#include <array>
#include <string_view>

#include "pool/base/check.h"
#include "server/rpc/h2_call.h"
#include "server/rpc/h2_connection.h"
#include "server/rpc/h2_limits.h"

namespace objpool::rpc {
namespace {

H2Connection& From(void* user) { return *static_cast<H2Connection*>(user); }

std::string_view View(const uint8_t* bytes, std::size_t count) {
  return {reinterpret_cast<const char*>(bytes), count};
}

int ResultOf(bool go_on) { return go_on ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE; }

int OnBeginFrame(nghttp2_session* /*session*/, const nghttp2_frame_hd* head, void* user) {
  return ResultOf(From(user).OnFrameHead(*head));
}

int OnBeginHeaders(nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/, void* user) {
  From(user).OnHeadersBegin();
  return 0;
}

int OnHeader(nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/, const uint8_t* name,
             std::size_t name_bytes, const uint8_t* value, std::size_t value_bytes,
             uint8_t /*flags*/, void* user) {
  return ResultOf(From(user).OnHeader(View(name, name_bytes), View(value, value_bytes)));
}

int OnFrame(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
  From(user).OnFrame(*frame);
  return 0;
}

int OnInvalidFrame(nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/, int error,
                   void* user) {
  return ResultOf(From(user).OnInvalidFrame(error == NGHTTP2_ERR_REFUSED_STREAM));
}

int OnData(nghttp2_session* session, uint8_t /*flags*/, int32_t stream, const uint8_t* bytes,
           std::size_t count, void* user) {
  From(user).OnData(static_cast<H2Call*>(nghttp2_session_get_stream_user_data(session, stream)),
                    stream, View(bytes, count));
  return 0;
}

int OnStreamClose(nghttp2_session* session, int32_t stream, uint32_t /*error*/, void* /*user*/) {
  auto* const call = static_cast<H2Call*>(nghttp2_session_get_stream_user_data(session, stream));
  if (call != nullptr) call->OnClosed();
  return 0;
}

int OnFrameSent(nghttp2_session* /*session*/, const nghttp2_frame* frame, void* user) {
  From(user).OnFrameSent(*frame);
  return 0;
}

int OnFrameNotSent(nghttp2_session* session, const nghttp2_frame* frame, int /*error*/,
                   void* /*user*/) {
  // An answer that cannot be given: its client is told so, and its call does not wait for ever.
  if (frame->hd.type == NGHTTP2_HEADERS) {
    (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                    NGHTTP2_INTERNAL_ERROR);
  }
  return 0;
}

// Says how much of the answer goes into the next frame; SendData writes it.
ssize_t ReadAnswer(nghttp2_session* /*session*/, int32_t /*stream*/, uint8_t* /*buffer*/,
                   std::size_t length, uint32_t* flags, nghttp2_data_source* source, void* user) {
  auto& call = *static_cast<H2Call*>(source->ptr);
  const std::size_t bytes = std::min(length, call.to_send());
  if (bytes == 0) return NGHTTP2_ERR_DEFERRED;
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (bytes == call.to_send() && call.ends()) {
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    From(user).EndAnswer(call);
  }
  return static_cast<ssize_t>(bytes);
}

int SendData(nghttp2_session* /*session*/, nghttp2_frame* /*frame*/, const uint8_t* head,
             std::size_t length, nghttp2_data_source* source, void* user) {
  const bool written = From(user).WriteData(head, length, *static_cast<H2Call*>(source->ptr));
  return written ? 0 : NGHTTP2_ERR_WOULDBLOCK;
}

}  // namespace

H2Protocol::H2Protocol() {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  OBJPOOL_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0, "there is memory at the start");
  callbacks_.reset(callbacks);
  OBJPOOL_CHECK(nghttp2_option_new(&option) == 0, "there is memory at the start");
  option_.reset(option);
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, OnBeginFrame);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, OnBeginHeaders);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, OnInvalidFrame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnStreamClose);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, OnFrameSent);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, OnFrameNotSent);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, SendData);
  // A stream's window opens as its handler takes messages.
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  // FloodGuard judges resets, and not all alike.
  constexpr uint64_t kAny = uint64_t{1} << 30;
  nghttp2_option_set_stream_reset_rate_limit(option, kAny, kAny);
}

H2Session H2Protocol::Begin(H2Connection& connection) const {
  nghttp2_session* made = nullptr;
  if (nghttp2_session_server_new2(&made, callbacks_.get(), &connection, option_.get()) != 0) {
    return nullptr;
  }
  H2Session session(made);
  const std::array<nghttp2_settings_entry, 3> settings = {{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, h2_limits::kMaxStreams},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, h2_limits::kMaxHeaderBytes},
      // Priorities would make the server keep a tree of streams that are not there.
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  }};
  if (nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) != 0) {
    return nullptr;
  }
  return session;
}

nghttp2_data_provider DataOf(H2Call& call) {
  nghttp2_data_provider provider{};
  provider.source.ptr = &call;
  provider.read_callback = ReadAnswer;
  return provider;
}

}  // namespace objpool::rpc
