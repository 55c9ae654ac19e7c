#include "server/service/buffer_scrub.h"

#include <algorithm>

namespace objpool::server {

bool BufferScrub::IsDone(const lease::LeasePool& leases, SlotId worker, Handle handle) {
  Desk& desk = desks_[worker];
  const uint64_t fence = leases.See(handle).fence;
  if (desk.handle != handle || desk.fence != fence) {
    // Another one comes first, unless it was taken elsewhere: quarantined.
    if (desk.handle != kNoHandle && desk.handle != handle) {
      const lease::HandleView other = leases.See(desk.handle);
      const bool rests = !other.leased && other.place == lease::Place::kResting;
      if (rests && other.fence == desk.fence) return false;
    }
    desk = {.handle = handle, .fence = fence, .done = 0};
  }
  const std::size_t piece = std::min(kPieceBytes, memory_.size_bytes() - desk.done);
  memory_.Scrub(handle, desk.done, piece);
  desk.done += piece;
  if (desk.done < memory_.size_bytes()) return false;
  desk = {};
  return true;
}

}  // namespace objpool::server
