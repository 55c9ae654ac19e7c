// A LeaseRequest, read and checked.
#pragma once

#include <string>

#include "objpool/v1/lease_service.pb.h"
#include "server/service/errors.h"
#include "server/service/lease_waiting.h"
#include "server/service/plain_wire.h"

namespace objpool::server {

// Fills in what is wished for but for the holder, which only those who wait keep, and the request.
// What is wrong with it adds to `bad`.
void ReadLease(const v1::LeaseRequest& request, LeaseWaiting::Wish& wish, Violations& bad);

// The same of a plain one.
void ReadPlain(const PlainLease& request, LeaseWaiting::Wish& wish, Violations& bad);

// What makes two requests the same, but for their id: all that the grants depend on.
[[nodiscard]] std::string ContentOf(const LeaseWaiting::Wish& wish, const std::string& holder);

}  // namespace objpool::server
