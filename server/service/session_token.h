// The token of a session as text: 32 hexadecimal digits.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "server/lease/grant_key.h"

namespace objpool::server {

[[nodiscard]] std::string TokenText(const lease::Secret& token);
// Empty when it is none. Large and small digits are the same.
[[nodiscard]] std::optional<lease::Secret> ParseToken(std::string_view text);

}  // namespace objpool::server
