// rpc_echo: an engine of objpoold with a handler that does nothing, as what the engine costs by
// itself.
//
//   rpc_echo grpc|h2 CPU READY_FILE
//
// Serves with one worker on that CPU; its address is in the file once it does. Until SIGTERM.
#include <signal.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "server/rpc/engine.h"
#include "server/rpc/method_table.h"
#include "tests/bench/rpc/echo_script.h"
#include "tests/bench/rpc/echo_stream_talk.h"

namespace {

using objpool::bench::kEchoFill;
using objpool::bench::kEchoHeadBytes;

std::size_t ReplyBytes(std::string_view request) {
  return std::size_t{static_cast<uint8_t>(request[0])} |
         std::size_t{static_cast<uint8_t>(request[1])} << 8;
}

void Fill(objpool::rpc::UnaryCall& call) {
  const std::string_view request = call.request();
  if (request.size() < kEchoHeadBytes) {
    call.Finish({objpool::rpc::Code::kInvalidArgument, "no length", {}});
    return;
  }
  const std::size_t bytes = ReplyBytes(request);
  std::memset(call.AllocateReply(bytes), kEchoFill, bytes);
  call.Finish({});
}

// Each message has one of its own for an answer; one without a length ends the stream.
class FillStream final : public objpool::rpc::StreamHandler {
 public:
  explicit FillStream(objpool::rpc::StreamCall& call) : call_(call) {}

  void OnMessage(std::string_view message) override {
    if (over_) return;
    if (message.size() < kEchoHeadBytes) return End();
    reply_.assign(ReplyBytes(message), kEchoFill);
    if (!call_.Send(reply_)) End();
  }
  void OnHalfClose() override { End(); }
  void OnShutdown() override { End(); }

 private:
  void End() {
    if (!std::exchange(over_, true)) call_.Finish({});
  }
  objpool::rpc::StreamCall& call_;
  bool over_ = false;
  std::string reply_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string_view engine_name = argc == 4 ? argv[1] : "";
  const std::string_view cpu_text = argc == 4 ? argv[2] : "";
  uint32_t cpu = 0;
  if (std::from_chars(cpu_text.begin(), cpu_text.end(), cpu).ptr != cpu_text.end() ||
      (engine_name != "grpc" && engine_name != "h2")) {
    std::fputs("rpc_echo grpc|h2 CPU READY_FILE\n", stderr);
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  sigset_t stops;
  sigemptyset(&stops);
  sigaddset(&stops, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &stops, nullptr);
  objpool::rpc::MethodTable methods;
  methods.Add(std::string(objpool::bench::kEchoService), std::string(objpool::bench::kEchoMethod),
              objpool::rpc::UnaryHandler(Fill));
  methods.Add(std::string(objpool::bench::kEchoService),
              std::string(objpool::bench::kEchoStreamMethod),
              objpool::rpc::StreamFactory([](objpool::rpc::StreamCall& call) {
                return std::make_unique<FillStream>(call);
              }));
  objpool::rpc::EngineOptions options;
  options.worker_cpus = {cpu};
  std::string why;
  const auto start =
      engine_name == "h2" ? objpool::rpc::StartH2Engine : objpool::rpc::StartGrpcEngine;
  const auto engine = start(options, methods,
                            {.on_start = [](uint32_t, std::string&) { return true; },
                             .on_turn = [](uint32_t, objpool::rpc::BootNs) { return false; }},
                            why);
  if (engine == nullptr) {
    std::fprintf(stderr, "rpc_echo: %s\n", why.c_str());
    return 1;
  }
  std::ofstream(argv[3]) << engine->address() << std::endl;
  int got = 0;
  sigwait(&stops, &got);
  engine->Stop(std::chrono::milliseconds(100));
  return 0;
}
