// Lockstep: a client and the thread of libmicrohttpd, one step of each after the other. The thread
// waits for events; here it is let go when the client has done something, until nothing more is
// left for it to do. So an input goes the same way each time, and nobody waits for a clock.
#pragma once

namespace objpool::fuzz {

// Lets the thread see what the client has done, and returns when it has nothing more to do.
void LetServerGo();

}  // namespace objpool::fuzz
