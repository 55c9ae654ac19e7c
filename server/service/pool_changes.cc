#include "server/service/pool_changes.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "server/config/check.h"

namespace objpool::server {
namespace {

// How often the thread looks at what workers do.
constexpr std::chrono::milliseconds kLookEvery{5};

}  // namespace

PoolChanges::PoolChanges(PoolSet& pools, Hooks hooks)
    : pools_(pools), hooks_(std::move(hooks)), finished_(pools.maker().slots().slots()) {
  thread_ = std::thread([this] { Run(); });
}

PoolChanges::~PoolChanges() { Stop(); }

void PoolChanges::Stop() {
  {
    const std::scoped_lock lock(lock_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::optional<google::rpc::Status> PoolChanges::Create(const CallInfo& info, const PoolSpec& spec,
                                                       Done done) {
  std::string why;
  if (!hooks_.has_room(pools_.maker().MemoryBytes(spec), why)) return NoRoom(spec.name, why);
  const std::size_t pools = pools_.pools().size();
  const std::scoped_lock lock(lock_);
  if (pools_.Find(spec.name) != nullptr || making_.contains(spec.name)) {
    return PoolExists(spec.name);
  }
  for (const Ending& ending : endings_) {
    if (ending.name == spec.name) return PoolExists(spec.name);
  }
  if (pools + making_.size() + endings_.size() >= kMaxPools) return TooManyPools(kMaxPools);
  auto refused = Take(info, {.spec = spec, .done = std::move(done)});
  if (!refused) making_.insert(spec.name);
  return refused;
}

std::optional<google::rpc::Status> PoolChanges::Look(const CallInfo& info, const PoolSpec& spec,
                                                     LookAt look, Done done) {
  const std::scoped_lock lock(lock_);
  return Take(info, {.spec = spec, .look = std::move(look), .done = std::move(done)});
}

// Behind the lock.
std::optional<google::rpc::Status> PoolChanges::Take(const CallInfo& info, Order order) {
  if (orders_.size() >= kMaxQueued) {
    return Overloaded(order.spec.name, lease::LeasePool::kMaxRetryMs);
  }
  order.call = info.call;
  order.worker = info.worker;
  orders_.push_back(std::make_unique<Order>(std::move(order)));
  changed_.notify_all();
  return std::nullopt;
}

void PoolChanges::Delete(NamedPool& pool) {
  const std::scoped_lock lock(lock_);
  if (pool.deleting.exchange(true)) return;
  pool.leases->SetDraining(true);
  endings_.push_back({&pool, pool.spec.name, pools_.NextGeneration()});
  changed_.notify_all();
}

void PoolChanges::Turn(uint32_t worker, bool shutting_down) {
  if (finished_count_.load(std::memory_order_acquire) == 0 && !shutting_down) return;
  std::vector<std::unique_ptr<Order>> finished;
  {
    const std::scoped_lock lock(lock_);
    finished.swap(finished_[worker]);
    finished_count_.fetch_sub(static_cast<uint32_t>(finished.size()), std::memory_order_relaxed);
    for (auto order = orders_.begin(); shutting_down && order != orders_.end();) {
      if ((*order)->worker != worker) {
        ++order;
        continue;
      }
      (*order)->error = ShuttingDown();
      if (!(*order)->look) making_.erase((*order)->spec.name);
      finished.push_back(std::move(*order));
      order = orders_.erase(order);
    }
  }
  for (const std::unique_ptr<Order>& order : finished) {
    order->done(*order->call, order->error, pools_.Find(order->spec.name));
  }
}

void PoolChanges::Run() {
  std::unique_lock lock(lock_);
  while (!stopping_) {
    if (!orders_.empty()) {
      std::unique_ptr<Order> order = std::move(orders_.front());
      orders_.pop_front();
      lock.unlock();
      order->look ? LookAtOne(*order) : MakeOne(*order);
      lock.lock();
      const uint32_t worker = order->worker;
      if (!order->look) making_.erase(order->spec.name);
      finished_[worker].push_back(std::move(order));
      finished_count_.fetch_add(1, std::memory_order_release);
      hooks_.wake(worker);
    } else if (!endings_.empty()) {
      EndSome(lock);
      changed_.wait_for(lock, kLookEvery);
    } else {
      changed_.wait(lock);
    }
  }
}

void PoolChanges::MakeOne(Order& order) {
  std::string why;
  auto pool = pools_.maker().Make(order.spec, hooks_.now(), why);
  if (pool == nullptr) {
    order.error =
        order.spec.durable ? StateUnusable(order.spec.name, why) : NoRoom(order.spec.name, why);
    return;
  }
  if (!hooks_.keep(order.spec, true, why)) {
    order.error = StateUnusable(order.spec.name, why);
    return;
  }
  const std::shared_ptr<PoolSet::Joining> joining = pools_.Offer(std::move(pool));
  std::unique_lock lock(lock_);
  while (!joining->over() && !stopping_) changed_.wait_for(lock, kLookEvery);
  if (joining->serves()) return;
  order.error =
      stopping_ ? ShuttingDown() : NoRoom(order.spec.name, "no memory for the share of a worker");
  if (!stopping_) hooks_.forget(order.spec.name);
}

void PoolChanges::LookAtOne(Order& order) {
  const NamedPool* found = nullptr;
  {
    const PoolSet::Held held = pools_.pools();
    const auto at = std::ranges::find(held.list(), order.spec.name,
                                      [](const NamedPool* pool) { return pool->spec.name; });
    if (at != held.list().end()) found = *at;
  }
  if (found == nullptr) {
    order.error = PoolUnknown(order.spec.name);
    return;
  }
  order.look(*found);  // nobody else ends pools
}

// One step of each pool that is being deleted. Forgetting and deleting files is done without the
// lock: workers take it.
void PoolChanges::EndSome(std::unique_lock<std::mutex>& lock) {
  std::vector<Ending> endings = endings_;
  lock.unlock();
  std::vector<std::string> gone;
  for (Ending& ending : endings) {
    if (Step(ending)) gone.push_back(ending.name);
  }
  lock.lock();
  for (const Ending& ending : endings) {
    const auto at = std::ranges::find(endings_, ending.name, &Ending::name);
    *at = ending;
  }
  std::erase_if(endings_, [&](const Ending& ending) {
    return std::ranges::find(gone, ending.name) != gone.end();
  });
}

// True when the pool is gone.
bool PoolChanges::Step(Ending& ending) {
  if (!ending.forgotten) {
    hooks_.forget(ending.name);
    ending.forgotten = true;
  }
  // Until all have passed, somebody may still lease who had not seen that it drains.
  if (!pools_.AllPassed(ending.generation)) return false;
  if (!ending.withdrawn) {
    const lease::LeasePool& leases = *ending.pool->leases;
    if (leases.Totals().active() != 0 || leases.LookAtWaiting().waiters != 0) return false;
    ending.generation = pools_.Withdraw(*ending.pool);
    ending.withdrawn = true;
    return false;
  }
  const bool has_file = ending.pool->file != nullptr;
  pools_.Destroy(*ending.pool);
  if (has_file) hooks_.remove_file(ending.name);
  return true;
}

}  // namespace objpool::server
