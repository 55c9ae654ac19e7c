// Text that came from elsewhere: whether it is UTF-8, and how to show it safely.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace objpool::client {

// As the wire demands of every string.
[[nodiscard]] bool IsUtf8(std::string_view text);

// Fit for a terminal and for one line: control characters and what is not UTF-8 become \xNN, and it
// is cut, with "..." at the end, once `max_bytes` are written.
[[nodiscard]] std::string Printable(std::string_view text, std::size_t max_bytes = 1024);

}  // namespace objpool::client
