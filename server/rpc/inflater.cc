#include "server/rpc/inflater.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <string>

namespace objpool::rpc {
namespace {

constexpr int kOnlyGzip = 16 + MAX_WBITS;
constexpr std::size_t kStepBytes = 16'384;

}  // namespace

void Inflater::Deleter::operator()(z_stream_s* stream) const {
  (void)inflateEnd(stream);
  delete stream;
}

Status Inflater::Inflate(std::string_view from, std::size_t most, ByteBuffer& to) {
  if (stream_ == nullptr) {
    auto made = std::make_unique<z_stream>();
    if (inflateInit2(made.get(), kOnlyGzip) != Z_OK) {
      return {Code::kResourceExhausted, "there is no memory to inflate a request", {}};
    }
    stream_.reset(made.release());
  } else {
    (void)inflateReset(stream_.get());
  }
  // zlib only reads it, but its type is older than const.
  stream_->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from.data()));
  stream_->avail_in = static_cast<uInt>(from.size());
  std::array<uint8_t, kStepBytes> step;
  std::size_t inflated = 0;
  for (;;) {
    stream_->next_out = step.data();
    stream_->avail_out = kStepBytes;
    const int result = inflate(stream_.get(), Z_NO_FLUSH);
    const std::size_t got = kStepBytes - stream_->avail_out;
    inflated += got;
    if (inflated > most) {
      return {Code::kResourceExhausted,
              "a request must have at most " + std::to_string(most) + " bytes, got more inflated",
              {}};
    }
    to.Append(step.data(), got);
    if (result == Z_STREAM_END && stream_->avail_in == 0) return {};
    // Each step fills all there is room for, or has come to an end.
    if (result != Z_OK || stream_->avail_out != 0) {
      return {Code::kInternal, "a request says that it is gzip and is not, or not whole", {}};
    }
  }
}

}  // namespace objpool::rpc
