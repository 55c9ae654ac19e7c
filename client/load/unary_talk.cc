#include "client/load/unary_talk.h"

#include <utility>

namespace objpool::load {

UnaryTalk::UnaryTalk(CallScript& script, uint32_t cycles, Tally& tally)
    : script_(script), paths_(script.paths()), tally_(tally), cycles_(cycles) {}

void UnaryTalk::Begin(FrameConnection& connection) {
  connection_ = &connection;
  running_ = calls();
  for (uint32_t place = 0; place < calls(); ++place) BeginCycle(place);
}

void UnaryTalk::BeginCycle(uint32_t place) {
  if (tally_.stopping) {
    --running_;
    return;
  }
  Cycle& cycle = cycles_[place];
  cycle.call = 0;
  cycle.began_ns = tally_.now_ns;
  cycle.reply.clear();
  Ask(place);
}

void UnaryTalk::Ask(uint32_t place) {
  Cycle& cycle = cycles_[place];
  std::string why;
  cycle.request.clear();
  if (!script_.Request(cycle.call, cycle.reply, cycle.request, why)) {
    --running_;
    return tally_.Broken(std::move(why));
  }
  cycle.replies = 0;
  connection_->Call(place, cycle.call, cycle.request);
}

void UnaryTalk::OnMessage(uint32_t place, std::string_view message) {
  ++cycles_[place].replies;
  cycles_[place].reply.assign(message);
}

void UnaryTalk::OnEnd(uint32_t place, uint32_t status) {
  Cycle& cycle = cycles_[place];
  if (status != 0) {
    tally_.Failed(paths_[cycle.call] + " ended with grpc-status " +
                  (status == FrameConnection::kNoStatus ? "missing" : std::to_string(status)));
    return BeginCycle(place);
  }
  if (cycle.replies != 1) tally_.Broken(paths_[cycle.call] + " was not answered with one message");
  ++tally_.calls_ok;
  if (++cycle.call < paths_.size()) return Ask(place);
  std::string why;
  if (!script_.Finish(cycle.reply, why)) tally_.Broken(std::move(why));
  tally_.Cycle(cycle.began_ns);
  BeginCycle(place);
}

}  // namespace objpool::load
