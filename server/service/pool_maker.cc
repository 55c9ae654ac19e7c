#include "server/service/pool_maker.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

namespace objpool::server {
namespace {

// What grants of the pool mean, in full: a file of one meaning is of no use to another.
std::string Describe(const PoolSpec& spec) {
  struct {
    std::string operator()(const IdsSpec& ids) const {
      return "ids from " + std::to_string(ids.first);
    }
    std::string operator()(const LabelsSpec& labels) const {
      std::string text = "labels";
      for (const std::string& label : labels.labels) text.append(" \"").append(label).append("\"");
      return text;
    }
    std::string operator()(const BuffersSpec& buffers) const {
      return "buffers of " + std::to_string(buffers.size_bytes) + " bytes";
    }
  } describe;
  return std::visit(describe, spec.kind);
}

// Above every fence of an earlier volatile pool of this name: nanoseconds go by faster than one
// handle can be leased, so no grant of the past reaches a fence of the future, as long as the wall
// clock does not go back between two starts.
uint64_t FirstFence() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

}  // namespace

// What does not fit is asked anew, should it be asked again.
void PoolMaker::RestoreRequests(const store::PoolFile& file, uint32_t capacity) const {
  if (file.fresh() || options_.requests == nullptr) return;
  lease::LeaseTable::VisitRequests(
      file.records(), capacity,
      [&](const lease::RequestHash& request, Handle handle, uint64_t fence,
          lease::BootMs deadline) {
        const uint64_t key = lease::MakeKey(file.secret(), 0, handle, fence);
        (void)options_.requests->Restore(request, {handle, fence, key}, deadline);
      });
}

// Opens the pool's file and takes up what an earlier server left in it.
bool PoolMaker::OpenFile(NamedPool& pool, lease::BootMs now, lease::LeasePool::Options& options,
                         std::string& why) const {
  const uint32_t capacity = options.pool.capacity;
  pool.file = store::PoolFile::Open(
      options_.state->path(),
      {.name = pool.spec.name, .capacity = capacity, .description = Describe(pool.spec)},
      lease::LeaseTable::RecordBytes(capacity), why);
  if (pool.file == nullptr) return false;
  lease::LeaseTable::Recovery found;
  if (!pool.file->fresh()) {
    found = lease::LeaseTable::Recover(pool.file->records(), capacity, now,
                                       options_.state->after_cut());
  }
  RestoreRequests(*pool.file, capacity);
  options.id = 0;  // the secret is the pool's own
  options.secret = pool.file->secret();
  options.records = pool.file->records();
  const bool complete = pool.file->fresh() || (pool.file->was_on_disk() && pool.spec.on_disk);
  options.grace_until = complete ? 0 : options_.state->GraceUntil(pool.spec.ttl_max_ms);
  options.first_fence = pool.file->BeginEpoch(found.highest_fence, why, pool.spec.on_disk);
  return options.first_fence != 0;
}

std::unique_ptr<NamedPool> PoolMaker::Make(const PoolSpec& spec, lease::BootMs now,
                                           std::string& why) {
  auto pool = std::make_unique<NamedPool>(spec);
  const auto* const buffers = std::get_if<BuffersSpec>(&spec.kind);
  lease::LeasePool::Options options;
  options.id = next_id_++;
  pool->low_free_noted_by = options.id % options_.slots->slots();
  options.secret = secret_;
  options.on_served = options_.on_served;
  options.max_waiters = spec.max_waiters;
  options.rest_ms = spec.reuse_delay_ms;
  options.dirty_unless_returned = spec.dirty_unless_returned;
  options.labels = spec.handle_labels;
  options.quota = spec.quota;
  options.pool.slots = options_.slots;
  options.pool.capacity = CapacityOf(spec);
  options.pool.return_home = buffers != nullptr;
  if (spec.durable) {
    if (!OpenFile(*pool, now, options, why)) return nullptr;
  } else {
    options.first_fence = FirstFence();
    if (spec.restart_wait_ms != 0) options.grace_until = now + spec.restart_wait_ms;
  }
  if (buffers != nullptr) {
    pool->memory = ObjectMemory::Create({.capacity = buffers->count,
                                         .size_bytes = buffers->size_bytes,
                                         .shared = true,
                                         .slots = options_.slots},
                                        why);
    if (pool->memory == nullptr) return nullptr;
    pool->transfers = std::vector<BufferCell>(options_.slots->slots());
  }
  if (buffers != nullptr && spec.scrub) {
    pool->scrub = std::make_unique<BufferScrub>(*pool->memory, options_.slots->slots());
    options.is_ready = [of = pool.get()](SlotId worker, Handle handle) {
      return of->scrub->IsDone(*of->leases, worker, handle);
    };
  }
  pool->leases = lease::LeasePool::Create(options, why);
  if (pool->leases == nullptr) return nullptr;
  pool->leases->SetDraining(spec.durable && pool->file->draining());
  return pool;
}

uint64_t PoolMaker::MemoryBytes(const PoolSpec& spec) const {
  const auto* const buffers = std::get_if<BuffersSpec>(&spec.kind);
  const uint32_t capacity = CapacityOf(spec);
  // Each range may be a class, and what is in none is one.
  const auto classes = static_cast<uint32_t>(
      std::min<std::size_t>(spec.handle_labels.size() + 1, lease::kMaxClasses));
  return lease::LeasePool::MostBytes(capacity, classes, options_.slots->slots(), spec.durable) +
         (buffers == nullptr ? 0 : uint64_t{capacity} * buffers->size_bytes);
}

}  // namespace objpool::server
