// H2Protocol: what all HTTP/2 sessions of a worker share, the callbacks and options of libnghttp2.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace objpool::rpc {

class H2Connection;

struct H2SessionDeleter {
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};
using H2Session = std::unique_ptr<nghttp2_session, H2SessionDeleter>;

class H2Protocol {
 public:
  H2Protocol();

  // A server's session whose callbacks go to `connection`. Null when there is no memory.
  [[nodiscard]] H2Session Begin(H2Connection& connection) const;

 private:
  struct CallbacksDeleter {
    void operator()(nghttp2_session_callbacks* callbacks) const {
      nghttp2_session_callbacks_del(callbacks);
    }
  };
  struct OptionDeleter {
    void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
  };
  std::unique_ptr<nghttp2_session_callbacks, CallbacksDeleter> callbacks_;
  std::unique_ptr<nghttp2_option, OptionDeleter> option_;
};

// Where the data of a call's answer comes from.
[[nodiscard]] nghttp2_data_provider DataOf(class H2Call& call);

}  // namespace objpool::rpc
