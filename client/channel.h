// The channel to a server, as all that speak to one want it. Internal to the library.
#pragma once

#include <grpcpp/channel.h>

#include <memory>

#include "client/client.h"

namespace objpool::client {

// Shared, which is the only way that gRPC hands channels around. `connect_limit` is how long one
// attempt to connect may take; 0: gRPC's 20 s.
[[nodiscard]] std::shared_ptr<grpc::Channel> MakeChannel(
    const ClientOptions& options, Milliseconds connect_limit = Milliseconds(0));

}  // namespace objpool::client
