// Messages that are filled, used and emptied again and again, from an arena of their own: small
// ones lie in memory that is there, and nothing is freed part by part.
//
// Threads: one at a time.
#pragma once

#include <google/protobuf/arena.h>

#include <cstddef>

namespace objpool::server {

class MessageArena {
 public:
  MessageArena() = default;
  MessageArena(const MessageArena&) = delete;
  MessageArena& operator=(const MessageArena&) = delete;

  template <typename Message>
  [[nodiscard]] Message& New() {
    used_ = true;
    return *google::protobuf::Arena::CreateMessage<Message>(&arena_);
  }

  // Ends all messages. Those that took more memory than is kept give it back.
  void Reset() {
    if (used_) arena_.Reset();
    used_ = false;
  }

 private:
  // Some three operations of a session, or as many answers.
  static constexpr std::size_t kKeptBytes = 1024;

  alignas(std::max_align_t) char kept_[kKeptBytes];
  google::protobuf::Arena arena_{kept_, kKeptBytes};
  bool used_ = false;
};

// One message.
template <typename Message>
class ArenaMessage {
 public:
  [[nodiscard]] Message& operator*() { return *message_; }
  [[nodiscard]] Message* operator->() { return message_; }
  [[nodiscard]] const Message& operator*() const { return *message_; }
  [[nodiscard]] const Message* operator->() const { return message_; }

  // Empties it; references into it end.
  void Reset() {
    arena_.Reset();
    message_ = &arena_.New<Message>();
  }

 private:
  MessageArena arena_;
  Message* message_ = &arena_.New<Message>();
};

}  // namespace objpool::server
