// World: sessions whose clients die, and what becomes of what they hold (promise 8); as
// server/service does it, with the tables of server/lease.
#include <algorithm>

#include "tests/sim/world.h"

namespace objpool::sim {

using lease::Disposition;
using lease::Session;

namespace {

// Grants that go back in one call.
constexpr std::size_t kMostOfRun = 6;

}  // namespace

// The worker's session has what was leased; where there is none with a stream, one begins.
void World::AddToSession(Operation& op) {
  lease::SessionTable& table = server_->sessions[op.worker];
  auto known = std::ranges::find_if(sessions_, [&](const auto& each) {
    return each.second.worker == op.worker && each.second.open;
  });
  if (known == sessions_.end()) {
    auto session = std::make_unique<Session>();
    session->serial = next_session_++;
    session->linger_ms = op.linger_ms;
    known = sessions_.emplace(session->serial, SessionModel{}).first;
    known->second.worker = op.worker;
    known->second.linger_ms = op.linger_ms;
    table.Add(std::move(session));
  }
  Session* const session = table.Find(known->first);
  if (session == nullptr) return checker_.Fail("a session with a stream is not there");
  for (const lease::GrantRef& ref : op.out) {
    session->grants.Add(pools_[op.pool].name, ref, op.ttl_ms, op.now + op.ttl_ms + 1, op.now);
    known->second.grants.push_back({op.pool, ref});
  }
}

// Its client dies, or one that had lost its connection comes back in time.
void World::LoseStream(const Operation& op) {
  lease::SessionTable& table = server_->sessions[op.worker];
  for (auto& [serial, model] : sessions_) {
    if (model.worker != op.worker || model.leaving) continue;
    Session* const session = table.Find(serial);
    if (session == nullptr) return checker_.Fail("a session that has not ended is not there");
    if (model.open) {
      model.lost_us = op.began_us;
      model.lost_at = op.now;
      moments_.push_back(op.now + model.linger_ms + 1);
      table.Linger(*session, op.now);
    } else if (std::ranges::none_of(sessions_, [&](const auto& each) {
                 return each.second.worker == op.worker && each.second.open;
               })) {
      table.Reopen(*session);
    } else {
      continue;
    }
    model.open = !model.open;
    return;
  }
}

// Those that have lingered out leave, and no others.
void World::CheckEnds(uint32_t worker, const Operation& op) {
  lease::SessionTable& table = server_->sessions[worker];
  while (Session* const session = table.LingeredOut(op.now)) {
    SessionModel& model = sessions_.at(session->serial);
    if (model.open || op.began_us < model.lost_us + (model.linger_ms * 1000)) {
      checker_.Fail("a session ends before its time is over");
    }
    model.leaving = true;
    table.Leave(*session);
  }
  for (const auto& [serial, model] : sessions_) {
    if (model.worker != worker || model.open || model.leaving) continue;
    if (op.now > model.lost_at + model.linger_ms) {
      checker_.Fail("session " + std::to_string(serial) + " goes on after its time");
    }
  }
}

// Becomes a Return of some of what the next one held that has ended.
void World::EndSession(Operation& op) {
  CheckEnds(op.worker, op);
  Session* const session = server_->sessions[op.worker].Leaving();
  if (session == nullptr || checker_.failed()) return;
  const std::size_t end = session->grants.size();  // one at least: it began with a lease
  op.of_session = session->serial;
  op.kind = Kind::kReturn;
  const std::string& name = session->grants.PoolOf(session->grants.at(end - 1));
  op.pool =
      static_cast<uint32_t>(std::ranges::find(pools_, name, &PoolOptions::name) - pools_.begin());
  op.refs.clear();
  op.dispositions.clear();
  for (std::size_t at = session->grants.FirstOfRun(end, kMostOfRun); at < end; ++at) {
    op.refs.push_back(session->grants.at(at).ref);
    op.dispositions.push_back(Disposition::kAbandoned);
  }
}

// Forgets what went back. When all has, nothing that the session had may go on.
void World::SessionReturned(const Operation& op) {
  lease::SessionTable& table = server_->sessions[op.worker];
  Session* const session = table.Leaving();
  if (session == nullptr || session->serial != op.of_session) {
    return checker_.Fail("a session that leaves is not there");
  }
  for (std::size_t i = 0; i < op.refs.size(); ++i) {
    session->grants.RemoveAt(session->grants.size() - 1);
  }
  if (session->grants.size() != 0) return;
  const Fibers::Quiet quiet(fibers_);
  for (const Grant& grant : sessions_.at(op.of_session).grants) {
    const auto seen = leases(grant.pool).See(static_cast<Handle>(grant.ref.handle));
    if (seen.leased && seen.fence == grant.ref.fence) {
      checker_.Fail("a grant of a session that has ended goes on: handle " +
                    std::to_string(grant.ref.handle) + " of " + pools_[grant.pool].name);
    }
  }
  ++counts_.sessions;
  sessions_.erase(op.of_session);
  table.Drop(*session);
}

}  // namespace objpool::sim
