#include "tests/fuzz/world.h"

#include <utility>
#include <vector>

#include "pool/base/check.h"
#include "server/rpc/boot_clock.h"
#include "tests/support/fake_topology.h"

namespace objpool::fuzz {
namespace {

using server::PoolSpec;

// What pools that are made by a request may fill.
constexpr uint64_t kMoreBytes = uint64_t{4} << 20;

std::vector<PoolSpec> Pools() {
  PoolSpec ids{.name = "ids", .kind = server::IdsSpec{.first = 7, .count = 8}};
  ids.reuse_delay_ms = 50;
  ids.handle_labels = {{.first = 0, .last = 3, .labels = {{"model", "a"}}},
                       {.first = 4, .last = 5, .labels = {{"model", "b"}, {"zone", "z"}}}};
  ids.quota = {.handles = 6, .calls_per_s = 1000};
  PoolSpec labels{.name = "labels", .kind = server::LabelsSpec{.labels = {"a", "b", "c"}}};
  labels.dirty_unless_returned = true;
  labels.max_waiters = 2;
  PoolSpec buffers{.name = "buffers", .kind = server::BuffersSpec{.count = 2, .size_bytes = 8192}};
  buffers.scrub = true;
  return {ids, labels, buffers};
}

}  // namespace

World::World() : slots_(testing::FlatSlots(1)) {
  waiting_ = std::make_unique<server::LeaseWaiting>(
      1, [this](uint32_t) { Wake(); }, requests_);
  server::PoolSet::Options options;
  options.maker.slots = slots_;
  options.maker.requests = &requests_;
  options.maker.on_served = [this](lease::Waiter& waiter) { waiting_->OnServed(waiter); };
  options.now = options.clock.At(rpc::BootNow());
  std::string why;
  pools_ = server::PoolSet::Create(Pools(), options, why);
  OBJPOOL_CHECK(pools_ != nullptr && pools_->Attach(0, why), why.c_str());
  server::PoolChanges::Hooks hooks;
  hooks.keep = [](const PoolSpec&, bool, std::string&) { return true; };
  hooks.forget = [](const std::string&) {};
  hooks.remove_file = [](const std::string&) {};
  hooks.has_room = [](uint64_t bytes, std::string& reason) {
    if (bytes > kMoreBytes) reason = "too large for a test";
    return bytes <= kMoreBytes;
  };
  hooks.wake = [this](uint32_t) { Wake(); };
  hooks.now = [this] { return pools_->clock().At(rpc::BootNow()); };
  changes_ = std::make_unique<server::PoolChanges>(*pools_, hooks);
  disk_ = std::make_unique<server::DiskAnswers>(*pools_, 1, [this](uint32_t) { Wake(); });
  waiting_->AnswerBy(*disk_);
  leases_ = std::make_unique<server::LeaseService>(*pools_, *waiting_, requests_, *disk_,
                                                   lease::Secret{});
  leases_->AddTo(methods_, 1, gate_);
  sessions_ =
      std::make_unique<server::SessionService>(*pools_, *leases_, 1, [this](uint32_t) { Wake(); });
  sessions_->AddTo(methods_, gate_);
  pool_service_ = std::make_unique<server::PoolService>(*pools_, *changes_, false);
  pool_service_->AddTo(methods_, 1, gate_);
  buffers_ = std::make_unique<server::BufferService>(*pools_);
  buffers_->AddTo(methods_, 1, gate_);
  health_ = std::make_unique<server::HealthService>(*pools_);
  health_->AddTo(methods_, 1);
  reflection_.AddTo(methods_, gate_);
}

World::~World() {
  changes_->Stop();
  disk_->Stop();
}

void World::Turn(bool leaving) {
  if (leaving) leases_->BeginShutdown();
  const lease::BootMs at = pools_->clock().At(rpc::BootNow());
  waiting_->Turn(0, at, leaving);
  changes_->Turn(0, leaving);
  disk_->Turn(0);
  while (sessions_->Turn(0, at)) {
  }
  while (pools_->Turn(0, at)) {
  }
}

}  // namespace objpool::fuzz
