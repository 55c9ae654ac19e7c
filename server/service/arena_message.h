// ArenaMessage: a message that is filled, used and emptied again and again, whose parts come from
// an arena of its own: small ones lie in memory that is there, and nothing is freed part by part.
//
// Threads: one at a time.
#pragma once

#include <google/protobuf/arena.h>

#include <cstddef>

namespace objpool::server {

template <typename Message>
class ArenaMessage {
 public:
  ArenaMessage() = default;
  ArenaMessage(const ArenaMessage&) = delete;
  ArenaMessage& operator=(const ArenaMessage&) = delete;

  [[nodiscard]] Message& operator*() { return *message_; }
  [[nodiscard]] Message* operator->() { return message_; }
  [[nodiscard]] const Message& operator*() const { return *message_; }
  [[nodiscard]] const Message* operator->() const { return message_; }

  // A part for `message`, which becomes one with AddAllocated and the like.
  template <typename Part>
  [[nodiscard]] Part& NewPart() {
    return *google::protobuf::Arena::CreateMessage<Part>(&arena_);
  }

  // Empties it. What took more memory than is kept gives it back; references into it end.
  void Reset() {
    arena_.Reset();
    message_ = google::protobuf::Arena::CreateMessage<Message>(&arena_);
  }

 private:
  // Some three operations of a session, or as many answers.
  static constexpr std::size_t kKeptBytes = 1024;

  alignas(std::max_align_t) char kept_[kKeptBytes];
  google::protobuf::Arena arena_{kept_, kKeptBytes};
  Message* message_ = google::protobuf::Arena::CreateMessage<Message>(&arena_);
};

}  // namespace objpool::server
