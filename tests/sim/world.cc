// World: the machine, and the life of servers on it.
#include "tests/sim/world.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "tests/sim/secrets.h"
#include "tests/support/fake_topology.h"

namespace objpool::sim {
namespace {

// More than a round of work takes, mostly.
constexpr uint64_t kStepsOfRound = 600;
constexpr uint64_t kStepsOfStart = 120;

}  // namespace

void World::Counts::Add(const Counts& other) {
  operations += other.operations;
  grants += other.grants;
  waits += other.waits;
  sessions += other.sessions;
  kills += other.kills;
  power_cuts += other.power_cuts;
  stops += other.stops;
  starts += other.starts;
  failed_starts += other.failed_starts;
  steps += other.steps;
}

World::World(const Options& options)
    : options_(options), checker_(fibers_, now_us_, acks_are_durable_) {
  the_fibers = &fibers_;
  the_disk = &disk_;
  watcher = &checker_;
  SeedSecrets(options.seed);
  DrawOptions();
  the_heavy_fences = heavy_fences_;
  for (const PoolOptions& pool : pools_) checker_.AddPool(pool);
  grants_.resize(pools_.size());
  slots_ = testing::FlatSlots(workers_);
}

World::~World() {
  server_.reset();
  the_fibers = nullptr;
  the_disk = nullptr;
  watcher = nullptr;
}

void World::DrawOptions() {
  Random random(options_.seed, UINT32_MAX);
  now_us_ = booted_us_ = random.Between(1, 1'000'000'000);
  now_us_ += random.Below(1'000'000'000'000);
  workers_ = static_cast<uint32_t>(random.Between(1, 3));
  const uint64_t pools = random.OneIn(2) ? 1 : random.Between(2, 3);
  for (uint64_t i = 0; i < pools; ++i) {
    pools_.push_back(DrawPool(random, i));
  }
  constexpr std::array<uint32_t, 5> kSwitches = {0, 64, 16, 6, 2};
  switch_one_in_ = kSwitches[random.Below(kSwitches.size())];
  kill_one_in_ = static_cast<uint32_t>(random.OneIn(4) ? 0 : random.Between(3, 24));
  stop_one_in_ = static_cast<uint32_t>(random.OneIn(3) ? 6 : 24);
  crowded_ = random.OneIn(2);
  power_one_in_ = static_cast<uint32_t>(random.Below(4));
  constexpr std::array<uint32_t, 3> kWriteBacks = {0, 12, 3};
  write_back_one_in_ = kWriteBacks[random.Below(kWriteBacks.size())];
  DrawWeights(random);
  acks_are_durable_ = random.OneIn(4);
  heavy_fences_ = !random.OneIn(4);
  faults_.no_space_one_in = random.OneIn(4) ? 4 : 0;
  faults_.gives_up = options_.gives_up;
  faults_.io_error_one_in = random.OneIn(3) && !acks_are_durable_ ? 6 : 0;
}

void World::Trace(const std::string& line) {
  if (options_.trace) trace_.push_back(line);
}

bool World::Run() {
  for (round_ = 0; round_ < options_.rounds && !checker_.failed(); ++round_) {
    if (options_.skip.contains(round_)) continue;
    Random random(options_.seed, round_);
    disk_.SetRandom(random);
    if (options_.trace) Trace("round " + std::to_string(round_));
    Round(random);
  }
  if (!checker_.failed()) {
    Random random(options_.seed, options_.rounds);
    disk_.SetRandom(random);
    Trace("end of all");
    EndOfAll(random);
  } else {
    --round_;
  }
  if (checker_.failed()) Trace("FOUND: " + checker_.failure());
  return !checker_.failed();
}

void World::Round(Random& random) {
  PassTime(random, server_ != nullptr);
  disk_.WriteSome(write_back_one_in_);
  if (server_ == nullptr) {
    if (random.OneIn(uint64_t{power_one_in_} * 2)) CutPower(random);
    StartRound(random);
  } else if (random.OneIn(stop_one_in_)) {
    StopRound(random);
  } else {
    WorkRound(random);
  }
  if (server_ != nullptr && !checker_.failed()) checker_.AtRest(lease_now());
}

bool World::Go(std::span<const std::function<void()>> bodies, Random& random, uint64_t stop_before,
               bool unwind) {
  Fibers::Schedule schedule;
  schedule.switch_one_in = switch_one_in_;
  schedule.stop_before = stop_before;
  schedule.unwind = unwind;
  schedule.aside_one_in = 48;
  schedule.aside = [&] {
    if (random.OneIn(2)) {
      disk_.WriteSome(write_back_one_in_);
    } else {
      PassTime(random, false);
    }
  };
  const Fibers::End end = fibers_.Run(bodies, schedule, random);
  counts_.steps += fibers_.steps();
  if (end == Fibers::End::kFailed) checker_.Fail(fibers_.failure());
  if (end == Fibers::End::kStuck) checker_.Fail("nobody gets on any more");
  return end == Fibers::End::kDone;
}

void World::WorkRound(Random& random) {
  Plan(random);
  const bool beats = random.OneIn(4);
  disk_.Remember();
  std::vector<std::function<void()>> bodies;
  for (uint32_t worker = 0; worker < workers_; ++worker) {
    bodies.emplace_back([this, worker, beats] {
      if (worker == 0 && beats) server_->state->Beat(boot_ms());
      Work(worker);
    });
  }
  const bool dies = random.OneIn(kill_one_in_);
  const uint64_t stop_before = dies ? random.Between(1, kStepsOfRound) : 0;
  const bool done = Go(bodies, random, stop_before, false);
  if (dies && !checker_.failed()) Die(random, beats && !done);
}

// A server that is asked to stop.
void World::StopRound(Random& random) {
  bool clean = false;
  const std::array<std::function<void()>, 1> body = {[&] {
    std::string why;
    clean = std::ranges::all_of(server_->pools,
                                [&](const PoolRun& pool) { return pool.file->Sync(why); }) &&
            server_->state->Close(boot_ms(), why);
  }};
  disk_.SetFaults(faults_);
  const uint64_t stop_before = random.OneIn(4) ? random.Between(1, 40) : 0;
  const bool done = Go(body, random, stop_before, true);
  disk_.SetFaults({});
  stopped_cleanly_ = done && clean;
  ++counts_.stops;
  Trace(stopped_cleanly_ ? "stopped cleanly" : "stopped, not cleanly");
  checker_.Died(false);
  server_.reset();
  waitings_.clear();
  inbox_.clear();
  requests_.clear();
  sessions_.clear();
  if (random.OneIn(3)) CutPower(random);
}

// Killed, and perhaps the machine with it.
void World::Die(Random& random, bool may_tear) {
  ++counts_.kills;
  Trace("killed");
  checker_.Died(false);
  server_.reset();
  waitings_.clear();
  inbox_.clear();
  requests_.clear();
  sessions_.clear();
  stopped_cleanly_ = false;
  if (may_tear && random.OneIn(2)) Tear();
  if (random.OneIn(power_one_in_)) CutPower(random);
}

void World::Tear() {
  disk_.TearHeaders();
  torn_ = true;
}

// Without a server.
void World::CutPower(Random& random) {
  ++counts_.power_cuts;
  Trace("power cut");
  // After a clean stop there was nothing that it could take.
  if (!stopped_cleanly_) {
    checker_.Died(true);
    lost_power_ = true;
  }
  // Not both: a header that is torn, and the other copy of it lost. Such a server does not start,
  // and says so.
  if (torn_) disk_.WriteSome(1);
  disk_.CutPower();
  ++boots_;
  // A boot takes its time.
  now_us_ += random.Between(1'000, 20'000);
  // On another machine, perhaps, that has run for long.
  booted_us_ = now_us_ - (random.OneIn(4) ? random.Below(now_us_) : 1'000);
}

bool World::OpenPool(uint32_t index, std::string& why) {
  const PoolOptions& options = pools_[index];
  PoolRun& pool = server_->pools[index];
  pool.file = store::PoolFile::Open(
      options_.folder, {.name = options.name, .capacity = options.capacity, .description = "ids"},
      lease::LeaseTable::RecordBytes(options.capacity), why);
  if (pool.file == nullptr) return false;
  lease::LeaseTable::Recovery found;
  if (!pool.file->fresh()) {
    found = lease::LeaseTable::Recover(pool.file->records(), options.capacity, lease_now());
  }
  lease::LeasePool::Options made;
  made.pool.capacity = options.capacity;
  made.pool.slots = slots_;
  made.secret = pool.file->secret();
  made.records = pool.file->records();
  made.first_fence = pool.file->BeginEpoch(found.highest_fence, why);
  if (made.first_fence == 0) return false;
  made.grace_until = pool.file->fresh() ? 0 : server_->state->GraceUntil(options.ttl_max_ms);
  made.rest_ms = options.rest_ms;
  made.dirty_unless_returned = options.dirty_unless_returned;
  for (uint32_t at = 0; at < options.capacity; at += options.stripe) {
    made.labels.push_back({.first = at,
                           .last = std::min(at + options.stripe, options.capacity) - 1,
                           .labels = {{"class", std::to_string(options.ClassOf(at))}}});
  }
  made.on_served = [this](lease::Waiter& waiter) {
    auto& waiting = static_cast<Waiting&>(waiter);
    checker_.Served(waiting);
    inbox_.push_back(&waiting);
  };
  pool.leases = lease::LeasePool::Create(made, why);
  return pool.leases != nullptr;
}

// As server/service/pool_set.cc and server/server.cc do it.
void World::Open(std::string& why) {
  store::BootId boot{};
  const std::string text = "boot " + std::to_string(boots_);
  std::ranges::copy(text, boot.begin());
  server_ = std::make_unique<Server>();
  server_->pools.resize(pools_.size());
  server_->state = store::StateDir::Open(options_.folder, boot, boot_ms(), why);
  if (server_->state == nullptr) return;
  for (uint32_t i = 0; i < pools_.size(); ++i) {
    if (OpenPool(i, why)) continue;
    if (why.empty()) why = "for no reason";
    return;
  }
}

void World::StartRound(Random& random) {
  ++counts_.starts;
  disk_.Remember();
  disk_.SetFaults(faults_);
  const uint64_t failures = disk_.failures();
  std::string why;
  const std::array<std::function<void()>, 1> open = {[&] { Open(why); }};
  const bool dies = random.OneIn(uint64_t{kill_one_in_} * 2);
  const uint64_t stop_before = dies ? random.Between(1, kStepsOfStart) : 0;
  bool done = Go(open, random, stop_before, true) && why.empty();
  disk_.SetFaults({});
  if (done) {
    std::vector<std::function<void()>> bodies;
    for (uint32_t worker = 0; worker < workers_; ++worker) {
      bodies.emplace_back([this, worker] {
        for (const PoolRun& pool : server_->pools) {
          OBJPOOL_CHECK(pool.leases->Attach(worker), "there is memory");
        }
      });
    }
    done = Go(bodies, random, dies && random.OneIn(2) ? random.Between(1, kStepsOfStart) : 0, true);
  }
  if (checker_.failed()) return;
  if (!done) {
    if (!why.empty() && failures == disk_.failures()) checker_.Fail("cannot start: " + why);
    Trace("did not start: " + (why.empty() ? "killed" : why));
    ++counts_.failed_starts;
    server_.reset();
    stopped_cleanly_ = false;
    if (why.empty() && random.OneIn(2)) Tear();
    if (random.OneIn(power_one_in_)) CutPower(random);
    return;
  }
  Trace("started at " + std::to_string(lease_now()) + (lost_power_ ? ", after a power cut" : ""));
  for (uint32_t i = 0; i < pools_.size(); ++i) {
    const PoolRun& pool = server_->pools[i];
    checker_.Started(i, {pool.leases.get(), pool.file->records()}, lost_power_);
  }
  lost_power_ = stopped_cleanly_ = torn_ = false;
}

// By nothing, by little, by much, or to about a moment at which something is due.
void World::PassTime(Random& random, bool at_work) {
  const uint64_t longest = pools_[random.Below(pools_.size())].ttl_max_ms * 1000;
  switch (random.Below(at_work ? 8 : 6)) {
    case 0:
    case 1:
      break;
    case 2:
      now_us_ += random.Below(1'000);
      break;
    case 3:
      now_us_ += random.Between(1, 3) * 1'000;
      break;
    case 4:
      now_us_ += random.Below(longest / 4);
      break;
    case 7:
      now_us_ += random.Below(longest + 1'000);
      break;
    default: {
      if (moments_.empty() || server_ == nullptr || server_->state == nullptr) break;
      const lease::BootMs moment = moments_[random.Below(moments_.size())];
      const lease::BootMs now = lease_now();
      if (moment <= now) break;
      TrueUs to_us = now_us_ + ((moment - now) * 1'000) - ((now_us_ - booted_us_) % 1'000);
      to_us -= random.Below(3);  // exactly, or just before
      if (random.OneIn(4)) to_us += 1'000;
      now_us_ = std::max(now_us_, to_us);
    }
  }
}

// No more faults: everything comes home, is there, and can be had.
void World::EndOfAll(Random& random) {
  kill_one_in_ = 0;
  faults_ = {};
  if (server_ == nullptr) StartRound(random);
  if (checker_.failed()) return;
  for (std::vector<Operation>& plan : plans_) plan.clear();
  uint64_t longest = 0;
  std::vector<Operation>& plan = plans_[0];
  for (uint32_t i = 0; i < pools_.size(); ++i) {
    longest = std::max(longest, pools_[i].rest_ms);
    plan.push_back({.kind = Kind::kDrain, .pool = i});
    for (const auto& waiting : waitings_) {
      if (waiting->pool != i || !waiting->queued) continue;
      plan.push_back({.kind = Kind::kStopWaiting, .pool = i, .fence = waiting->number});
    }
  }
  const std::array<std::function<void()>, 1> work = {[this] { Work(0); }};
  (void)Go(work, random, 0, false);
  for (int round = 0; round < 2 && !checker_.failed(); ++round) {
    // Twice: what has run out begins to rest.
    const lease::BootMs last = std::max(lease_now(), checker_.LastDeadline()) + longest + 2;
    now_us_ += (last - lease_now()) * 1'000;
    std::vector<std::function<void()>> bodies;
    for (uint32_t worker = 0; worker < workers_; ++worker) {
      bodies.emplace_back([this, worker] { Work(worker); });
      plans_[worker].clear();
      for (uint32_t i = 0; i < pools_.size(); ++i) {
        // More than a share has pieces.
        for (uint32_t n = 0; n <= pools_[i].capacity / 256 + 1; ++n) {
          plans_[worker].push_back({.kind = Kind::kSweep, .pool = i});
        }
      }
    }
    (void)Go(bodies, random, 0, false);
    if (!checker_.failed()) checker_.AtRest(lease_now());
  }
  plans_[0].clear();
  for (uint32_t i = 0; i < pools_.size(); ++i) {
    if (!checker_.failed()) checker_.AllHome(i);
    plan.push_back({.kind = Kind::kResume, .pool = i});
    for (const bool dirty : {false, true}) {
      const uint32_t count = std::min(pools_[i].capacity, lease::kMaxBatch);
      plan.push_back({.kind = Kind::kLease,
                      .pool = i,
                      .count = count,
                      .min_count = 1,
                      .ttl_ms = 1,
                      .dirty = dirty});
    }
  }
  if (checker_.failed()) return;
  (void)Go(work, random, 0, false);
  if (!checker_.failed()) checker_.AtRest(lease_now());
}

}  // namespace objpool::sim
