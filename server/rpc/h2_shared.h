// H2Shared: what the workers of one engine h2 have in common. Touched when a connection comes or
// goes, never by a call.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

#include "server/rpc/engine.h"
#include "server/rpc/peer_seats.h"

namespace objpool::rpc {

class H2Worker;

struct H2Shared {
  explicit H2Shared(const EngineOptions& options) : seats(options.max_connections_per_peer) {}

  // Held while a connection is accepted: a worker that has none left but its spare descriptor gives
  // that away for a moment, and no other worker is to have it.
  std::mutex accepting;
  PeerSeats seats;
  // By their index; complete before the first of them serves.
  std::vector<H2Worker*> workers;
};

}  // namespace objpool::rpc
