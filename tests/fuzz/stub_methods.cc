#include "tests/fuzz/stub_methods.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "pool/base/check.h"

namespace objpool::fuzz {
namespace {

constexpr int kTurnsOfLater = 3;

uint8_t ByteOf(std::string_view text, std::size_t at) {
  return at < text.size() ? static_cast<uint8_t>(text[at]) : uint8_t{0};
}

void Reply(rpc::UnaryCall& call, std::string_view text) {
  const std::string copy(text);  // the request may move
  std::ranges::copy(copy, call.AllocateReply(copy.size()));
  call.Finish({});
}

void Fail(rpc::UnaryCall& call) {
  const std::string_view request = call.request();
  rpc::Status status;
  status.code = static_cast<rpc::Code>(1 + ByteOf(request, 0) % (rpc::kCodes - 1));
  status.message = request;
  status.details = std::string(ByteOf(request, 1) * std::size_t{32}, 'd');
  status.retry_ms = ByteOf(request, 2);
  call.Finish(status);
}

void Big(rpc::UnaryCall& call) {
  const std::string_view request = call.request();
  const std::size_t bytes = ByteOf(request, 0) * std::size_t{256} + ByteOf(request, 1);
  std::memset(call.AllocateReply(bytes), 'b', bytes);
  call.Finish({});
}

}  // namespace

// Answers each message with itself, or does what its first byte says: 'q' ends the stream, 'e' by
// an error, 'n' wants no more until all has left, 'p' pours a number of messages, a few at a time.
class StubStream final : public rpc::StreamHandler {
 public:
  StubStream(StubMethods& owner, rpc::StreamCall& call) : owner_(owner), call_(call) {
    ++owner_.streams_;
  }
  ~StubStream() override { --owner_.streams_; }

  void OnMessage(std::string_view message) override {
    OBJPOOL_CHECK(!over_ && !half_closed_, "no message comes behind the end");
    OBJPOOL_CHECK(wants_, "no message comes that is not wanted");
    const char first = static_cast<char>(ByteOf(message, 0));
    if (first == 'q') return Finish({});
    if (first == 'e') return Finish({rpc::Code::kAborted, std::string(message), "details"});
    if (first == 'n') wants_ = false;
    if (first == 'p') to_pour_ = ByteOf(message, 1);
    if (first == 'p') return Pour();
    if (!call_.Send(message)) Finish({rpc::Code::kResourceExhausted, "slow", {}});
  }
  [[nodiscard]] bool WantsMessage() const override { return wants_; }
  void OnHalfClose() override {
    OBJPOOL_CHECK(!over_ && !std::exchange(half_closed_, true), "the client ends once");
    if (to_pour_ == 0) Finish({});
  }
  void OnSent() override {
    OBJPOOL_CHECK(!over_, "nothing leaves behind the end");
    wants_ = true;
    Pour();
  }
  void OnGone() override { OBJPOOL_CHECK(!std::exchange(over_, true), "a stream is over once"); }
  void OnTick() override { OBJPOOL_CHECK(!over_, "no time passes behind the end"); }
  void OnShutdown() override { Finish({rpc::Code::kUnavailable, "bye", {}}); }

 private:
  void Pour() {
    for (; to_pour_ > 0; --to_pour_) {
      if (!call_.Send(std::string(to_pour_ * std::size_t{64}, 'p'))) return;
      if (to_pour_ % 8 == 0) return (void)--to_pour_;
    }
    if (half_closed_) Finish({});
  }
  void Finish(const rpc::Status& status) {
    over_ = true;
    call_.Finish(status);
  }

  StubMethods& owner_;
  rpc::StreamCall& call_;
  bool over_ = false;
  bool half_closed_ = false;
  bool wants_ = true;
  std::size_t to_pour_ = 0;
};

void StubMethods::AddTo(rpc::MethodTable& methods) {
  methods.Add("f.F", "Echo", [](rpc::UnaryCall& call) { Reply(call, call.request()); });
  methods.Add("f.F", "Later", [this](rpc::UnaryCall& call) {
    later_.push_back({&call, kTurnsOfLater});
  });
  methods.Add("f.F", "Error", Fail);
  methods.Add("f.F", "Big", Big);
  for (const char* name : {"Talk", "Pour"}) {
    methods.Add("f.F", name, [this](rpc::StreamCall& call) {
      return std::make_unique<StubStream>(*this, call);
    });
  }
}

void StubMethods::Turn() {
  // Taken out first: who is answered may be gone.
  std::vector<rpc::UnaryCall*> due;
  std::erase_if(later_, [&due](Waiting& waiting) {
    if (--waiting.turns > 0) return false;
    due.push_back(waiting.call);
    return true;
  });
  for (rpc::UnaryCall* const call : due) {
    (void)call->cancelled();
    Reply(*call, call->request());
  }
}

}  // namespace objpool::fuzz
