// Threads that begin when a test says so: most inputs need none, and to start and end one costs
// more than the input. A thread that never began is joined at once. And who waits on a condition
// for a while waits for a moment only.
#pragma once

namespace objpool::fuzz {

// Those that are started from now on wait; libFuzzer has one of its own before.
void HoldThreads();
// Those that wait begin.
void BeginThreads();

}  // namespace objpool::fuzz
