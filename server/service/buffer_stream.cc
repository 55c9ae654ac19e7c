#include "server/service/buffer_stream.h"

#include "server/service/fields.h"
#include "server/service/typed_handler.h"

namespace objpool::server {

using google::rpc::Status;

BufferStream::BufferStream(PoolSet& pools, BufferDesk& desk, const Door& door,
                           rpc::StreamCall& call)
    : pools_(pools),
      desk_(desk),
      door_(door),
      call_(call),
      peer_(call.peer()),
      progress_at_(call.now()) {
  ++desk_.streams;
}

BufferStream::~BufferStream() { --desk_.streams; }

bool BufferStream::Enter(std::string_view pool) {
  CallInfo info{.worker = call_.worker(), .now = {}, .peer = peer_};
  const auto refusal = door_.gate.Enter(info, {.method = door_.method, .pool = pool});
  if (refusal) Fail(*refusal);
  return !refusal;
}

bool BufferStream::Open(const std::string& pool, const v1::GrantRef* grant) {
  if (!Enter(pool)) return false;
  if (desk_.streams > kMaxStreams) {
    Fail(TooManyStreams(kMaxStreams));
    return false;
  }
  Status error;
  NamedPool* const found = FindPool(pools_, "pool", pool, error);
  if (found == nullptr) {
    Fail(error);
    return false;
  }
  if (found->memory == nullptr) {
    Fail(NotABufferPool(found->spec.name));
    return false;
  }
  if (grant == nullptr) {
    Violations bad;
    bad.Add("grant", "is required");
    Fail(bad.ToError());
    return false;
  }
  name_ = found->spec.name;
  pool_ = found;
  grant_ = {grant->handle(), grant->fence(), grant->key()};
  return true;
}

bool BufferStream::GrantRuns() {
  pool_ = pools_.Find(name_);
  if (pool_ == nullptr) {
    Fail(PoolUnknown(name_));
    return false;
  }
  const lease::BootMs now = pools_.clock().At(call_.now());
  const lease::Verdict verdict = pool_->leases->Check(grant_, now);
  if (verdict.outcome == lease::Outcome::kOk) return true;
  Fail(FromVerdict(verdict, {.pool = pool_->spec.name,
                             .field = "grant.handle",
                             .handle = grant_.handle,
                             .capacity = pool_->capacity(),
                             .now = now}));
  return false;
}

void BufferStream::OnTick() {
  if (finished_ || (opened() && (!Enter(name_) || !GrantRuns()))) return;
  const rpc::BootNs idle = call_.now() - progress_at_;
  if (stopping_ && idle >= kIdleAtStopNs) {
    Fail(ShuttingDown());
  } else if (idle >= kIdleNs) {
    Fail(StreamIdle(kIdleNs / 1'000'000'000));
  }
}

void BufferStream::Finish(const rpc::Status& status) {
  finished_ = true;
  call_.Finish(status);
}

std::byte* BufferStream::at(uint64_t offset) const {
  return pool_->memory->at(static_cast<uint32_t>(grant_.handle)) + offset;
}

}  // namespace objpool::server
