// ConfigErrors, which the server shares with whoever else reads such files (settings/errors.h).
#pragma once

#include "settings/errors.h"

namespace objpool::server {

using settings::ConfigErrors;
using settings::Quoted;

}  // namespace objpool::server
