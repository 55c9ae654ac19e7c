// Labels of handles, as people write them in configurations and requests.
#pragma once

#include <string_view>

namespace objpool::server {

// 1 .. 63 characters of A-Z, a-z, 0-9, '-', '_', '.' and '/'; a value may be empty.
[[nodiscard]] bool IsLabelKey(std::string_view text);
[[nodiscard]] bool IsLabelValue(std::string_view text);

// What to say of those that are none.
inline constexpr std::string_view kLabelKeyRule =
    "must be 1 .. 63 characters of A-Z, a-z, 0-9, '-', '_', '.' and '/'";
inline constexpr std::string_view kLabelValueRule =
    "must be 0 .. 63 characters of A-Z, a-z, 0-9, '-', '_', '.' and '/'";

}  // namespace objpool::server
