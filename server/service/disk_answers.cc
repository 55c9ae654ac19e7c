#include "server/service/disk_answers.h"

#include <cstring>
#include <utility>

#include "server/service/errors.h"

namespace objpool::server {
namespace {

using State = store::GroupCommit::State;

// Only files that were stored in since: the others have nothing to write.
bool SyncStored(const PoolSet& pools, std::string& why) {
  for (NamedPool& pool : pools.pools()) {
    if (!pool.stored.exchange(false, std::memory_order_acq_rel)) continue;
    if (!pool.file->Sync(why)) return false;
  }
  return true;
}

}  // namespace

DiskAnswers::DiskAnswers(PoolSet& pools, uint32_t workers,
                         std::function<void(uint32_t worker)> wake)
    : desks_(workers),
      commit_({.sync = [&pools](std::string& why) { return SyncStored(pools, why); },
               .on_done =
                   [wake = std::move(wake), workers] {
                     for (uint32_t worker = 0; worker < workers; ++worker) wake(worker);
                   }}) {}

DiskAnswers::~DiskAnswers() = default;

uint64_t DiskAnswers::TicketFor(const NamedPool& pool) {
  if (!pool.spec.on_disk) return 0;
  pool.stored.store(true, std::memory_order_release);
  return commit_.Take();
}

void DiskAnswers::Hold(rpc::UnaryCall& call, uint64_t ticket, std::string reply) {
  desks_[call.worker()].held.push_back({&call, ticket, std::move(reply)});
}

void DiskAnswers::Turn(uint32_t worker) {
  Desk& desk = desks_[worker];
  std::size_t answered = 0;
  for (; answered < desk.held.size(); ++answered) {
    const Held& held = desk.held[answered];
    const State state = commit_.StateOf(held.ticket);
    if (state == State::kPending) break;
    if (state == State::kFailed) {
      held.call->Finish(ToCallStatus(DiskFailed(why())));
      continue;
    }
    std::memcpy(held.call->AllocateReply(held.reply.size()), held.reply.data(), held.reply.size());
    held.call->Finish({});
  }
  desk.held.erase(desk.held.begin(), desk.held.begin() + static_cast<std::ptrdiff_t>(answered));
}

}  // namespace objpool::server
