#include "client/load/frame_load.h"

#include <utility>

#include "client/load/frame_connection.h"

namespace objpool::load {
namespace {

class FrameLine final : public Line {
 public:
  FrameLine(std::unique_ptr<Talk> talk, std::unique_ptr<FrameConnection> connection)
      : talk_(std::move(talk)), connection_(std::move(connection)) {}

  [[nodiscard]] int fd() const override { return connection_->fd(); }
  void Begin() override { talk_->Begin(*connection_); }
  [[nodiscard]] bool OnReadable(std::string& why) override {
    if (!connection_->OnReadable()) {
      why = connection_->error();
      return false;
    }
    talk_->AfterBurst();
    return true;
  }
  [[nodiscard]] bool Flush(std::string& why) override {
    if (connection_->Flush()) return true;
    why = connection_->error();
    return false;
  }
  [[nodiscard]] bool has_unsent() const override { return connection_->has_unsent(); }
  void Stop() override { talk_->Stop(); }
  [[nodiscard]] bool over() const override { return talk_->over(); }

 private:
  std::unique_ptr<Talk> talk_;
  std::unique_ptr<FrameConnection> connection_;
};

}  // namespace

std::unique_ptr<LoadLoop> StartFrameLoad(const std::string& address, uint32_t connections,
                                         const TalkMaker& make_talk, std::string& why) {
  auto load = std::make_unique<LoadLoop>();
  for (uint32_t number = 0; number < connections; ++number) {
    auto talk = make_talk(load->tally());
    auto connection = FrameConnection::Connect(address, talk->paths(), talk->calls(), *talk, why);
    if (connection == nullptr) return nullptr;
    load->Add(std::make_unique<FrameLine>(std::move(talk), std::move(connection)));
  }
  if (!load->Begin(why)) return nullptr;
  return load;
}

}  // namespace objpool::load
