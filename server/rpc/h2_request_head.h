// RequestHead: the headers of one request, as far as gRPC uses them. Nothing of them is kept longer
// than it may be, whatever the client sends.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "server/rpc/boot_clock.h"
#include "server/rpc/status.h"

namespace objpool::rpc {

class RequestHead {
 public:
  void Reset();
  // False when they have become so long that nothing should be read of the client any more.
  [[nodiscard]] bool Add(std::string_view name, std::string_view value);

  // "/service/method"; where it is longer than any method, its beginning.
  [[nodiscard]] const std::string& path() const { return path_; }
  // How long the client will wait; none where it does not say.
  [[nodiscard]] std::optional<BootNs> timeout() const { return timeout_; }
  // Its messages may be compressed by gzip.
  [[nodiscard]] bool gzip() const { return encoding_ == "gzip"; }
  // HTTP's status where this is no gRPC at all; else null.
  [[nodiscard]] const char* HttpRefusal() const;
  // Longer than they may be, and refused for that.
  [[nodiscard]] bool too_long() const;
  // Why no method can take it; none when one can.
  [[nodiscard]] std::optional<Status> Refusal() const;

 private:
  std::string path_;
  std::string encoding_;  // empty: identity
  std::optional<BootNs> timeout_;
  bool bad_timeout_ = false;
  bool post_ = false;
  bool grpc_ = false;
  std::size_t bytes_ = 0;
};

}  // namespace objpool::rpc
