// ByteSocket: a TCP connection that does not block, with what came and what is to leave.
//
// Threads: one.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace objpool::load {

class ByteSocket {
 public:
  // "HOST:PORT", "[HOST]:PORT" or "unix:PATH". Null, with `why`, when nobody listens there.
  [[nodiscard]] static std::unique_ptr<ByteSocket> Connect(const std::string& address,
                                                           std::string& why);
  ~ByteSocket();
  ByteSocket(const ByteSocket&) = delete;
  ByteSocket& operator=(const ByteSocket&) = delete;

  [[nodiscard]] int fd() const { return fd_; }

  // What is appended leaves with the next Flush.
  [[nodiscard]] std::string& out() { return out_; }
  // Sends as much as the connection takes. False when it is broken, with `why`.
  [[nodiscard]] bool Flush(std::string& why);
  [[nodiscard]] bool has_unsent() const { return sent_ < out_.size(); }

  // Adds what has come to in(). False when the connection is over, with `why`. `more`: there may be
  // more to read at once.
  [[nodiscard]] bool Read(bool& more, std::string& why);
  [[nodiscard]] std::string_view in() const { return {in_.data() + begin_, end_ - begin_}; }
  void Consume(std::size_t bytes) { begin_ += bytes; }

  // Waits until something has come, for at most `ms`. False when nothing did.
  [[nodiscard]] bool WaitReadable(int ms) const;

 private:
  // At most, of what has come and was not consumed: more than any frame or answer here.
  static constexpr std::size_t kInBytes = std::size_t{512} * 1024;

  explicit ByteSocket(int fd) : fd_(fd), in_(kInBytes) {}

  const int fd_;
  std::string out_;
  std::size_t sent_ = 0;
  std::vector<char> in_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace objpool::load
