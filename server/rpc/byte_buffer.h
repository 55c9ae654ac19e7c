// ByteBuffer: bytes in one piece, appended at the end and taken from the front. Its memory is kept
// for the next user, but not more than kKeptBytes of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

namespace objpool::rpc {

class ByteBuffer {
 public:
  static constexpr std::size_t kKeptBytes = 4096;

  [[nodiscard]] std::size_t size() const { return end_ - begin_; }
  [[nodiscard]] bool empty() const { return end_ == begin_; }
  [[nodiscard]] const uint8_t* data() const { return bytes_.get() + begin_; }
  [[nodiscard]] std::string_view view() const {
    return {reinterpret_cast<const char*>(data()), size()};
  }

  // Appends that many bytes, to be written by the caller before the next call of anything.
  [[nodiscard]] uint8_t* Extend(std::size_t bytes) {
    if (bytes > capacity_ - end_) MakeRoom(bytes);
    end_ += bytes;
    return bytes_.get() + (end_ - bytes);
  }
  void Append(const void* from, std::size_t bytes) {
    if (bytes != 0) std::memcpy(Extend(bytes), from, bytes);
  }
  // Takes that many bytes, which must be there, from the front.
  void Consume(std::size_t bytes) {
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  void Clear() {
    begin_ = end_ = 0;
    if (capacity_ <= kKeptBytes) return;
    bytes_.reset();
    capacity_ = 0;
  }

 private:
  static constexpr std::size_t kFirstBytes = 256;

  // Moves what there is to the front, into more memory where it must be.
  void MakeRoom(std::size_t more) {
    const std::size_t held = size();
    if (held + more <= capacity_ && held <= capacity_ / 2) {
      std::memmove(bytes_.get(), data(), held);
    } else {
      capacity_ = std::max({kFirstBytes, 2 * capacity_, held + more});
      auto fresh = std::make_unique_for_overwrite<uint8_t[]>(capacity_);
      if (held != 0) std::memcpy(fresh.get(), data(), held);
      bytes_ = std::move(fresh);
    }
    begin_ = 0;
    end_ = held;
  }

  std::unique_ptr<uint8_t[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace objpool::rpc
