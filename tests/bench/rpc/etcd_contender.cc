// etcd: a lease is granted, and a key put under it. Both are durable before they are answered; the
// leases are never revoked, so a cycle has no return.
#include <utility>

#include "client/load/frame_load.h"
#include "client/load/unary_talk.h"
#include "client/load/wire.h"
#include "tests/bench/rpc/contender.h"
#include "tests/bench/rpc/measure.h"

namespace objpool::bench {
namespace {

using load::Field;
using load::FieldWalk;

// Of etcd's rpc.proto.
constexpr const char* kGrantPath = "/etcdserverpb.Lease/LeaseGrant";
constexpr const char* kPutPath = "/etcdserverpb.KV/Put";
constexpr uint32_t kGrantTtl = 1;
constexpr uint32_t kGrantedId = 2;
constexpr uint32_t kPutKey = 1;
constexpr uint32_t kPutValue = 2;
constexpr uint32_t kPutLease = 3;
constexpr uint32_t kDoneHeader = 1;
constexpr uint64_t kTtlS = 3600;

class EtcdScript final : public load::CallScript {
 public:
  [[nodiscard]] std::vector<std::string> paths() const override { return {kGrantPath, kPutPath}; }

  [[nodiscard]] bool Request(std::size_t call, std::string_view reply, std::string& request,
                             std::string& why) override {
    if (call == 0) {
      load::AppendNumber(kGrantTtl, kTtlS, request);
      return true;
    }
    uint64_t id = 0;
    FieldWalk walk(reply);
    for (Field field; walk.Next(field);) {
      if (field.number == kGrantedId) id = field.value;
    }
    if (walk.broken() || id == 0) {
      why = "etcd answers a grant with something else";
      return false;
    }
    load::AppendBytes(kPutKey, "handle/" + std::to_string(next_++ % kCapacity), request);
    load::AppendBytes(kPutValue, "holder", request);
    load::AppendNumber(kPutLease, id, request);
    return true;
  }

  [[nodiscard]] bool Finish(std::string_view reply, std::string& why) override {
    FieldWalk walk(reply);
    Field field;
    if (walk.Next(field) && field.number == kDoneHeader && !field.bytes.empty()) return true;
    why = "etcd answers a put with something else";
    return false;
  }

 private:
  uint64_t next_ = 0;
};

class Etcd final : public Contender {
 public:
  Etcd() : Contender(std::string(kEtcd)) {}

  [[nodiscard]] bool CanRun(const Cell& cell) const override {
    return cell.way == Way::kCalls && cell.batch == 1 && cell.outstanding != 64;
  }

  [[nodiscard]] bool Start(const Site& site, std::string& why) override {
    if (!IsInstalled("etcd")) {
      why = "etcd-server is not installed";
      return false;
    }
    address_ = "127.0.0.1:" + std::to_string(FreePort());
    const std::string peer = "http://127.0.0.1:" + std::to_string(FreePort());
    server_ = ServerProcess::Start(
        {"etcd", "--data-dir", site.folder + "/etcd", "--listen-client-urls", "http://" + address_,
         "--advertise-client-urls", "http://" + address_, "--listen-peer-urls", peer,
         "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer, "--logger",
         "zap", "--log-level", "error"},
        site.server_cpu, site.folder + "/etcd.log", why);
    if (server_ == nullptr || !server_->WaitUntil([this] { return Answers(); }, why)) return false;
    server_->Pause();
    return true;
  }

  [[nodiscard]] Sample Run(const Cell& cell, const Pace& pace) override {
    return Measure(*server_, pace, [&](std::string& why) {
      return StartLoad(cell.connections, cell.outstanding, why);
    });
  }

 private:
  [[nodiscard]] std::unique_ptr<load::LoadLoop> StartLoad(uint32_t connections,
                                                          uint32_t outstanding, std::string& why) {
    return load::StartFrameLoad(
        address_, connections,
        [this, outstanding](load::Tally& tally) {
          return std::make_unique<load::UnaryTalk>(script_, outstanding, tally);
        },
        why);
  }

  // It listens, and has a leader: itself.
  [[nodiscard]] bool Answers() {
    std::string why;
    const auto load = StartLoad(1, 1, why);
    return load != nullptr && load->Finish(why) && load->tally().calls_failed == 0;
  }

  std::unique_ptr<ServerProcess> server_;
  std::string address_;
  EtcdScript script_;
};

}  // namespace

void AddEtcd(Contenders& to) { to.push_back(std::make_unique<Etcd>()); }

}  // namespace objpool::bench
