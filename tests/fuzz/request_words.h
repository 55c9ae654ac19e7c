// RequestWords: puts into a request what no fuzzer can guess: fences, keys and tokens that earlier
// answers told.
#pragma once

#include <google/protobuf/message.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "objpool/v1/grant.pb.h"

namespace objpool::fuzz {

class RequestWords {
 public:
  // Remembers the grants and the tokens in an answer.
  void Learn(const google::protobuf::Message& answer);
  // In the place of fences below 16, and of tokens of one letter, those that it knows.
  void Fill(google::protobuf::Message& request) const;

 private:
  static constexpr std::size_t kMost = 256;
  static constexpr uint64_t kFirstFence = 16;

  void FillGrant(google::protobuf::Message& message) const;
  [[nodiscard]] const v1::GrantRef& Known(uint64_t number) const {
    return grants_[number % grants_.size()];
  }

  std::vector<v1::GrantRef> grants_;
  std::vector<std::string> tokens_;
};

}  // namespace objpool::fuzz
