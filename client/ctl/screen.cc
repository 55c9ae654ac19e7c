#include "client/ctl/screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <ostream>

namespace objpool::client {
namespace {

constexpr const char* kOwnScreen = "\x1b[?1049h\x1b[?25l";  // and no cursor
constexpr const char* kOldScreen = "\x1b[?25h\x1b[?1049l";
constexpr const char* kHome = "\x1b[H";
constexpr const char* kRestOfLine = "\x1b[K";
constexpr const char* kRestOfScreen = "\x1b[J";

}  // namespace

Screen::Screen(std::ostream& out) : out_(out) {
  if (::tcgetattr(STDIN_FILENO, &before_) == 0) {
    struct termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    changed_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  }
  out_ << kOwnScreen << std::flush;
}

Screen::~Screen() {
  out_ << kOldScreen << std::flush;
  if (changed_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

void Screen::Show(const std::vector<std::string>& lines) {
  out_ << kHome;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    // No line end behind the last one, which would scroll.
    out_ << (i == 0 ? "" : "\n") << lines[i] << kRestOfLine;
  }
  out_ << kRestOfScreen << std::flush;
}

ScreenSize SizeOfScreen() {
  struct winsize size {};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) {
    return {};
  }
  return {.columns = size.ws_col, .rows = size.ws_row};
}

}  // namespace objpool::client
