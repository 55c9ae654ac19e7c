// What the holders of a CachedPool's handles call. Its thread is in cached_pool_thread.cc.
#include "client/cached_pool.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "client/kept.h"
#include "pool/base/check.h"

namespace objpool::client {
namespace {

// Twice what the coarse clock may be late.
constexpr Milliseconds kLeastLeft{20};

// The pool has not so many handles.
bool AsksTooMany(const Error& error) {
  return error.reason == "BAD_FIELD" &&
         std::ranges::any_of(error.fields, [](const FieldViolation& violation) {
           return violation.field == "count";
         });
}

}  // namespace

CachedGrant::CachedGrant(CachedGrant&& other) noexcept
    : pool_(other.pool_), slot_(std::exchange(other.slot_, nullptr)) {}

CachedGrant& CachedGrant::operator=(CachedGrant&& other) noexcept {
  if (this == &other) return *this;
  if (slot_ != nullptr) pool_->Return(*slot_);
  pool_ = other.pool_;
  slot_ = std::exchange(other.slot_, nullptr);
  return *this;
}

CachedGrant::~CachedGrant() {
  if (slot_ != nullptr) pool_->Return(*slot_);
}

void CachedGrant::Discard(v1::Disposition disposition) {
  OBJPOOL_CHECK(slot_ != nullptr, "this CachedGrant holds nothing");
  slot_->grant.SetDisposition(disposition);
  pool_->Discard(*std::exchange(slot_, nullptr));
}

CachedPool::CachedPool(Keeper& keeper, CachedPoolOptions options)
    : keeper_(keeper), options_(std::move(options)), slots_(options_.max_total), uses_(kPlaces) {
  OBJPOOL_CHECK(options_.batch >= 1 && options_.batch <= kMaxBatch && options_.max_total >= 1 &&
                    options_.min_idle <= options_.max_idle,
                "batch, max_total and min_idle have their ranges");
  for (Number number = options_.max_total; number != 0; --number) free_.push_back(number);
  PublishSuspension();
  thread_ = std::thread([this] { Run(); });
}

CachedPool::~CachedPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    wake_.notify_all();
  }
  thread_.join();
  std::size_t home = free_.size() + idle_.size() + aside_.size();
  for (uint32_t place = 0; place < kPlaces; ++place) {
    while (cells_.Rob(place) != 0) ++home;
  }
  OBJPOOL_CHECK(home == slots_.size(), "a CachedGrant outlives its CachedPool");
}

CachedPool::Stats CachedPool::stats() const {
  const std::lock_guard lock(mutex_);
  return {.total = slots_.size() - free_.size(), .aside = aside_.size(), .fetches = fetches_};
}

LeaseClock::time_point CachedPool::CoarseNow() const {
  timespec time{};
  (void)::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return LeaseClock::time_point(
      std::chrono::seconds(time.tv_sec) +
      std::chrono::nanoseconds(time.tv_nsec + suspended_ns_.load(std::memory_order_relaxed)));
}

bool CachedPool::Fresh(Number number) const {
  const Slot& slot = slots_[number - 1];
  return slot.deadline->end() - slot.least_left > CoarseNow();
}

CachedPool::Number CachedPool::NumberOf(const Slot& slot) const {
  return static_cast<Number>(&slot - slots_.data()) + 1;
}

CachedGrant CachedPool::Lease(Error& why) {
  const uint32_t place = IdleCells::OwnPlace();
  if (place != kPlaces) [[likely]] {
    const Number number = cells_.Take(place);
    if (number != 0) [[likely]] {
      if (Fresh(number)) [[likely]] {
        return Give(number);
      }
      PutAside(number);
    }
  }
  return LeaseSlowly(place, why);
}

void CachedPool::Return(Slot& slot) {
  const Number number = NumberOf(slot);
  const uint32_t place = IdleCells::OwnPlace();
  if (place != kPlaces && cells_.Put(place, number)) [[likely]] {
    return;
  }
  PutShared(place, number);
}

void CachedPool::Discard(Slot& slot) {
  Grant gone;
  const std::lock_guard lock(mutex_);
  gone = Empty(NumberOf(slot));
}

Grant CachedPool::Empty(Number number) {
  free_.push_back(number);
  return std::move(slots_[number - 1].grant);
}

void CachedPool::PutAside(Number number) {
  const std::lock_guard lock(mutex_);
  aside_.push_back(number);
}

void CachedPool::PutShared(uint32_t place, Number number) {
  std::vector<Grant> gone;  // destroyed without the lock
  const std::lock_guard lock(mutex_);
  idle_.push_back(number);
  // Some of this thread's go along, so that the next ones find room there.
  for (uint32_t i = 0; place != kPlaces && i < IdleCells::kCells / 2; ++i) {
    if (const Number more = cells_.Take(place); more != 0) idle_.push_back(more);
  }
  while (idle_.size() > options_.max_idle) {
    gone.push_back(Empty(idle_.front()));
    idle_.pop_front();
  }
}

CachedPool::Number CachedPool::TakeShared(uint32_t place) {
  {
    const std::lock_guard lock(mutex_);
    Number taken = 0;
    uint32_t room = place == kPlaces ? 0 : IdleCells::kCells / 2;
    while (!idle_.empty() && (taken == 0 || room != 0)) {
      const Number number = idle_.back();
      idle_.pop_back();
      if (!Fresh(number)) {
        aside_.push_back(number);
      } else if (taken == 0) {
        taken = number;
      } else if (cells_.Put(place, number)) {
        --room;
      } else {
        idle_.push_back(number);
        break;
      }
    }
    least_idle_ = std::min(least_idle_, idle_.size());
    if (idle_.size() < options_.min_idle && !low_ && !free_.empty()) {
      low_ = true;
      wake_.notify_one();
    }
    if (taken != 0) return taken;
  }
  return RobOthers();
}

CachedPool::Number CachedPool::RobOthers() {
  for (uint32_t place = 0; place < kPlaces; ++place) {
    while (const Number number = cells_.Rob(place)) {
      if (Fresh(number)) return number;
      PutAside(number);
    }
  }
  return 0;
}

CachedGrant CachedPool::LeaseSlowly(uint32_t place, Error& why) {
  const uint64_t before = stats().fetches;
  if (const Number number = TakeShared(place); number != 0) return Give(number);
  const std::lock_guard fetching(fetch_mutex_);
  if (const Number number = TakeShared(place); number != 0) return Give(number);
  // Somebody has asked meanwhile: all those who wait get one answer, not one after the other.
  if (stats().fetches != before && !fetch_error_.ok()) {
    why = fetch_error_;
    return {};
  }
  const Number number = Fetch(options_.batch, why);
  return number == 0 ? CachedGrant() : Give(number);
}

CachedPool::Number CachedPool::Fetch(uint32_t count, Error& why) {
  std::vector<Number> numbers;
  {
    const std::lock_guard lock(mutex_);
    while (!free_.empty() && numbers.size() < count) {
      numbers.push_back(free_.back());
      free_.pop_back();
    }
    if (!numbers.empty()) ++fetches_;
  }
  if (numbers.empty()) {
    why = {};
    why.code = grpc::StatusCode::RESOURCE_EXHAUSTED;
    why.message = "all " + std::to_string(slots_.size()) +
                  " handles of the cache are in use, or wait for a renewal";
    return 0;
  }
  v1::LeaseRequest request;
  request.set_pool(options_.pool);
  request.set_holder(options_.holder);
  request.set_count(std::min(static_cast<uint32_t>(numbers.size()), most_));
  request.set_min_count(1);
  if (options_.ttl.count() != 0) *request.mutable_ttl() = ProtoDuration(options_.ttl);
  Result<std::vector<Grant>> leased = keeper_.Lease(request, options_.on_lost);
  while (AsksTooMany(leased.error) && request.count() > 1) {
    most_ = request.count() / 2;
    request.set_count(most_);
    leased = keeper_.Lease(request, options_.on_lost);
  }
  fetch_error_ = leased.error;
  why = std::move(leased.error);
  const std::lock_guard lock(mutex_);
  Number first = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i >= leased.value.size()) {
      free_.push_back(numbers[i]);
      continue;
    }
    Fill(slots_[numbers[i] - 1], std::move(leased.value[i]));
    if (!Fresh(numbers[i])) {
      aside_.push_back(numbers[i]);
    } else if (first == 0) {
      first = numbers[i];
    } else {
      idle_.push_back(numbers[i]);
    }
  }
  if (first == 0 && why.ok()) {
    why.code = grpc::StatusCode::DEADLINE_EXCEEDED;
    why.message = "what was leased has too little time left";
  }
  return first;
}

void CachedPool::Fill(Slot& slot, Grant grant) const {
  slot.grant = std::move(grant);
  slot.deadline = &slot.grant.kept_->deadline;
  const LeaseClock::duration left = slot.grant.left();
  const LeaseClock::duration wanted =
      options_.least_left.count() == 0 ? left / 4 : LeaseClock::duration(options_.least_left);
  slot.least_left = std::max<LeaseClock::duration>(std::min(wanted, left / 3), kLeastLeft);
}

}  // namespace objpool::client
