// What a worker and its connections do about TLS.
#include <array>
#include <cstddef>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/rpc/h2_connection.h"
#include "server/rpc/h2_limits.h"
#include "server/rpc/h2_tls_door.h"
#include "server/rpc/h2_worker.h"

namespace objpool::rpc {
namespace {

// What this thread has had of its CPU.
BootNs CpuNs() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<BootNs>(time.tv_sec) * h2_limits::kSecond + static_cast<BootNs>(time.tv_nsec);
}

}  // namespace

static_assert(h2_limits::kTlsReadBytes + TlsSession::kMaxHeldBack <= h2_limits::kReadBytes);

void H2Worker::StartHandshakes() {
  const std::shared_ptr<const TlsPair> pair = tls_door_.keys().Current();
  const BootNs until = CpuNs() + TlsDoor::kTurnNs;
  while (tls_door_.ready() && CpuNs() < until) tls_door_.Enter().StartTls(*pair);
}

void H2Connection::StartTls(const TlsPair& pair) {
  at_door_ = AtDoor::kInside;
  hello_at_ = owner_.now();
  ByteBuffer& answer = owner_.tls_door().output();
  tls_->Start(pair, answer);
  SendAll(answer);
  (void)AfterTls(TlsSession::State::kWaiting);
}

std::size_t H2Connection::OpenWire(std::size_t count) {
  TlsDoor& door = owner_.tls_door();
  const auto before = tls_->state();
  const std::string_view wire(reinterpret_cast<const char*>(door.input()), count);
  const std::size_t got = tls_->Receive(wire, owner_.input(), h2_limits::kReadBytes, door.output());
  SendAll(door.output());
  if (!AfterTls(before)) return 0;
  if (got == 0 && tls_->state() == TlsSession::State::kEnded) Close();
  return got;
}

bool H2Connection::AfterTls(TlsSession::State before) {
  using State = TlsSession::State;
  if (closed()) return false;
  const State state = tls_->state();
  if (state == State::kFailed && before <= State::kHandshake) {
    owner_.stats().tls.Note(tls_->failure());
    Close();
    return false;
  }
  if (state == State::kFailed) {
    CutOff(Cut::kProtocol, NGHTTP2_PROTOCOL_ERROR);
    return false;
  }
  if (state == State::kWaiting && at_door_ == AtDoor::kAway) {
    at_door_ = AtDoor::kWaiting;
    owner_.tls_door().Wait(*this);
  }
  if (state >= State::kOpen && before <= State::kHandshake && !OnTlsOpen()) return false;
  for (std::size_t vain = tls_->TakeVain(); vain > 0; --vain) {
    if (Spend(FloodKind::kSettings)) continue;
    CutOff(Cut::kFlood, NGHTTP2_ENHANCE_YOUR_CALM);
    return false;
  }
  return true;
}

bool H2Connection::OnTlsOpen() {
  owner_.stats().tls.handshakes.Add();
  LeaveDoor();
  std::string named = tls_->Peer();
  if (!named.empty()) peer_ = std::move(named);
  if (BeginSession()) return true;
  Close();
  return false;
}

void H2Connection::LeaveDoor() {
  const AtDoor at = std::exchange(at_door_, AtDoor::kAway);
  if (at == AtDoor::kWaiting) owner_.tls_door().Forget(*this);
  if (at == AtDoor::kInside) owner_.tls_door().Leave();
}

void H2Connection::SendAll(ByteBuffer& wire) {
  Send(wire.data(), wire.size());
  wire.Consume(wire.size());
}

void H2Connection::Seal(std::string_view plain) {
  ByteBuffer& wire = owner_.tls_door().output();
  const bool sealed = tls_->Seal(plain, wire);
  SendAll(wire);
  if (!sealed) Close();
}

void H2Connection::SealLast(std::string_view plain) {
  ByteBuffer& wire = owner_.tls_door().output();
  if (tls_->Seal(plain, wire)) tls_->SayEnd(wire);
  SendAll(wire);
}

}  // namespace objpool::rpc
