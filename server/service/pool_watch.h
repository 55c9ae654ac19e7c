// WatchPool: a stream that tells what becomes of a pool.
#pragma once

#include <memory>

#include "server/rpc/call.h"
#include "server/service/gate.h"
#include "server/service/pool_set.h"

namespace objpool::server {

// For PoolService. `pools` and `gate` must outlive the stream.
[[nodiscard]] std::unique_ptr<rpc::StreamHandler> WatchPool(const PoolSet& pools, Gate& gate,
                                                            rpc::StreamCall& call);

}  // namespace objpool::server
