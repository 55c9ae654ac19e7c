// RedisLine: leases and returns on one connection to Redis, up to a window of commands that are not
// answered yet.
//
// A lease is answered with the list of what was taken, and a return sends that list back as it
// came, so that the load only reads lengths. Answers come in the order of the commands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "client/load/byte_socket.h"
#include "client/load/load_loop.h"

namespace objpool::bench {

struct RedisScript {
  std::string lease;         // the whole command
  std::string return_head;   // the words of a return that stand before what was taken
  std::size_t return_words;  // how many these are
  std::size_t batch;         // how many are taken
  bool tells_count;          // a return is answered with how many came back
};

// A command of these words.
[[nodiscard]] std::string RedisCommand(std::initializer_list<std::string_view> words);

// One answer.
struct RedisReply {
  char type = 0;  // '$' and '*': values; ':' number; '+' text; '-' error
  int64_t number = 0;
  std::size_t values = 0;
  std::string_view body;  // the values as they came, or the text
};

// The first answer in `bytes`, and its length; 0 where it is not whole. An answer that is none of
// those above is an error.
[[nodiscard]] std::size_t ReadReply(std::string_view bytes, RedisReply& reply);

class RedisLine final : public load::Line {
 public:
  RedisLine(std::unique_ptr<load::ByteSocket> socket, const RedisScript& script, uint32_t window,
            load::Tally& tally);

  [[nodiscard]] int fd() const override { return socket_->fd(); }
  void Begin() override;
  [[nodiscard]] bool OnReadable(std::string& why) override;
  [[nodiscard]] bool Flush(std::string& why) override { return socket_->Flush(why); }
  [[nodiscard]] bool has_unsent() const override { return socket_->has_unsent(); }
  void Stop() override {}
  [[nodiscard]] bool over() const override { return asked_.empty(); }

 private:
  // A command that is not answered yet.
  struct Asked {
    bool lease;
    uint64_t began_ns;  // of its cycle
  };
  void Lease();
  [[nodiscard]] bool Take(const RedisReply& reply, std::string& why);

  std::unique_ptr<load::ByteSocket> socket_;
  const RedisScript& script_;
  const uint32_t window_;
  load::Tally& tally_;
  std::deque<Asked> asked_;
};

// Sends one command and waits for its answer; the text of it, or the error behind "-". For what is
// not measured.
[[nodiscard]] std::string AskRedis(const std::string& address, const std::string& command);

}  // namespace objpool::bench
