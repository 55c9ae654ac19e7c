// From the configuration's schema to a Config: every range and every contradiction is checked here.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <optional>
#include <vector>

#include "objpool/config/v1/server_config.pb.h"
#include "server/config/config.h"
#include "server/config/errors.h"

namespace objpool::server {

// None when it added to `errors`. What depends on the machine (how many CPUs there are, whether a
// port is free) is left to the start.
[[nodiscard]] std::optional<Config> CheckConfig(const config::v1::ServerConfig& message,
                                                ConfigErrors& errors);

// The part for the key "pools", in check_pools.cc. What it returns may be used only when it
// added nothing to `errors`.
[[nodiscard]] std::vector<PoolSpec> CheckPools(
    const google::protobuf::RepeatedPtrField<config::v1::PoolConfig>& messages,
    ConfigErrors& errors);

}  // namespace objpool::server
