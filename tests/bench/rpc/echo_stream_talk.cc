#include "tests/bench/rpc/echo_stream_talk.h"

#include <utility>

namespace objpool::bench {

EchoStreamTalk::EchoStreamTalk(uint32_t window, load::Tally& tally)
    : window_(window), tally_(tally), script_(1), calls_of_cycle_(script_.paths().size()) {}

std::vector<std::string> EchoStreamTalk::paths() const {
  return {"/" + std::string(kEchoService) + "/" + std::string(kEchoStreamMethod)};
}

void EchoStreamTalk::Begin(load::FrameConnection& connection) {
  connection_ = &connection;
  connection_->Open(0, 0);
  for (uint32_t i = 0; i < window_; ++i) Ask(0, tally_.now_ns, {});
}

void EchoStreamTalk::Ask(std::size_t call, uint64_t began_ns, std::string_view reply) {
  if (call == 0 && tally_.stopping) return;
  std::string why;
  request_.clear();
  if (!script_.Request(call, reply, request_, why)) return tally_.Broken(std::move(why));
  asked_.push_back({call, began_ns});
  connection_->Send(0, request_);
}

void EchoStreamTalk::OnMessage(uint32_t /*place*/, std::string_view message) {
  if (asked_.empty()) return tally_.Broken("the stream answers what was not asked");
  const Asked asked = asked_.front();
  asked_.pop_front();
  ++tally_.calls_ok;
  if (asked.call + 1 < calls_of_cycle_) return Ask(asked.call + 1, asked.began_ns, message);
  std::string why;
  if (!script_.Finish(message, why)) return tally_.Broken(std::move(why));
  tally_.Cycle(asked.began_ns);
  Ask(0, tally_.now_ns, {});
}

void EchoStreamTalk::AfterBurst() {
  if (tally_.stopping) Stop();
}

// A message without a length is the last.
void EchoStreamTalk::Stop() {
  if (!asked_.empty() || over_ || std::exchange(closed_, true)) return;
  connection_->Send(0, {});
}

void EchoStreamTalk::OnEnd(uint32_t /*place*/, uint32_t status) {
  over_ = true;
  if (status != 0 || !closed_) {
    tally_.Broken("the stream ended with grpc-status " + std::to_string(status));
  }
}

}  // namespace objpool::bench
