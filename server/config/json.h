// Reads a configuration from JSON.
#pragma once

#include <string_view>

#include "objpool/config/v1/server_config.pb.h"
#include "server/config/errors.h"

namespace objpool::server {

// False, after adding to `errors`, when nothing can be made of `text`, whose `name` says where it
// is from. A key that is given twice is an error too, but lets the rest be checked.
[[nodiscard]] bool ParseConfigJson(std::string_view text, std::string_view name,
                                   config::v1::ServerConfig& message, ConfigErrors& errors);

}  // namespace objpool::server
