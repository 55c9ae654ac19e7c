// Screen: a terminal as long as a program fills it, which is afterwards as it was.
#pragma once

#include <termios.h>

#include <iosfwd>
#include <string>
#include <vector>

namespace objpool::client {

class Screen {
 public:
  // Takes the terminal of the standard input and output: keys come one by one and are not shown,
  // and what is written goes to a screen of its own. `out` must outlive it.
  explicit Screen(std::ostream& out);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // In place of what was shown before.
  void Show(const std::vector<std::string>& lines);

 private:
  std::ostream& out_;
  struct termios before_ {};
  bool changed_ = false;
};

struct ScreenSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};
// That of the terminal of the standard output; the default where it does not say.
[[nodiscard]] ScreenSize SizeOfScreen();

}  // namespace objpool::client
