// Notes how many handles of a pool are free, for its low watermark.
#pragma once

#include "server/lease/lease_pool.h"
#include "server/service/named_pool.h"

namespace objpool::server {

// What is being leased or returned meanwhile may count as free or not. Any thread; `now` is by the
// lease clock.
void NoteFree(NamedPool& pool, lease::BootMs now);

}  // namespace objpool::server
