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

// The part for the key "pools", in check_pools.cc. What these return may be used only when they
// added nothing to `errors`. Durable pools can be had only with a state_dir.
[[nodiscard]] std::vector<PoolSpec> CheckPools(
    const google::protobuf::RepeatedPtrField<config::v1::PoolConfig>& messages, bool has_state_dir,
    ConfigErrors& errors);
// `path` is that of the pool's key: "pools[2]".
[[nodiscard]] PoolSpec CheckPool(const config::v1::PoolConfig& message, bool has_state_dir,
                                 const std::string& path, ConfigErrors& errors);
inline constexpr std::size_t kMaxPools = 1024;

}  // namespace objpool::server
