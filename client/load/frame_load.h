// Load on a gRPC server: some connections, each with a talk.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "client/load/load_loop.h"
#include "client/load/talk.h"

namespace objpool::load {

// Connects so often to "HOST:PORT", and asks for the first time. Null, with `why`, when that cannot
// be.
[[nodiscard]] std::unique_ptr<LoadLoop> StartFrameLoad(const std::string& address,
                                                       uint32_t connections,
                                                       const TalkMaker& make_talk,
                                                       std::string& why);

}  // namespace objpool::load
