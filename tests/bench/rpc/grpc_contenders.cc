// objpoold, volatile and durable and on either engine, and the echo on each of them.
#include <fstream>
#include <utility>

#include "client/load/frame_load.h"
#include "client/load/lease_script.h"
#include "client/load/session_talk.h"
#include "client/load/unary_talk.h"
#include "tests/bench/rpc/contender.h"
#include "tests/bench/rpc/echo_script.h"
#include "tests/bench/rpc/measure.h"

namespace objpool::bench {
namespace {

constexpr const char* kPool = "bench";

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  // A line without an end may still be written.
  return std::getline(file, line) && !file.eof() ? line : std::string();
}

load::TalkMaker Calls(load::CallScript& script, uint32_t outstanding) {
  return [&script, outstanding](load::Tally& tally) {
    return std::make_unique<load::UnaryTalk>(script, outstanding, tally);
  };
}

load::TalkMaker Stream(const Cell& cell) {
  load::SessionTalkOptions options;
  options.pool = kPool;
  options.window = cell.outstanding;
  options.folded = cell.way == Way::kFolded;
  return
      [options](load::Tally& tally) { return std::make_unique<load::SessionTalk>(options, tally); };
}

Sample RunTalks(ServerProcess& server, const std::string& address, const Cell& cell,
                const Pace& pace, const load::TalkMaker& make_talk) {
  return Measure(server, pace, [&](std::string& why) {
    return load::StartFrameLoad(address, cell.connections, make_talk, why);
  });
}

class Objpoold final : public Contender {
 public:
  Objpoold(std::string name, std::string engine, bool durable)
      : Contender(std::move(name)), engine_(std::move(engine)), durable_(durable) {}

  [[nodiscard]] bool CanRun(const Cell& /*cell*/) const override { return true; }

  [[nodiscard]] bool Start(const Site& site, std::string& why) override {
    const std::string base =
        site.folder + "/objpoold-" + engine_ + (durable_ ? "-process" : "-volatile");
    std::ofstream(base + ".textproto")
        << "pools { name: \"" << kPool << "\" ids { count: " << kCapacity << " } }\n";
    std::vector<std::string> words = {site.bin_folder + "/objpoold",
                                      "--config=" + base + ".textproto",
                                      "--listen=127.0.0.1:0",
                                      "--metrics_listen=off",
                                      "--workers=1",
                                      "--engine=" + engine_,
                                      "--ready_file=" + base + ".ready"};
    if (durable_) words.push_back("--state_dir=" + base + ".state");
    server_ = ServerProcess::Start(words, site.server_cpu, base + ".log", why);
    if (server_ == nullptr) return false;
    const auto up = [&] {
      const std::string ready = FirstLine(base + ".ready");
      constexpr std::string_view kKey = "\"listen\": \"";
      const std::size_t begin = ready.find(kKey);
      if (begin == std::string::npos) return false;
      address_ = ready.substr(begin + kKey.size());
      address_.resize(address_.find('"'));
      return true;
    };
    if (!server_->WaitUntil(up, why)) return false;
    server_->Pause();
    return true;
  }

  [[nodiscard]] Sample Run(const Cell& cell, const Pace& pace) override {
    if (cell.way != Way::kCalls) return RunTalks(*server_, address_, cell, pace, Stream(cell));
    load::LeaseScript script(kPool, cell.batch);
    return RunTalks(*server_, address_, cell, pace, Calls(script, cell.outstanding));
  }

 private:
  const std::string engine_;
  const bool durable_;
  std::unique_ptr<ServerProcess> server_;
  std::string address_;
};

class Echo final : public Contender {
 public:
  Echo(std::string name, std::string engine)
      : Contender(std::move(name)), engine_(std::move(engine)) {}

  [[nodiscard]] bool CanRun(const Cell& cell) const override { return cell.way == Way::kCalls; }

  [[nodiscard]] bool Start(const Site& site, std::string& why) override {
    const std::string ready = site.folder + "/echo-" + engine_ + ".ready";
    server_ = ServerProcess::Start(
        {site.bin_folder + "/rpc_echo", engine_, std::to_string(site.server_cpu), ready},
        site.server_cpu, site.folder + "/echo-" + engine_ + ".log", why);
    if (server_ == nullptr) return false;
    const auto up = [&] { return !(address_ = FirstLine(ready)).empty(); };
    if (!server_->WaitUntil(up, why)) return false;
    server_->Pause();
    return true;
  }

  [[nodiscard]] Sample Run(const Cell& cell, const Pace& pace) override {
    EchoScript script(cell.batch);
    return RunTalks(*server_, address_, cell, pace, Calls(script, cell.outstanding));
  }

 private:
  const std::string engine_;
  std::unique_ptr<ServerProcess> server_;
  std::string address_;
};

}  // namespace

void AddGrpc(Contenders& to) {
  to.push_back(std::make_unique<Objpoold>(std::string(kVolatile), "grpc", false));
  to.push_back(std::make_unique<Objpoold>(std::string(kProcess), "grpc", true));
  to.push_back(std::make_unique<Objpoold>(std::string(kH2), "h2", false));
  to.push_back(std::make_unique<Echo>(std::string(kEcho), "grpc"));
  to.push_back(std::make_unique<Echo>(std::string(kEchoH2), "h2"));
}

}  // namespace objpool::bench
