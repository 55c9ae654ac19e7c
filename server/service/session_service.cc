#include "server/service/session_service.h"

#include <algorithm>
#include <utility>

#include "server/service/session_stream.h"

namespace objpool::server {
namespace {

// What one turn does at the most, so that calls are not held up for longer than some hundred
// microseconds: grants that go back, grants that are looked at, streams that are worked for, and
// sessions that end.
constexpr std::size_t kGivenBackPerTurn = 512;
constexpr std::size_t kLookedAtPerTurn = 1024;
constexpr std::size_t kRunLength = 256;
constexpr int kStreamsPerTurn = 2;
constexpr int kEndedPerTurn = 256;

void Store(std::atomic<uint64_t>& to, uint64_t value) {
  if (to.load(std::memory_order_relaxed) != value) to.store(value, std::memory_order_relaxed);
}

}  // namespace

SessionService::SessionService(PoolSet& pools, LeaseService& leases, uint32_t workers,
                               std::function<void(uint32_t worker)> wake)
    : pools_(pools), leases_(leases), wake_(std::move(wake)), desks_(workers) {}

SessionService::~SessionService() = default;

void SessionService::AddTo(rpc::MethodTable& methods, Gate& gate) {
  gate_ = &gate;
  methods.Add("objpool.v1.LeaseService", "Session",
              GuardedStream({gate, settings::Method::kSession}, [this](rpc::StreamCall& call) {
                return std::make_unique<SessionStream>(*this, call);
              }));
}

ServedSession* SessionService::Begin(SessionStream& stream, uint64_t linger_ms,
                                     std::string holder) {
  const auto fresh = directory_.Begin(stream.worker());
  if (!fresh) return nullptr;
  auto session = std::make_unique<ServedSession>();
  session->token = fresh->token;
  session->serial = fresh->serial;
  session->linger_ms = linger_ms;
  session->holder = std::move(holder);
  session->stream = &stream;
  return static_cast<ServedSession*>(&desks_[stream.worker()].table.Add(std::move(session)));
}

void SessionService::Resume(SessionStream& stream, const lease::Secret& token) {
  const auto place = directory_.Find(token);
  if (!place) {
    stream.Unknown();
    return;
  }
  const uint32_t worker = stream.worker();
  Desk& desk = desks_[worker];
  lease::Session* const here = place->worker == worker ? desk.table.Find(place->serial) : nullptr;
  if (here != nullptr) {
    Join(worker, stream, *static_cast<ServedSession*>(here));
    return;
  }
  // It is elsewhere, or on its way to here, which is then in the inbox before this mail.
  stream.number = ++desk.last_stream;
  desk.coming.emplace(stream.number, &stream);
  Post(place->worker, {.token = token,
                       .stream = stream.number,
                       .worker = worker,
                       .wanted = true,
                       .session = nullptr});
}

void SessionService::Lose(ServedSession& session, lease::BootMs now, bool linger) {
  Desk& desk = desks_[session.stream->worker()];
  session.stream = nullptr;
  if (linger) desk.table.Linger(session, now);
}

void SessionService::End(uint32_t worker, ServedSession& session) {
  session.stream = nullptr;
  directory_.End(session.token);
  desks_[worker].table.Leave(session);
}

void SessionService::MakeBusy(SessionStream& stream) {
  if (!std::exchange(stream.busy, true)) desks_[stream.worker()].busy.push_back(&stream);
}

void SessionService::Cork(SessionStream& stream) {
  if (std::exchange(stream.cork, SessionStream::Corked::kFresh) != SessionStream::Corked::kOut)
    return;
  desks_[stream.worker()].corked.push_back(&stream);
}

// As a turn takes up one event, there are two of them at the most.
void SessionService::Uncork(Desk& desk) {
  std::erase_if(desk.corked, [](SessionStream* stream) {
    const bool fresh = stream->cork == SessionStream::Corked::kFresh;
    stream->cork = fresh ? SessionStream::Corked::kIn : SessionStream::Corked::kOut;
    if (!fresh) stream->Flush();
    return !fresh;
  });
}

void SessionService::AwaitDisk(SessionStream& stream) {
  if (!std::exchange(stream.awaits_disk, true)) {
    desks_[stream.worker()].awaits_disk.push_back(&stream);
  }
}

void SessionService::FlushStored(Desk& desk) {
  // Those that still wait come back, behind the others.
  for (std::size_t left = desk.awaits_disk.size(); left > 0 && !desk.awaits_disk.empty(); --left) {
    SessionStream& stream = *desk.awaits_disk.front();
    desk.awaits_disk.erase(desk.awaits_disk.begin());
    stream.awaits_disk = false;
    stream.Flush();
  }
}

void SessionService::Forget(SessionStream& stream) {
  Desk& desk = desks_[stream.worker()];
  if (std::exchange(stream.awaits_disk, false)) std::erase(desk.awaits_disk, &stream);
  if (std::exchange(stream.busy, false)) std::erase(desk.busy, &stream);
  if (std::exchange(stream.cork, SessionStream::Corked::kOut) != SessionStream::Corked::kOut)
    std::erase(desk.corked, &stream);
  if (stream.number != 0) desk.coming.erase(stream.number);
}

void SessionService::Post(uint32_t worker, Mail mail) {
  Desk& desk = desks_[worker];
  {
    const std::scoped_lock lock(desk.lock);
    desk.inbox.push_back(std::move(mail));
    desk.has_mail.store(true, std::memory_order_release);
  }
  wake_(worker);
}

void SessionService::Deliver(uint32_t worker, lease::BootMs now) {
  Desk& desk = desks_[worker];
  if (!desk.has_mail.load(std::memory_order_acquire)) return;
  std::vector<Mail> mails;
  {
    const std::scoped_lock lock(desk.lock);
    mails.swap(desk.inbox);
    desk.has_mail.store(false, std::memory_order_relaxed);
  }
  for (Mail& mail : mails) {
    if (mail.wanted) {
      HandOver(worker, std::move(mail));
    } else {
      Arrive(worker, std::move(mail), now);
    }
  }
}

// Somebody wants the session for a stream of his.
void SessionService::HandOver(uint32_t worker, Mail mail) {
  Desk& desk = desks_[worker];
  const uint32_t to = mail.worker;
  const auto place = directory_.Find(mail.token);
  if (place && place->worker != worker) {  // it has gone on
    Post(place->worker, std::move(mail));
    return;
  }
  mail.wanted = false;
  lease::Session* const found = place ? desk.table.Find(place->serial) : nullptr;
  if (found == nullptr) {
    Post(to, std::move(mail));
    return;
  }
  auto& session = *static_cast<ServedSession*>(found);
  if (to == worker) {
    if (SessionStream* const stream = TakeComing(desk, mail.stream)) Join(worker, *stream, session);
    return;
  }
  if (session.stream != nullptr) std::exchange(session.stream, nullptr)->TakenOver();
  const lease::Secret token = mail.token;
  mail.session.reset(static_cast<ServedSession*>(desk.table.Take(session).release()));
  // First the session, then the news of it: whoever sends there for it comes behind it.
  Post(to, std::move(mail));
  directory_.Move(token, to);
}

void SessionService::Arrive(uint32_t worker, Mail mail, lease::BootMs now) {
  Desk& desk = desks_[worker];
  SessionStream* const stream = TakeComing(desk, mail.stream);
  if (mail.session == nullptr) {
    if (stream != nullptr) stream->Unknown();
    return;
  }
  auto& session = static_cast<ServedSession&>(desk.table.Add(std::move(mail.session)));
  desk.table.Linger(session, now);
  if (stream != nullptr) Join(worker, *stream, session);
}

SessionStream* SessionService::TakeComing(Desk& desk, uint64_t number) {
  const auto at = desk.coming.find(number);
  if (at == desk.coming.end()) return nullptr;
  SessionStream* const stream = at->second;
  stream->number = 0;
  desk.coming.erase(at);
  return stream;
}

void SessionService::Join(uint32_t worker, SessionStream& stream, ServedSession& session) {
  Desk& desk = desks_[worker];
  if (session.stream != nullptr) {
    std::exchange(session.stream, nullptr)->TakenOver();
  } else {
    desk.table.Reopen(session);
  }
  session.stream = &stream;
  desk.resumed.Add();
  stream.Joined(session);
}

bool SessionService::Turn(uint32_t worker, lease::BootMs now) {
  Desk& desk = desks_[worker];
  uint64_t ticket = 0;  // of what is given back, which nobody waits for
  const SessionStep step{pools_, directory_, leases_.disk(), ticket, worker, now};
  Deliver(worker, now);
  EndLapsed(worker, now);
  const bool to_return = GiveBack(desk, step);
  const bool to_serve = Work(desk, now);
  const bool to_look_at = LookAround(desk, step);
  Uncork(desk);
  FlushStored(desk);
  Store(desk.open, desk.table.open());
  Store(desk.lingering, desk.table.lingering());
  return to_return || to_serve || to_look_at || !desk.corked.empty() ||
         desk.table.LingeredOut(now) != nullptr;
}

void SessionService::EndLapsed(uint32_t worker, lease::BootMs now) {
  Desk& desk = desks_[worker];
  for (int i = 0; i < kEndedPerTurn; ++i) {
    lease::Session* const session = desk.table.LingeredOut(now);
    if (session == nullptr) return;
    desk.lapsed.Add();
    End(worker, *static_cast<ServedSession*>(session));
  }
}

bool SessionService::GiveBack(Desk& desk, const SessionStep& step) {
  std::size_t left = kGivenBackPerTurn;
  while (lease::Session* const session = desk.table.Leaving()) {
    if (left == 0) return true;
    const std::size_t before = session->grants.size();
    if (before == 0) {
      desk.table.Drop(*session);
      --left;
      continue;
    }
    std::size_t end = before;
    desk.given_back.Add(ReturnRun(step, session->grants, end, std::min(left, kRunLength),
                                  lease::Disposition::kAbandoned));
    left -= before - session->grants.size();
  }
  return false;
}

bool SessionService::Work(Desk& desk, lease::BootMs now) {
  for (int i = 0; i < kStreamsPerTurn && !desk.busy.empty(); ++i) {
    SessionStream& stream = *desk.busy.front();
    desk.busy.pop_front();
    stream.busy = false;
    stream.Work(now);
    stream.Flush();
  }
  return !desk.busy.empty();
}

bool SessionService::LookAround(Desk& desk, const SessionStep& step) {
  std::size_t left = kLookedAtPerTurn;
  while (lease::Session* const session = desk.table.ToLookAt(step.now)) {
    if (left == 0) return true;
    SessionStream* const stream = static_cast<ServedSession*>(session)->stream;
    if (stream == nullptr || !stream->TakesNotices()) {
      desk.table.Looked();
      --left;
      continue;
    }
    const std::size_t before = session->look_end;
    LookAtRun(step, session->grants, session->look_end, std::min(left, kRunLength),
              [stream](const GrantNews& news) { stream->Notice(news); });
    left -= before - session->look_end;
    if (session->look_end != 0) continue;
    desk.table.Looked();
    stream->Flush();
  }
  return false;
}

SessionService::Totals SessionService::Look() const {
  Totals totals;
  for (const Desk& desk : desks_) {
    totals.open += desk.open.load(std::memory_order_relaxed);
    totals.lingering += desk.lingering.load(std::memory_order_relaxed);
    totals.resumed += desk.resumed.value();
    totals.lapsed += desk.lapsed.value();
    totals.given_back += desk.given_back.value();
  }
  totals.grants = directory_.grants();
  return totals;
}

}  // namespace objpool::server
