#include "server/lease/session_directory.h"

#include <cstring>

namespace objpool::lease {

uint64_t SessionDirectory::HashOf(const Secret& token) const {
  uint64_t low = 0;
  uint64_t high = 0;
  static_assert(sizeof(low) + sizeof(high) == sizeof(Secret));
  std::memcpy(&low, token.data(), sizeof(low));
  std::memcpy(&high, token.data() + sizeof(low), sizeof(high));
  return MakeKey(secret_, 0, low, high);
}

std::optional<SessionDirectory::Fresh> SessionDirectory::Begin(uint32_t worker) {
  const std::scoped_lock lock(lock_);
  if (entries_.size() >= kMax) return std::nullopt;
  for (;;) {  // once, but for a chance of one in 2^50
    const Secret token = RandomSecret();
    const Place place = {last_serial_ + 1, worker};
    if (!entries_.emplace(HashOf(token), Entry{token, place}).second) continue;
    return Fresh{token, ++last_serial_};
  }
}

std::optional<SessionDirectory::Place> SessionDirectory::Find(const Secret& token) const {
  const std::scoped_lock lock(lock_);
  const auto at = entries_.find(HashOf(token));
  if (at == entries_.end() || !SameSecret(at->second.token, token)) return std::nullopt;
  return at->second.place;
}

void SessionDirectory::Move(const Secret& token, uint32_t worker) {
  const std::scoped_lock lock(lock_);
  const auto at = entries_.find(HashOf(token));
  // It may have ended there already.
  if (at != entries_.end()) at->second.place.worker = worker;
}

void SessionDirectory::End(const Secret& token) {
  const std::scoped_lock lock(lock_);
  entries_.erase(HashOf(token));
}

}  // namespace objpool::lease
