// objpoold, volatile and durable and on either engine, and the echo on each of them and on bare
// nghttp2.
#include <algorithm>
#include <fstream>
#include <functional>
#include <utility>

#include "client/load/frame_load.h"
#include "client/load/lease_script.h"
#include "client/load/session_talk.h"
#include "client/load/unary_talk.h"
#include "tests/bench/rpc/contender.h"
#include "tests/bench/rpc/echo_script.h"
#include "tests/bench/rpc/echo_stream_talk.h"
#include "tests/bench/rpc/measure.h"

namespace objpool::bench {
namespace {

constexpr const char* kPool = "bench";

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

class Objpoold : public Contender {
 public:
  // With flags of its own after those that all have.
  Objpoold(std::string_view name, std::string engine, bool durable,
           std::vector<std::string> flags = {})
      : Contender(std::string(name)),
        engine_(std::move(engine)),
        durable_(durable),
        flags_(std::move(flags)) {}

  [[nodiscard]] bool CanRun(const Cell& /*cell*/) const override { return true; }

  [[nodiscard]] bool Start(const Site& site, std::string& why) override {
    std::string base = site.folder + '/' + name();
    std::replace(base.begin(), base.end(), ' ', '-');
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
    words.insert(words.end(), flags_.begin(), flags_.end());
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
  const std::vector<std::string> flags_;
  std::unique_ptr<ServerProcess> server_;
  std::string address_;
};

// For who asks and asks, one call at a time; with more, workers hardly ever sleep.
class BusyObjpoold final : public Objpoold {
 public:
  BusyObjpoold() : Objpoold(kH2Busy, "h2", false, {"--busy_poll_us=100"}) {}

  [[nodiscard]] bool CanRun(const Cell& cell) const override {
    return cell.way == Way::kCalls && cell.outstanding == 1 && cell.connections == 1;
  }
};

class Echo final : public Contender {
 public:
  // A program of ours, and its arguments but for the last, the file that says where it serves.
  using Words = std::function<std::vector<std::string>(const Site& site)>;
  Echo(std::string name, Words words, bool streams)
      : Contender(std::move(name)), words_(std::move(words)), streams_(streams) {}

  [[nodiscard]] bool CanRun(const Cell& cell) const override {
    return cell.way == Way::kCalls || (cell.way == Way::kStream && streams_);
  }

  [[nodiscard]] bool Start(const Site& site, std::string& why) override {
    std::vector<std::string> words = words_(site);
    const std::string base = site.folder + "/" + words[0] + "-" + words[1];
    words[0] = site.bin_folder + "/" + words[0];
    words.push_back(base + ".ready");
    server_ = ServerProcess::Start(words, site.server_cpu, base + ".log", why);
    if (server_ == nullptr) return false;
    const auto up = [&] { return !(address_ = FirstLine(words.back())).empty(); };
    if (!server_->WaitUntil(up, why)) return false;
    server_->Pause();
    return true;
  }

  [[nodiscard]] Sample Run(const Cell& cell, const Pace& pace) override {
    if (cell.way == Way::kStream) {
      return RunTalks(*server_, address_, cell, pace, [&cell](load::Tally& tally) {
        return std::make_unique<EchoStreamTalk>(cell.outstanding, tally);
      });
    }
    EchoScript script(cell.batch);
    return RunTalks(*server_, address_, cell, pace, Calls(script, cell.outstanding));
  }

 private:
  const Words words_;
  const bool streams_;
  std::unique_ptr<ServerProcess> server_;
  std::string address_;
};

Echo::Words OnEngine(std::string engine) {
  return [engine = std::move(engine)](const Site& site) {
    return std::vector<std::string>{"rpc_echo", engine, std::to_string(site.server_cpu)};
  };
}

std::vector<std::string> Bare(const Site& /*site*/) { return {"rpc_bare", "h2"}; }

}  // namespace

void AddGrpc(Contenders& to) {
  to.push_back(std::make_unique<Objpoold>(kVolatile, "grpc", false));
  to.push_back(std::make_unique<Objpoold>(kProcess, "grpc", true));
  to.push_back(std::make_unique<Objpoold>(kH2, "h2", false));
  to.push_back(std::make_unique<BusyObjpoold>());
  to.push_back(std::make_unique<Echo>(std::string(kEcho), OnEngine("grpc"), true));
  to.push_back(std::make_unique<Echo>(std::string(kEchoH2), OnEngine("h2"), true));
  to.push_back(std::make_unique<Echo>(std::string(kBareH2), Bare, false));
}

}  // namespace objpool::bench
