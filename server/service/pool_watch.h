// WatchPool: a stream that tells what becomes of a pool.
#pragma once

#include <memory>

#include "server/rpc/call.h"
#include "server/service/pool_set.h"

namespace objpool::server {

// For PoolService. `pools` must outlive the stream.
[[nodiscard]] std::unique_ptr<rpc::StreamHandler> WatchPool(const PoolSet& pools,
                                                            rpc::StreamCall& call);

}  // namespace objpool::server
