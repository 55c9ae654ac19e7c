// Files that people write, read into a message of their schema: text format, or JSON.
#pragma once

#include <google/protobuf/message.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/settings/errors.h"

namespace objpool::settings {

enum class Syntax : uint8_t { kText, kJson };
// JSON when the name ends in ".json", text format otherwise.
[[nodiscard]] Syntax SyntaxOf(std::string_view path);

// None when it added to `errors`: the file cannot be read, or is longer than that.
[[nodiscard]] std::optional<std::string> ReadTextFile(const std::string& path,
                                                      std::size_t max_bytes, ConfigErrors& errors);

// False, after adding to `errors`, when nothing can be made of `text`, whose `name` says where it
// is from. A key that nobody knows, or that is given twice, is an error too, but lets the rest be
// checked.
[[nodiscard]] bool ParseMessage(std::string_view text, Syntax syntax, std::string_view name,
                                google::protobuf::Message& message, ConfigErrors& errors);

}  // namespace objpool::settings
