// Inflater: undoes gzip, and stops where the result would be longer than it may be: few bytes can
// become a thousand times as many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "server/rpc/byte_buffer.h"
#include "server/rpc/status.h"

struct z_stream_s;  // zlib's

namespace objpool::rpc {

// What requests may be compressed by, as grpc-accept-encoding says it.
inline constexpr std::string_view kAcceptedEncodings = "identity,gzip";

class Inflater {
 public:
  // Puts the whole message that `from` is behind what `to` holds, if it has at most `most` bytes
  // and nothing comes after it. Else it says why not.
  [[nodiscard]] Status Inflate(std::string_view from, std::size_t most, ByteBuffer& to);
  // Whether these bytes are a gzip's. No message of protobuf begins so: it would have the wire type
  // 7, which there is not.
  [[nodiscard]] static bool IsGzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

 private:
  struct Deleter {
    void operator()(z_stream_s* stream) const;
  };

  std::unique_ptr<z_stream_s, Deleter> stream_;  // made when it is first needed; some 40 KB
};

}  // namespace objpool::rpc
