#include "server/rpc/h2_worker.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include "pool/affinity.h"
#include "server/rpc/h2_call.h"
#include "server/rpc/h2_connection.h"
#include "server/rpc/h2_goaway.h"
#include "server/rpc/h2_limits.h"
#include "server/rpc/turns.h"

namespace objpool::rpc {
namespace {

// While there is no descriptor for those who come: how often it is looked for one.
constexpr int kStarvedMs = 5;
constexpr BootNs kStarvedNs = kStarvedMs * h2_limits::kMs;
// Connections taken in one turn, so that those there are do not wait for a crowd at the door.
constexpr int kAcceptsPerTurn = 16;
// Connections that wait for their worker.
constexpr std::size_t kMaxGiven = 256;
// Calls that are kept for later ones.
constexpr std::size_t kMaxFreeCalls = 1024;

// What an event belongs to: the address of a connection; or this, and a socket of the listener.
constexpr uint64_t kListenerEvent = 1ULL << 63;

std::size_t PartOf(std::size_t most, const EngineOptions& options) {
  return std::max(h2_limits::kLeastOfWorker, most / options.worker_cpus.size());
}

}  // namespace

H2Worker::H2Worker(uint32_t index, const EngineOptions& options, const MethodTable& methods,
                   const WorkerHooks& hooks, Shared& shared)
    : index_(index),
      options_(options),
      methods_(methods),
      hooks_(hooks),
      shared_(shared),
      request_timeout_ns_(
          static_cast<BootNs>(std::chrono::nanoseconds(options.request_timeout).count())),
      max_unread_(PartOf(h2_limits::kMaxUnread, options)),
      max_unsent_(PartOf(h2_limits::kMaxUnsent, options)),
      stats_(methods.methods().size()),
      events_(options.busy_poll),
      input_(std::make_unique_for_overwrite<uint8_t[]>(h2_limits::kReadBytes)),
      random_(static_cast<uint32_t>(BootNow()) + index),
      tls_door_(options.tls) {
  shared_.workers.push_back(this);
}

H2Worker::~H2Worker() {
  for (const int fd : given_) close(fd);
}

std::string H2Worker::EngineVersion() { return nghttp2_version(0)->version_str; }

bool H2Worker::Open(std::string& why) {
  if (!events_.Open()) {
    why = "cannot start worker " + std::to_string(index_) + ": " +
          std::system_category().message(errno);
    return false;
  }
  return true;
}

bool H2Worker::Prepare(std::string& why) {
  if (!Open(why)) return false;
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error& error) {
    why = "cannot start worker " + std::to_string(index_) + ": " + error.what();
    return false;
  }
  prepared_.wait();
  why = start_error_;
  return start_error_.empty();
}

bool H2Worker::Listen(uint16_t& port, UnixSocketFile* file, std::string& why) {
  if (!options_.host.empty()) {
    port = listener_.Listen(options_.host, port, why);
    if (port == 0) return false;
    // When all listen.
    const bool last = index_ + 1 == options_.worker_cpus.size();
    if (last && options_.steer_by_cpu && !listener_.SteerByCpu(options_.worker_cpus, why)) {
      return false;
    }
  }
  return file == nullptr || listener_.ListenUnix(*file, why);
}

void H2Worker::Serve() {
  go_.store(1, std::memory_order_release);
  go_.notify_one();
}

void H2Worker::BeginStop() {
  stopping_.store(true, std::memory_order_relaxed);
  Wake();
}

void H2Worker::Stop(std::chrono::system_clock::time_point deadline) {
  if (!thread_.joinable()) return;
  const auto at = std::chrono::nanoseconds(deadline.time_since_epoch()).count();
  stop_at_.store(at, std::memory_order_relaxed);
  stopping_.store(true, std::memory_order_relaxed);
  if (go_.load(std::memory_order_relaxed) == 0) {
    go_.store(-1, std::memory_order_release);
    go_.notify_one();
  }
  Wake();
  thread_.join();
}

void H2Worker::Run() {
  pthread_setname_np(pthread_self(), ("worker-" + std::to_string(index_)).c_str());
  if (const auto cpu = options_.worker_cpus[index_]) {
    stats_.pinned.store(PinThisThread(*cpu, pin_error_), std::memory_order_relaxed);
  }
  if (!hooks_.on_start(index_, start_error_) && start_error_.empty()) {
    start_error_ = "worker " + std::to_string(index_) + " could not start";
  }
  prepared_.count_down();
  go_.wait(0, std::memory_order_acquire);
  if (go_.load(std::memory_order_acquire) != 1) return;
  ended_at_ = BootNow();
  events_.SetTick(ended_at_ + kTickNs);
  while (Turn()) {
  }
}

void H2Worker::WatchListener(bool watched) {
  bool done = true;
  for (const int socket : listener_.sockets()) {
    if (watched) {
      const epoll_data_t tag{.u64 = kListenerEvent | static_cast<uint64_t>(socket)};
      done = (events_.Add(socket, tag) || errno == EEXIST) && done;
    } else {
      events_.Remove(socket);
    }
  }
  // Where there is no memory to watch all of them, it is tried again likewise.
  deaf_ = !watched || !done;
  listen_at_ = now_ + kStarvedNs;
}

bool H2Worker::Turn() {
  WaitForEvents(hurry_turn_ || again_);
  if (worked_ns_ >= kPauseAfterNs && events_.events().empty()) {
    worked_ns_ = 0;
    std::this_thread::sleep_for(kPause);
    ended_at_ = BootNow();
    return true;
  }
  LookAtClock();
  const BootNs began = now_;
  stats_.turns.Add();
  stats_.turned_at.store(now_, std::memory_order_relaxed);
  again_ = false;
  HandleEvents();
  if (answered_) FlushDirty();
  if (tls_door_.ready()) StartHandshakes();
  if (deaf_ && !leaving_ && now_ >= listen_at_) WatchListener(true);
  if (now_ >= events_.tick()) Tick();
  hurry_turn_ = hooks_.on_turn(index_, now_);
  EndTurn();
  if (stopping() && Leave()) return false;
  ended_at_ = BootNow();
  if (std::exchange(served_, false)) events_.NoteServed(ended_at_);
  const BootNs busy_ns = ended_at_ - began;
  worked_ns_ = hurry_turn_ ? worked_ns_ + busy_ns : 0;
  stats_.busy_ns.Add(busy_ns);
  return true;
}

// Until the next tick at the latest.
void H2Worker::WaitForEvents(bool at_once) {
  events_.Wait(at_once ? 0 : deaf_ ? kStarvedMs : -1, ended_at_);
}

// Who comes is taken last, so that the descriptors of those who went are there for him.
void H2Worker::HandleEvents() {
  for (const epoll_event& event : events_.events()) {
    if (event.data.u64 == EventSet::kWake) {
      events_.ClearWake();
      TakeGiven();
    } else if (event.data.u64 != EventSet::kTick && (event.data.u64 & kListenerEvent) == 0) {
      static_cast<H2Connection*>(event.data.ptr)->OnEvents(event.events);
    }
  }
  for (const epoll_event& event : events_.events()) {
    const uint64_t what = event.data.u64;
    if ((what & kListenerEvent) == 0 || deaf_) continue;
    TakeConnections(static_cast<int>(what & ~kListenerEvent));
  }
}

void H2Worker::TakeConnections(int socket) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    const int fd = listener_.Accept(socket, shared_.accepting);
    if (fd == H2Listener::kRefused) stats_.connections.Note(Cut::kStarved);
    if (fd == H2Listener::kStarved) WatchListener(false);
    if (fd < 0) return;
    if (listener_.IsUnix(socket)) {
      // In turn: the kernel does not deal them out.
      H2Worker& taker = *shared_.workers[dealt_++ % shared_.workers.size()];
      if (!taker.Give(fd)) Refuse(fd, Cut::kCrowded);
    } else {
      Take(fd, tls_door_.encrypts());
    }
  }
}

bool H2Worker::Give(int fd) {
  {
    const std::scoped_lock lock(given_lock_);
    if (given_.size() >= kMaxGiven) return false;
    given_.push_back(fd);
  }
  Wake();
  return true;
}

void H2Worker::TakeGiven() {
  std::vector<int> given;
  {
    const std::scoped_lock lock(given_lock_);
    given.swap(given_);
  }
  for (const int fd : given) leaving_ ? (void)close(fd) : Take(fd, false);
}

void H2Worker::Take(int fd, bool encrypted) {
  stats_.connections.accepted.Add();
  if (connections_.size() >= h2_limits::kMaxConnections) return Refuse(fd, Cut::kCrowded);
  std::string peer = PeerOf(fd);
  std::optional<PeerSeats::Seat> seat = shared_.seats.Take(peer);
  if (!seat) return Refuse(fd, Cut::kCrowdedPeer);
  auto connection =
      std::make_unique<H2Connection>(*this, fd, std::move(peer), *std::move(seat), encrypted);
  if (!events_.Add(fd, {.ptr = connection.get()}) || !connection->Begin()) return;
  connection->set_place(connections_.size());
  connections_.push_back(std::move(connection));
}

void H2Worker::Refuse(int fd, Cut why) {
  stats_.connections.Note(why);
  // Before a handshake there is no way to say it.
  tls_door_.encrypts() ? (void)close(fd)
                       : RefuseConnection(fd, kCutTexts[static_cast<std::size_t>(why)]);
}

// Give or take a tenth, so that those who came together do not come again together.
BootNs H2Worker::AgeLimit() {
  const auto age = std::chrono::nanoseconds(options_.max_connection_age);
  if (age.count() == 0) return std::numeric_limits<BootNs>::max();
  std::uniform_real_distribution<double> about(0.9, 1.1);
  return now_ + static_cast<BootNs>(static_cast<double>(age.count()) * about(random_));
}

void H2Worker::Watch(H2Connection& connection, int fd, uint32_t events) {
  events_.Change(fd, {.ptr = &connection}, events);
}

void H2Worker::Tick() {
  stats_.poll_delay.Observe(now_ - events_.tick());
  events_.SetTick(now_ + kTickNs);
  // By index, and backwards: what is looked at may end, and others with it.
  for (std::size_t i = calls_.size(); i > 0; --i) {
    if (i <= calls_.size()) calls_[i - 1]->OnTick(now_, stopping());
  }
  for (const auto& connection : connections_) connection->OnTick(now_);
}

void H2Worker::FlushDirty() {
  answered_ = false;
  flushing_.swap(dirty_);
  served_ = served_ || !flushing_.empty();
  for (H2Connection* const connection : flushing_) connection->Flush();
  flushing_.clear();
}

void H2Worker::EndTurn() {
  FlushDirty();
  telling_.swap(drained_);
  for (H2Call* const call : telling_) call->OnDrained();
  again_ = !telling_.empty() || !dirty_.empty() || tls_door_.ready();
  telling_.clear();
  for (std::size_t i = over_.size(); i > 0; --i) {
    H2Connection* const gone = over_[i - 1];
    if (!gone->over()) continue;  // it is in dirty_ for the last time
    over_[i - 1] = over_.back();
    over_.pop_back();
    const std::size_t place = gone->place();
    connections_[place].swap(connections_.back());
    connections_[place]->set_place(place);
    connections_.pop_back();
  }
  // Not earlier, because drained_ may speak of any of them.
  if (free_calls_.size() > kMaxFreeCalls) free_calls_.resize(kMaxFreeCalls);
  stats_.calls_under_way.store(calls_.size(), std::memory_order_relaxed);
  stats_.connections.open.store(connections_.size(), std::memory_order_relaxed);
  stats_.connections.unread_bytes.store(unread_, std::memory_order_relaxed);
  stats_.connections.unsent_bytes.store(unsent_, std::memory_order_relaxed);
}

H2Call* H2Worker::NewCall(H2Connection& connection, int32_t stream) {
  if (calls_.size() >= h2_limits::kMaxCalls && connection.calls() >= h2_limits::kShareOfCalls) {
    return nullptr;
  }
  if (free_calls_.empty()) free_calls_.push_back(std::make_unique<H2Call>(*this));
  calls_.push_back(std::move(free_calls_.back()));
  free_calls_.pop_back();
  H2Call& call = *calls_.back();
  call.set_place(calls_.size() - 1);
  call.Reset(connection, stream);
  return &call;
}

void H2Worker::Recycle(H2Call& call) {
  const std::size_t place = call.place();
  calls_[place].swap(calls_.back());
  calls_[place]->set_place(place);
  free_calls_.push_back(std::move(calls_.back()));
  calls_.pop_back();
}

bool H2Worker::StreamBegan(const H2Connection& connection) {
  if (streams_ >= h2_limits::kMaxStreamCalls && connection.calls() > h2_limits::kShareOfCalls) {
    return false;
  }
  ++streams_;
  return true;
}

// New connections are refused by now. Calls may go on until Stop's deadline; clients that have none
// have a moment to leave by themselves.
bool H2Worker::Leave() {
  if (!std::exchange(leaving_, true)) {
    listener_.Close();
    for (const auto& connection : connections_) connection->Drain();
    EndTurn();
  }
  const int64_t stop_at = stop_at_.load(std::memory_order_relaxed);
  if (stop_at == 0) return false;
  if (!calls_.empty() || quiet_since_ == 0) quiet_since_ = now_;
  const auto now = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch());
  if (hurry_.load(std::memory_order_relaxed) || now.count() >= stop_at ||
      now_ - quiet_since_ > h2_limits::kQuietNs) {
    for (const auto& connection : connections_) connection->GoAway(NGHTTP2_NO_ERROR, "");
    EndTurn();
  }
  return calls_.empty() && connections_.empty();
}

}  // namespace objpool::rpc
