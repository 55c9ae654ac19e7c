#include "server/lease/session_table.h"

#include <algorithm>
#include <utility>

#include "pool/base/check.h"

namespace objpool::lease {

Session& SessionTable::Add(std::unique_ptr<Session> session) {
  Session& added = *sessions_.emplace_back(std::move(session));
  added.place = sessions_.size() - 1;
  by_serial_.emplace(added.serial, &added);
  return added;
}

std::unique_ptr<Session> SessionTable::Remove(Session& session) {
  const std::size_t place = session.place;
  std::unique_ptr<Session> removed = std::exchange(sessions_[place], nullptr);
  std::swap(sessions_[place], sessions_.back());
  sessions_.pop_back();
  if (place < sessions_.size()) sessions_[place]->place = place;
  round_left_ = std::min(round_left_, sessions_.size());
  if (looked_at_ == &session) looked_at_ = nullptr;
  return removed;
}

std::unique_ptr<Session> SessionTable::Take(Session& session) {
  OBJPOOL_CHECK(session.state != State::kLeaving, "who leaves is not taken anywhere");
  StopLingering(session);
  by_serial_.erase(session.serial);
  return Remove(session);
}

Session* SessionTable::Find(uint64_t serial) const {
  const auto at = by_serial_.find(serial);
  return at == by_serial_.end() ? nullptr : at->second;
}

void SessionTable::Linger(Session& session, BootMs now) {
  OBJPOOL_CHECK(session.state == State::kOpen, "it had a stream");
  session.state = State::kLingering;
  // One more, as `now` was rounded down.
  session.linger_until = session.linger_ms == 0 ? now : now + session.linger_ms + 1;
  lingering_.emplace(session.linger_until, &session);
}

void SessionTable::StopLingering(Session& session) {
  if (session.state != State::kLingering) return;
  const auto [first, last] = lingering_.equal_range(session.linger_until);
  lingering_.erase(std::find_if(first, last, [&](auto& each) { return each.second == &session; }));
  session.state = State::kOpen;
}

void SessionTable::Reopen(Session& session) {
  OBJPOOL_CHECK(session.state == State::kLingering, "it had no stream");
  StopLingering(session);
}

Session* SessionTable::LingeredOut(BootMs now) const {
  if (lingering_.empty() || lingering_.begin()->first > now) return nullptr;
  return lingering_.begin()->second;
}

void SessionTable::Leave(Session& session) {
  OBJPOOL_CHECK(session.state != State::kLeaving, "it leaves once");
  StopLingering(session);
  session.state = State::kLeaving;
  by_serial_.erase(session.serial);
  leaving_.push_back(&session);
}

Session* SessionTable::Leaving() const { return leaving_.empty() ? nullptr : leaving_.front(); }

void SessionTable::Drop(Session& session) {
  OBJPOOL_CHECK(&session == Leaving(), "the one that left first goes first");
  leaving_.pop_front();
  (void)Remove(session);
}

Session* SessionTable::ToLookAt(BootMs now) {
  if (round_left_ == 0) {
    if (now < next_round_at_) return nullptr;
    next_round_at_ = now + kLookEveryMs;
    round_left_ = sessions_.size();
    looked_at_ = nullptr;
  }
  for (; round_left_ > 0; --round_left_) {
    Session& session = *sessions_[round_left_ - 1];
    if (session.state != State::kOpen || session.grants.size() == 0) continue;
    if (std::exchange(looked_at_, &session) != &session) session.look_end = session.grants.size();
    session.look_end = std::min(session.look_end, session.grants.size());
    return &session;
  }
  return nullptr;
}

}  // namespace objpool::lease
