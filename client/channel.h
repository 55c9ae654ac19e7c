// The channel to a server, as all that speak to one want it. Internal to the library.
#pragma once

#include <grpcpp/channel.h>

#include <memory>

#include "client/client.h"

namespace objpool::client {

// Shared, which is the only way that gRPC hands channels around.
[[nodiscard]] std::shared_ptr<grpc::Channel> MakeChannel(const ClientOptions& options);

}  // namespace objpool::client
