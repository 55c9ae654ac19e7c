// Header blocks of HTTP/2 for a load: requests that are prepared once, and what answers say.
//
// A request's block is written by hand: each of its fields goes into the table of the other side
// with its first use, so that every later block is some ten bytes that stay the same. (libnghttp2
// would write the path anew each time.) Answers are read by libnghttp2; a block that only points
// into the table says the same when it comes again, and is not read again.
//
// Threads: one, that of their connection.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct nghttp2_hd_inflater;

namespace objpool::load {

class RequestBlocks {
 public:
  RequestBlocks(std::string_view authority, const std::vector<std::string>& paths);
  // The table of the other side has room for that many bytes. Before the first block. False when
  // that is too few.
  [[nodiscard]] bool SetTableBytes(uint32_t bytes);
  // The next block to send, for the path of that number. Valid until the next call.
  [[nodiscard]] const std::string& Next(std::size_t path);

 private:
  struct Entry {
    std::string literal;             // as it goes into the table
    std::size_t table_bytes = 0;     // what it takes there
    std::optional<uint32_t> number;  // how many went in before it
  };
  void AddEntry(uint32_t name_index, std::string_view name, std::string_view value);
  void Append(Entry& entry, std::string& block);

  std::vector<Entry> entries_;  // those of all requests, and then the paths
  std::size_t shared_;          // how many the former are
  uint32_t in_table_ = 0;
  std::string resize_;               // to be said first
  std::vector<std::string> blocks_;  // of each path, once nothing more goes into the table
  std::string first_;
};

// What matters of an answer's headers or trailers.
struct AnswerFields {
  uint32_t http_status = 0;             // 0: not said
  std::optional<uint32_t> grpc_status;  // in trailers
};

class AnswerBlocks {
 public:
  AnswerBlocks();
  ~AnswerBlocks();
  AnswerBlocks(const AnswerBlocks&) = delete;
  AnswerBlocks& operator=(const AnswerBlocks&) = delete;

  // Every block that comes, in order. Empty where it cannot be read: then the connection is of no
  // more use.
  [[nodiscard]] std::optional<AnswerFields> Read(std::string_view block);

 private:
  struct Known {
    std::string block;
    AnswerFields fields;
  };
  [[nodiscard]] std::optional<AnswerFields> Inflate(std::string_view block);

  nghttp2_hd_inflater* inflater_ = nullptr;
  std::array<Known, 4> known_;  // headers and trailers of some methods
  std::size_t next_known_ = 0;
};

}  // namespace objpool::load
