// The documented reader of a state_dir: objpoold --dump_state and --verify_state.
//
// The text has lines that begin with '#', for people, and one line for each handle that was ever
// leased or moved, of fields with tabs between them: POOL, HANDLE, VALUE, FENCE, STATE,
// REMAINING_MS, ENDED_AGO_MS, HOLDER; "-" where there is none. As JSON each line is an object,
// whose `kind` is state_dir, clock, pool, grant, records or result. It shows no secret, and there
// are no keys on file.
#pragma once

#include <iosfwd>
#include <string>

#include "server/config/flags.h"

namespace objpool::server {

// Exit codes.
inline constexpr int kStateSound = 0;
inline constexpr int kStateDamaged = 1;  // a header, a record or the clock; all of it is named
inline constexpr int kStateUnreadable = 2;

// Writes what the folder holds, with Verify only what is wrong in it and sums, and returns how to
// exit.
[[nodiscard]] int RunStateCommand(const StateCommand& command, std::ostream& out,
                                  std::ostream& err);

}  // namespace objpool::server
