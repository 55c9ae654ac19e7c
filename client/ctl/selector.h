// Selectors as Kubernetes writes them: "model=a100,zone!=b,rack,!spot,tier in (1,2)".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "objpool/v1/lease_service.pb.h"

namespace objpool::client {

inline constexpr std::size_t kMaxSelectorTerms = 16;
inline constexpr std::size_t kMaxSelectorValues = 16;  // of one term

// All terms must hold. Nothing, and in `why` what is wrong where, unless it is one.
[[nodiscard]] std::optional<std::vector<v1::SelectorTerm>> ParseSelector(std::string_view text,
                                                                         std::string& why);

}  // namespace objpool::client
