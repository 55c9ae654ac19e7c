// RunCtl: objpoolctl from its arguments to its exit code.
#pragma once

#include "client/ctl/console.h"

namespace objpool::client {

// `arguments` are those of main, the program's name first. Reads the environment variable
// OBJPOOL_SERVER. Throws nothing.
[[nodiscard]] Exit RunCtl(int count, const char* const* arguments, Console& console);

}  // namespace objpool::client
