// What a service manager hears, on a socket of the kind that it has.
#include "server/notify_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "pool/base/check.h"
#include "tests/support/temp_folder.h"

namespace objpool::server {
namespace {

using std::chrono::microseconds;
using ::testing::HasSubstr;

// The manager's end. `name` begins with a slash, or with "@" for an abstract one.
class Manager {
 public:
  explicit Manager(std::string name)
      : name_(std::move(name)), socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    OBJPOOL_CHECK(name_.size() < sizeof(address.sun_path), "a name that fits");
    std::ranges::copy(name_, address.sun_path);
    if (name_.front() == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    OBJPOOL_CHECK(bind(socket_, reinterpret_cast<const sockaddr*>(&address), length) == 0,
                  "a name that is free");
  }
  ~Manager() { close(socket_); }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  [[nodiscard]] const char* name() const { return name_.c_str(); }
  // The next message; empty when there is none. On this kind of socket it is there once it is sent.
  [[nodiscard]] std::string Heard() const {
    std::array<char, 4096> buffer{};
    const ssize_t length = recv(socket_, buffer.data(), buffer.size(), 0);
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
  }

 private:
  const std::string name_;
  const int socket_;
};

class NotifySocketTest : public ::testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] std::string Name() const {
    return GetParam() ? "@objpool-notify-test-" + std::to_string(getpid()) : folder_ / "notify";
  }
  const objpool::testing::TempFolder folder_;
  std::string why_;
};

TEST_P(NotifySocketTest, TellsOfStartLifeAndEnd) {
  const Manager manager(Name());
  NotifySocket notify({.socket = manager.name()}, why_);
  EXPECT_EQ(why_, "");
  EXPECT_EQ(notify.watchdog(), std::nullopt);
  EXPECT_EQ(manager.Heard(), "");
  EXPECT_TRUE(notify.Ready("serving\nhere"));
  EXPECT_EQ(manager.Heard(), "READY=1\nSTATUS=serving here");
  EXPECT_TRUE(notify.Alive());
  EXPECT_EQ(manager.Heard(), "WATCHDOG=1");
  EXPECT_TRUE(notify.Stopping("stopping", microseconds(1500)));
  EXPECT_EQ(manager.Heard(), "STOPPING=1\nEXTEND_TIMEOUT_USEC=1500\nSTATUS=stopping");
  EXPECT_EQ(manager.Heard(), "");
}

TEST_P(NotifySocketTest, AManagerThatIsGoneIsAnError) {
  auto manager = std::make_unique<Manager>(Name());
  NotifySocket notify({.socket = manager->name()}, why_);
  manager.reset();
  EXPECT_FALSE(notify.Ready(""));
  EXPECT_EQ(errno, ECONNREFUSED);
}

TEST_P(NotifySocketTest, AManagerThatDoesNotListenIsGivenUp) {
  const Manager manager(Name());
  NotifySocket notify({.socket = manager.name()}, why_);
  int told = 0;
  while (told < 100'000 && notify.Alive()) ++told;
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(manager.Heard(), "WATCHDOG=1");
  EXPECT_TRUE(notify.Alive());
}

TEST_P(NotifySocketTest, AWatchdogIsForTheProcessThatItNames) {
  const Manager manager(Name());
  const std::string me = std::to_string(getpid());
  const std::string parent = std::to_string(getppid());
  const auto watchdog = [&](const char* usec, const char* pid) {
    why_.clear();
    return NotifySocket({.socket = manager.name(), .watchdog_usec = usec, .watchdog_pid = pid},
                        why_)
        .watchdog();
  };
  EXPECT_EQ(watchdog("30000000", me.c_str()), microseconds(30'000'000));
  EXPECT_EQ(watchdog("7", nullptr), microseconds(7));
  EXPECT_EQ(watchdog("7", parent.c_str()), std::nullopt);
  EXPECT_EQ(watchdog(nullptr, me.c_str()), std::nullopt);
  EXPECT_EQ(why_, "");
  for (const char* const bad : {"", "0", "-5", "5s", "99999999999999999999"}) {
    EXPECT_EQ(watchdog(bad, me.c_str()), std::nullopt);
    EXPECT_THAT(why_, HasSubstr(std::string("WATCHDOG_USEC")));
    EXPECT_THAT(why_, HasSubstr(std::string("\"") + bad + "\""));
  }
}

INSTANTIATE_TEST_SUITE_P(Names, NotifySocketTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "abstract" : "path"; });

TEST(NotifySocket, WithoutAManagerThereIsNothingToDo) {
  for (const char* const nobody : {static_cast<const char*>(nullptr), ""}) {
    std::string why;
    NotifySocket notify({.socket = nobody, .watchdog_usec = "1000"}, why);
    EXPECT_EQ(why, "");
    EXPECT_EQ(notify.watchdog(), std::nullopt);
    EXPECT_TRUE(notify.Ready("serving"));
    EXPECT_TRUE(notify.Alive());
    EXPECT_TRUE(notify.Stopping("stopping", microseconds(1)));
  }
}

TEST(NotifySocket, ANameThatCannotBeUsedIsNamed) {
  const std::string long_name(200, 'x');
  for (const std::string& bad : {std::string("relative"), std::string("vsock:2:1"), "/" + long_name,
                                 "@" + long_name, std::string("/no/such/socket")}) {
    std::string why;
    NotifySocket notify({.socket = bad.c_str(), .watchdog_usec = "1000"}, why);
    EXPECT_THAT(why, HasSubstr("NOTIFY_SOCKET"));
    EXPECT_THAT(why, HasSubstr(bad));
    EXPECT_EQ(notify.watchdog(), std::nullopt);
    EXPECT_TRUE(notify.Ready("serving"));
  }
}

}  // namespace
}  // namespace objpool::server
