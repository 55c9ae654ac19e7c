// ConfigErrors: everything that is wrong with a configuration, one line each.
//
// All of it is reported at once, so that one start finds all mistakes; but no more than kMaxLines,
// so that a file of nothing but mistakes does not fill the log. Each is one line of at most
// kMaxLineBytes, whatever a parser puts into it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace objpool::settings {

class ConfigErrors {
 public:
  static constexpr std::size_t kMaxLines = 20;
  static constexpr std::size_t kMaxLineBytes = 512;

  // `key` is the path of the key, as in "pools[2].ids.count".
  void Add(std::string_view key, std::string_view what);
  // For a value that is not what it must be: names the limit, in words, and the value.
  void AddLimit(std::string_view key, std::string_view limit, std::string_view value);

  [[nodiscard]] bool empty() const { return count_ == 0; }
  // What is wrong with which key, at most kMaxLines of them.
  struct Fault {
    std::string key;
    std::string what;
  };
  [[nodiscard]] const std::vector<Fault>& faults() const { return faults_; }
  // The same as text, and one more line that counts the rest.
  [[nodiscard]] std::vector<std::string> Lines() const;

 private:
  std::vector<Fault> faults_;
  uint64_t count_ = 0;
};

// `text` within quotes, in printable ASCII, cut after its first 64 bytes: a value that a message
// may repeat, whatever it is.
[[nodiscard]] std::string Quoted(std::string_view text);

}  // namespace objpool::settings
