// UTF-8: whether bytes may go into a protobuf string.
#pragma once

#include <string_view>

namespace objpool::server {

// As RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool IsUtf8(std::string_view text);

}  // namespace objpool::server
