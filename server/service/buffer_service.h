// BufferService: Read and Write of leased buffers over the wire, for those who cannot map them.
//
// What a call proves of its grant, and when, is told in buffer_stream.h; what clients may rely on,
// in buffer_service.proto.
#pragma once

#include <vector>

#include "server/rpc/method_table.h"
#include "server/service/buffer_stream.h"
#include "server/service/pool_set.h"

namespace objpool::server {

class BufferService {
 public:
  // `pools` must outlive the service, and the service all calls.
  explicit BufferService(PoolSet& pools) : pools_(pools) {}

  // `gate` must outlive the calls.
  void AddTo(rpc::MethodTable& methods, uint32_t workers, Gate& gate);

 private:
  PoolSet& pools_;
  std::vector<BufferDesk> desks_;  // by worker
};

}  // namespace objpool::server
