// What those who use a session call. Its threads are in session_stream.cc.
#include "client/session.h"

#include <grpcpp/client_context.h>

#include <algorithm>
#include <future>
#include <utility>

#include "client/batches.h"
#include "client/retry.h"
#include "client/text.h"

namespace objpool::client {
namespace {

constexpr Milliseconds kMinLinger{100};
constexpr Milliseconds kMaxLinger = std::chrono::minutes(5);

// An operation of 1024 refs has 35 KiB.
constexpr std::size_t kMaxOperationBytes = std::size_t{48} * 1024;

// Of what the server would take for no message at all, and end the session: what is wrong.
std::string WhyMalformed(const v1::SessionOperation& operation) {
  if (const std::size_t bytes = operation.ByteSizeLong(); bytes > kMaxOperationBytes) {
    return "an operation has at most " + std::to_string(kMaxOperationBytes) + " bytes, and this " +
           std::to_string(bytes);
  }
  std::vector<std::string_view> texts = {operation.lease().pool(), operation.lease().holder(),
                                         operation.lease().request_id(),
                                         operation.give_back().pool(), operation.renew().pool()};
  for (const v1::AttachItem& item : operation.attach().items()) texts.emplace_back(item.pool());
  for (const v1::SelectorTerm& term : operation.lease().selector()) {
    texts.emplace_back(term.key());
    texts.insert(texts.end(), term.values().begin(), term.values().end());
  }
  const bool all_utf8 = std::ranges::all_of(texts, IsUtf8);
  return all_utf8 ? std::string() : "the names in a request must be UTF-8";
}

// Waits for what `start` starts.
template <typename Answer, typename Start>
Answer Await(Start start) {
  // Shared, because a callback must be one that can be copied.
  const auto promise = std::make_shared<std::promise<Answer>>();
  std::future<Answer> answer = promise->get_future();
  start([promise](const Answer& result) { promise->set_value(result); });
  return answer.get();
}

}  // namespace

Session::Session(const ClientOptions& server, SessionOptions options)
    : server_(server),
      options_([&] {
        options.linger = std::clamp(options.linger, kMinLinger, kMaxLinger);
        return std::move(options);
      }()),
      least_ttl_(options_.linger),
      thread_([this] { Run(); }) {}

std::unique_ptr<Session> Session::Start(const ClientOptions& server, SessionOptions options,
                                        Error& why) {
  std::unique_ptr<Session> session(new Session(server, std::move(options)));
  Lock lock(session->mutex_);
  const bool told = session->wake_.wait_for(
      lock, server.timeout, [&] { return session->over_ || !session->token_.empty(); });
  if (told && !session->over_) return session;
  why = session->why_over_;
  if (!told) {
    why.code = grpc::StatusCode::DEADLINE_EXCEEDED;
    why.origin = Error::Origin::kNoAnswer;
    why.message = "no answer";
  }
  session->closing_ = true;
  if (session->context_ != nullptr) session->context_->TryCancel();
  lock.unlock();
  return nullptr;
}

Session::~Session() {
  Close();
  thread_.join();
}

void Session::Close() {
  Lock lock(mutex_);
  if (!closing_ && !over_) {
    closing_ = true;
    lock.unlock();
    v1::SessionOperation goodbye;
    goodbye.mutable_goodbye();
    StartOperation(std::move(goodbye), [](const Error&, const v1::SessionAnswer&, Time) {});
    lock.lock();
  }
  if (wake_.wait_for(lock, server_.timeout, [&] { return over_; })) return;
  if (context_ != nullptr) context_->TryCancel();
  wake_.wait(lock, [&] { return over_; });
}

LeaseClock::time_point Session::held_until() const {
  const std::lock_guard lock(mutex_);
  return over_ ? Time() : held_until_;
}

uint64_t Session::streams() const {
  const std::lock_guard lock(mutex_);
  return streams_;
}

void Session::StartOperation(v1::SessionOperation operation, Answered done) {
  Error error;
  {
    const std::lock_guard lock(mutex_);
    const bool waits = operation.has_lease() && operation.lease().has_max_wait();
    const bool goodbye = operation.has_goodbye();
    if (std::string why = WhyMalformed(operation); !why.empty()) {
      error.code = grpc::StatusCode::INVALID_ARGUMENT;
      error.message = std::move(why);
    } else if (over_) {
      error = why_over_;
    } else if (closing_ && !goodbye) {
      error.code = grpc::StatusCode::CANCELLED;
      error.message = "the session is being closed";
    } else if (!goodbye && (pending_.size() >= kMaxPending || (waits && waiting_ == kMaxWaiting))) {
      error.code = grpc::StatusCode::RESOURCE_EXHAUSTED;
      error.message = "the session has " + std::to_string(pending_.size()) +
                      " operations without an answer, of which " + std::to_string(waiting_) +
                      " wait";
    } else {
      operation.set_id(++last_id_);
      Pending& pending = pending_[last_id_];
      pending.operation = std::move(operation);
      pending.done = std::move(done);
      pending.waits = waits;
      if (waits) ++waiting_;
      to_send_.push_back(last_id_);
      wake_.notify_all();
      return;
    }
  }
  done(error, {}, Time());
}

void Session::NoteGrants(Milliseconds ttl, Time sent) {
  const std::lock_guard lock(mutex_);
  // A refusal of the server's says 0: nothing was given.
  if (ttl.count() <= 0) return;
  least_ttl_ = std::min(least_ttl_, ttl);
  held_until_ = std::min(held_until_, sent + std::min(ttl, options_.linger));
  next_heartbeat_ = std::min(next_heartbeat_, sent + Beat());
  wake_.notify_all();
}

void Session::StartLease(const v1::LeaseRequest& request, LeaseDone done) {
  v1::SessionOperation operation;
  *operation.mutable_lease() = request;
  if (request.request_id().empty()) operation.mutable_lease()->set_request_id(NewRequestId());
  StartOperation(std::move(operation),
                 [this, request, done = std::move(done)](
                     const Error& error, const v1::SessionAnswer& answer, Time sent) {
                   FinishLease(error, answer, sent, request, done);
                 });
}

void Session::FinishLease(const Error& error, const v1::SessionAnswer& answer, Time sent,
                          const v1::LeaseRequest& request, const LeaseDone& done) {
  Result<v1::LeaseResponse> result{.value = answer.lease(), .error = error, .sent = sent};
  const Milliseconds ttl = DurationOf(result.value.ttl());
  if (!error.ok() || LeaseClock::now() - sent <= ttl / 3) {
    if (error.ok()) NoteGrants(ttl, sent);
    done(result);
    return;
  }
  // Nobody here knows when the server served a lease that waited. A renewal says a later time.
  std::vector<Ref> refs;
  for (const v1::Grant& grant : result.value.grants()) {
    refs.push_back(RefOf(request.pool(), grant.ref()));
  }
  StartRenew(BarePool(request.pool()), refs, DurationOf(request.ttl()),
             [this, ttl, result = std::move(result), done](const BatchResult& renewed) mutable {
               v1::LeaseResponse& value = result.value;
               for (int i = value.grants_size() - 1; i >= 0; --i) {
                 const Error& lost = renewed.items[static_cast<std::size_t>(i)].error;
                 if (!IsOver(lost)) continue;
                 result.error = lost;
                 value.mutable_grants()->DeleteSubrange(i, 1);
               }
               if (value.grants_size() != 0) result.error = {};
               if (renewed.ttl.count() != 0) {
                 *value.mutable_ttl() = ProtoDuration(renewed.ttl);
                 *value.mutable_expire_time() = renewed.expire_time;
                 result.sent = renewed.sent;
               } else {
                 // Not renewed now: the session has them all the same, for a time that nobody here
                 // knows until the next heartbeat.
                 NoteGrants(ttl, result.sent);
               }
               done(result);
             });
}

void Session::StartReturn(std::string_view pool, std::span<const Ref> refs,
                          v1::Disposition disposition, BatchDone done) {
  v1::SessionOperation operation;
  *operation.mutable_give_back() = ReturnOf(pool, refs, disposition);
  StartOperation(std::move(operation),
                 [count = refs.size(), done = std::move(done)](
                     const Error& error, const v1::SessionAnswer& answer, Time sent) {
                   done(ResultOf(error, count, answer.give_back(), sent));
                 });
}

void Session::StartRenew(std::string_view pool, std::span<const Ref> refs, Milliseconds ttl,
                         BatchDone done) {
  v1::SessionOperation operation;
  *operation.mutable_renew() = RenewOf(pool, refs, ttl);
  StartOperation(std::move(operation),
                 [this, count = refs.size(), done = std::move(done)](
                     const Error& error, const v1::SessionAnswer& answer, Time sent) {
                   const BatchResult result = ResultOf(error, count, answer.renew(), sent);
                   NoteGrants(result.ttl, sent);
                   done(result);
                 });
}

void Session::StartAttach(std::string_view pool, std::span<const Ref> refs, Milliseconds ttl,
                          BatchDone done) {
  v1::SessionOperation operation;
  *operation.mutable_attach() = AttachOf(pool, refs);
  StartOperation(
      std::move(operation),
      [this, refs = std::vector<Ref>(refs.begin(), refs.end()), ttl, done = std::move(done)](
          const Error& error, const v1::SessionAnswer& answer, Time sent) {
        FinishAttach(ResultOf(error, refs.size(), answer.attach(), sent), refs, ttl, done);
      });
}

// Until they are renewed, nobody here knows how long they run.
void Session::FinishAttach(const BatchResult& attached, std::span<const Ref> refs, Milliseconds ttl,
                           const BatchDone& done) {
  std::vector<Ref> ours;
  for (std::size_t i = 0; i < refs.size(); ++i) {
    if (attached.items[i].error.ok()) ours.push_back(refs[i]);
  }
  if (ours.empty()) {
    done(attached);
    return;
  }
  StartRenew(ours.front().pool, ours, ttl, [attached, done](const BatchResult& renewed) {
    BatchResult both = renewed;
    both.items = attached.items;
    auto next = renewed.items.begin();
    for (ItemResult& item : both.items) {
      if (item.error.ok()) item = *next++;
    }
    done(both);
  });
}

void Session::StartReturnAll(std::function<void(const Result<uint32_t>& result)> done) {
  v1::SessionOperation operation;
  operation.mutable_release();
  StartOperation(
      std::move(operation),
      [done = std::move(done)](const Error& error, const v1::SessionAnswer& answer, Time sent) {
        done({.value = answer.release().returned(), .error = error, .sent = sent});
      });
}

Result<v1::LeaseResponse> Session::Lease(const v1::LeaseRequest& request) {
  return Await<Result<v1::LeaseResponse>>([&](auto done) { StartLease(request, std::move(done)); });
}

BatchResult Session::Return(std::string_view pool, std::span<const Ref> refs,
                            v1::Disposition disposition) {
  return Await<BatchResult>(
      [&](auto done) { StartReturn(pool, refs, disposition, std::move(done)); });
}

BatchResult Session::Renew(std::string_view pool, std::span<const Ref> refs, Milliseconds ttl) {
  return Await<BatchResult>([&](auto done) { StartRenew(pool, refs, ttl, std::move(done)); });
}

BatchResult Session::Attach(std::string_view pool, std::span<const Ref> refs, Milliseconds ttl) {
  return Await<BatchResult>([&](auto done) { StartAttach(pool, refs, ttl, std::move(done)); });
}

Result<uint32_t> Session::ReturnAll() {
  return Await<Result<uint32_t>>([&](auto done) { StartReturnAll(std::move(done)); });
}

}  // namespace objpool::client
