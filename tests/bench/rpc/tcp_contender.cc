// TCP itself: as many bytes as a call has, there and back.
#include <utility>

#include "client/load/byte_socket.h"
#include "tests/bench/rpc/contender.h"
#include "tests/bench/rpc/measure.h"

namespace objpool::bench {
namespace {

// About what a Lease and its answer have, with their frames.
constexpr std::size_t kBytes = 100;
constexpr uint32_t kCallsOfCycle = 2;

class TcpLine final : public load::Line {
 public:
  TcpLine(std::unique_ptr<load::ByteSocket> socket, load::Tally& tally)
      : socket_(std::move(socket)), tally_(tally) {}

  [[nodiscard]] int fd() const override { return socket_->fd(); }
  void Begin() override {
    if (tally_.stopping) return;
    began_ns_ = tally_.now_ns;
    calls_left_ = kCallsOfCycle;
    Ask();
  }
  [[nodiscard]] bool OnReadable(std::string& why) override {
    for (bool more = true; more;) {
      if (!socket_->Read(more, why)) return false;
    }
    if (socket_->in().size() < kBytes) return true;
    if (calls_left_ == 0 || socket_->in().find_first_not_of(kFill) != std::string_view::npos) {
      why = "what came back is not what was sent";
      return false;
    }
    socket_->Consume(kBytes);
    ++tally_.calls_ok;
    if (--calls_left_ != 0) {
      Ask();
      return true;
    }
    tally_.Cycle(began_ns_);
    Begin();
    return true;
  }
  [[nodiscard]] bool Flush(std::string& why) override { return socket_->Flush(why); }
  [[nodiscard]] bool has_unsent() const override { return socket_->has_unsent(); }
  void Stop() override {}
  [[nodiscard]] bool over() const override { return calls_left_ == 0; }

 private:
  static constexpr char kFill = 'e';
  void Ask() { socket_->out().append(kBytes, kFill); }

  const std::unique_ptr<load::ByteSocket> socket_;
  load::Tally& tally_;
  uint64_t began_ns_ = 0;
  uint32_t calls_left_ = 0;
};

class Tcp final : public Contender {
 public:
  Tcp() : Contender(std::string(kBareTcp)) {}

  [[nodiscard]] bool CanRun(const Cell& cell) const override {
    return cell.way == Way::kCalls && cell.connections == 1 && cell.outstanding == 1;
  }

  [[nodiscard]] bool Start(const Site& site, std::string& why) override {
    const std::string base = site.folder + "/tcp";
    server_ = ServerProcess::Start({site.bin_folder + "/rpc_bare", "tcp", base + ".ready"},
                                   site.server_cpu, base + ".log", why);
    if (server_ == nullptr) return false;
    const auto up = [&] { return !(address_ = FirstLine(base + ".ready")).empty(); };
    if (!server_->WaitUntil(up, why)) return false;
    server_->Pause();
    return true;
  }

  [[nodiscard]] Sample Run(const Cell& /*cell*/, const Pace& pace) override {
    return Measure(*server_, pace, [this](std::string& why) -> std::unique_ptr<load::LoadLoop> {
      auto load = std::make_unique<load::LoadLoop>();
      auto socket = load::ByteSocket::Connect(address_, why);
      if (socket == nullptr) return nullptr;
      load->Add(std::make_unique<TcpLine>(std::move(socket), load->tally()));
      if (!load->Begin(why)) return nullptr;
      return load;
    });
  }

 private:
  std::unique_ptr<ServerProcess> server_;
  std::string address_;
};

}  // namespace

void AddTcp(Contenders& to) { to.push_back(std::make_unique<Tcp>()); }

}  // namespace objpool::bench
