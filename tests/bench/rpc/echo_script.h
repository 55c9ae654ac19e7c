// EchoScript: calls of the same sizes as a Lease and a Return, to a server that does nothing else.
//
// A request begins with the length that its reply should have, as two bytes; the rest fills it up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client/load/unary_talk.h"

namespace objpool::bench {

inline constexpr std::string_view kEchoService = "objpool.bench.Echo";
inline constexpr std::string_view kEchoMethod = "Fill";
inline constexpr char kEchoFill = 'e';
inline constexpr std::size_t kEchoHeadBytes = 2;

class EchoScript final : public load::CallScript {
 public:
  explicit EchoScript(uint32_t batch);

  [[nodiscard]] std::vector<std::string> paths() const override;
  [[nodiscard]] bool Request(std::size_t call, std::string_view reply, std::string& request,
                             std::string& why) override;
  [[nodiscard]] bool Finish(std::string_view reply, std::string& why) override;

 private:
  struct Sizes {
    std::string request;
    std::size_t reply_bytes;
  };
  [[nodiscard]] bool IsReply(std::size_t call, std::string_view reply, std::string& why) const;

  std::vector<Sizes> calls_;
};

}  // namespace objpool::bench
