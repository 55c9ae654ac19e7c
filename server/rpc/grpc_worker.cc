#include "server/rpc/grpc_worker.h"

#include <grpc/grpc.h>
#include <grpc/support/time.h>
#include <grpcpp/server_builder.h>
#include <pthread.h>
#include <sys/stat.h>

#include <coroutine>
#include <exception>
#include <system_error>
#include <utility>

#include "pool/affinity.h"
#include "server/rpc/grpc_call.h"
#include "server/rpc/grpc_credentials.h"
#include "server/rpc/tls_keys.h"
#include "server/rpc/turns.h"

namespace objpool::rpc {
namespace {

// What one client may do to a connection; see the README of this room for what gRPC cannot bound.
void SetLimits(grpc::ServerBuilder& builder, const EngineOptions& options) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_request_bytes));
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 1);
  // gRPC inflates a request before it looks how long it is: 255 KB can become 250 MB. So a call
  // does it by itself.
  constexpr int kAccepted = 1 << GRPC_COMPRESS_NONE | 1 << GRPC_COMPRESS_GZIP;
  builder.AddChannelArgument(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, kAccepted);
  builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 256);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 16 * 1024);
  // Else the windows of a fast client grow, and one stream of large messages fills 80 MB.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 5000);
  // Clients that look after their connections ping about every half minute, also without calls.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // A client that a network has swallowed says nothing, and its streams would stay for ever.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  const auto set_ms = [&](const char* name, std::chrono::milliseconds time) {
    if (time.count() != 0) builder.AddChannelArgument(name, static_cast<int>(time.count()));
  };
  set_ms(GRPC_ARG_MAX_CONNECTION_AGE_MS, options.max_connection_age);
  set_ms(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, options.max_connection_age_grace);
}

}  // namespace

// A loop's frame frees itself when it ends; the worker counts them.
struct GrpcWorker::Loop {
  struct promise_type {
    [[nodiscard]] Loop get_return_object() const noexcept { return {}; }
    [[nodiscard]] std::suspend_never initial_suspend() const noexcept { return {}; }
    [[nodiscard]] std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
};

GrpcWorker::GrpcWorker(uint32_t index, const EngineOptions& options, const MethodTable& methods,
                       const WorkerHooks& hooks, Shared& /*shared*/)
    : index_(index),
      options_(options),
      methods_(methods),
      hooks_(hooks),
      request_timeout_ns_(
          static_cast<BootNs>(std::chrono::nanoseconds(options.request_timeout).count())),
      stats_(methods.methods().size()),
      asks_for_certificates_(options.tls != nullptr && !options.tls->files().client_ca.empty()) {
  calls_.reserve(kMaxLoops);
}

GrpcWorker::~GrpcWorker() = default;

bool GrpcWorker::Prepare(std::string& why) {
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

bool GrpcWorker::Listen(uint16_t& port, UnixSocketFile* file, std::string& why) {
  grpc::ServerBuilder builder;
  SetLimits(builder, options_);
  const std::string& host = options_.host;
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  const std::string address = name + ":" + std::to_string(port);
  int bound = 0;
  int bound_unix = 0;
  credentials_ = CredentialsOf(options_.tls);
  if (!host.empty()) builder.AddListeningPort(address, credentials_, &bound);
  if (file != nullptr) {
    builder.AddListeningPort("unix:" + file->path(), CredentialsOf(nullptr), &bound_unix);
  }
  builder.RegisterAsyncGenericService(&service_);
  queue_ = builder.AddCompletionQueue();
  // The file that gRPC makes is to have at no time more than its mode. No other thread makes files
  // yet.
  constexpr mode_t kAll = 0777;
  const mode_t before = file != nullptr ? umask(kAll & ~UnixSocketFile::kMode) : 0;
  server_ = builder.BuildAndStart();
  if (file != nullptr) (void)umask(before);
  if (server_ == nullptr || (!host.empty() && bound <= 0)) {
    why = "cannot listen on " + (host.empty() ? "unix:" + options_.unix_path : address);
    return false;
  }
  if (!host.empty()) port = static_cast<uint16_t>(bound);
  return file == nullptr || file->Adopt(why);
}

void GrpcWorker::Serve() {
  {
    const std::scoped_lock lock(wake_lock_);
    wakeable_ = true;
  }
  go_.store(1, std::memory_order_release);
  go_.notify_one();
}

void GrpcWorker::Wake() {
  const std::scoped_lock lock(wake_lock_);
  if (!wakeable_ || std::exchange(wake_pending_, true)) return;
  wake_.Set(queue_.get(), gpr_now(GPR_CLOCK_MONOTONIC), &wake_);
}

// gRPC's own shutdown waits for every connection, also for one whose client does nothing and so
// does not even see that it should leave. Only calls are worth waiting for.
void GrpcWorker::CutConnections(std::chrono::system_clock::time_point deadline) {
  constexpr std::chrono::milliseconds kStep(5);
  constexpr int kQuietSteps = 20;  // for clients that do look, to leave by themselves
  int quiet = 0;
  while (quiet < kQuietSteps && std::chrono::system_clock::now() < deadline &&
         !hurry_.load(std::memory_order_relaxed)) {
    std::this_thread::sleep_for(kStep);
    quiet = stats_.calls_under_way.load(std::memory_order_relaxed) == 0 ? quiet + 1 : 0;
  }
  grpc_server_cancel_all_calls(server_->c_server());
}

// The order is gRPC's: first the server fails the arrivals that loops wait for, then the loops end,
// then the queue may go.
void GrpcWorker::Stop(std::chrono::system_clock::time_point deadline) {
  if (!thread_.joinable()) return;
  if (go_.load(std::memory_order_relaxed) == 1) {
    std::jthread cutter;
    try {
      cutter = std::jthread([this, deadline] { CutConnections(deadline); });
    } catch (const std::system_error&) {
      CutConnections(deadline);  // no thread to be had: one after the other
    }
    server_->Shutdown(deadline);
    loops_ended_.wait();
  } else {
    if (server_ != nullptr) server_->Shutdown(deadline);
    go_.store(-1, std::memory_order_release);
    go_.notify_one();
  }
  {
    const std::scoped_lock lock(wake_lock_);
    wakeable_ = false;
  }
  if (queue_ != nullptr) queue_->Shutdown();
  thread_.join();
}

void GrpcWorker::Run() {
  pthread_setname_np(pthread_self(), ("worker-" + std::to_string(index_)).c_str());
  if (const auto cpu = options_.worker_cpus[index_]) {
    stats_.pinned.store(PinThisThread(*cpu, pin_error_), std::memory_order_relaxed);
  }
  if (!hooks_.on_start(index_, start_error_) && start_error_.empty()) {
    start_error_ = "worker " + std::to_string(index_) + " could not start";
  }
  prepared_.count_down();
  go_.wait(0, std::memory_order_acquire);
  if (go_.load(std::memory_order_acquire) == 1) {
    for (std::size_t i = 0; i < kIdleLoops; ++i) StartLoop();
  }
  if (queue_ != nullptr) RunUntilShutdown();
}

void GrpcWorker::RunUntilShutdown() {
  bool hurry = false;
  BootNs worked_ns = 0;
  BootNs ended_at = BootNow();
  next_tick_ = ended_at + kTickNs;
  stats_.turned_at.store(ended_at, std::memory_order_relaxed);
  bool told_end = loops_ == 0;
  if (told_end) loops_ended_.count_down();
  for (;;) {
    const auto wait = static_cast<int64_t>(next_tick_ > ended_at ? next_tick_ - ended_at : 0);
    // gRPC rounds a deadline up to whole milliseconds, so "now" would be up to one of them away.
    const gpr_timespec deadline =
        hurry ? gpr_inf_past(GPR_CLOCK_MONOTONIC)
              : gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(wait, GPR_TIMESPAN));
    void* tag = nullptr;
    bool ok = false;
    const auto next = queue_->AsyncNext(&tag, &ok, deadline);
    if (next == grpc::CompletionQueue::SHUTDOWN) return;
    if (worked_ns >= kPauseAfterNs && next == grpc::CompletionQueue::TIMEOUT) {
      worked_ns = 0;
      std::this_thread::sleep_for(kPause);
      ended_at = BootNow();
      continue;
    }
    now_ = BootNow();
    stats_.turns.Add();
    stats_.turned_at.store(now_, std::memory_order_relaxed);
    if (next == grpc::CompletionQueue::GOT_EVENT) {
      if (tag == &wake_) {
        const std::scoped_lock lock(wake_lock_);
        wake_pending_ = false;
      } else {
        GrpcEvent::From(tag).Complete(ok);
      }
    }
    if (now_ >= next_tick_) Tick();
    hurry = hooks_.on_turn(index_, now_);
    if (loops_ == 0 && !told_end) {
      told_end = true;
      loops_ended_.count_down();
    }
    ended_at = BootNow();
    const BootNs busy_ns = ended_at - now_;
    worked_ns = hurry ? worked_ns + busy_ns : 0;
    stats_.busy_ns.Add(busy_ns);
  }
}

void GrpcWorker::Tick() {
  stats_.poll_delay.Observe(now_ - next_tick_);
  next_tick_ = now_ + kTickNs;
  const bool stopping = stopping_.load(std::memory_order_relaxed);
  // By index, and backwards: a handler that finishes its call here does not unregister it yet.
  for (std::size_t i = calls_.size(); i > 0; --i) calls_[i - 1]->OnTick(now_, stopping);
}

void GrpcWorker::Register(GrpcCall& call) {
  call.set_place(calls_.size());
  calls_.push_back(&call);
}

void GrpcWorker::Unregister(GrpcCall& call) {
  calls_[call.place()] = calls_.back();
  calls_[call.place()]->set_place(call.place());
  calls_.pop_back();
}

bool GrpcWorker::StreamBegan() {
  if (streams_ >= kMaxStreams) return false;
  ++streams_;
  return true;
}

void GrpcWorker::StartLoop() {
  ++loops_;
  ServeCalls();
}

void GrpcWorker::CountCalls() {
  stats_.calls_under_way.store(loops_ - idle_loops_, std::memory_order_relaxed);
}

GrpcWorker::Loop GrpcWorker::ServeCalls() {
  for (;;) {
    GrpcCall call(*this);
    GrpcWaiter::Awaitable event{call.waiter()};
    ++idle_loops_;
    call.RequestArrival();
    while (call.arriving()) co_await event;
    --idle_loops_;
    if (!call.arrived()) break;  // the server is going down
    if (idle_loops_ == 0 && loops_ - streams_ < kMaxLoops) StartLoop();
    CountCalls();
    call.Begin();
    while (!call.over()) {
      co_await event;
      call.Advance();
    }
    if (idle_loops_ >= kIdleLoops) break;  // a burst is over
    CountCalls();
  }
  --loops_;
  CountCalls();
}

}  // namespace objpool::rpc
