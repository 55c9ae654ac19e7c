// ConfigErrors, which whoever reads such files shares (proto/settings/errors.h).
#pragma once

#include "proto/settings/errors.h"

namespace objpool::server {

using settings::ConfigErrors;
using settings::Quoted;

}  // namespace objpool::server
