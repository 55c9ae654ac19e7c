// ProgressLine: how a long command goes, once a second, on the standard error.
//
// On a terminal it is one line that is written over; elsewhere each is a line of its own, and only
// where somebody asked for it.
#pragma once

#include <cstddef>
#include <string>

#include "client/ctl/console.h"

namespace objpool::client {

class ProgressLine {
 public:
  // `console` must outlive it. `always`: also where there is no terminal.
  ProgressLine(Console& console, bool always) : console_(console), always_(always) {}

  [[nodiscard]] bool wanted() const { return console_.err_is_terminal || always_; }
  // Only where it is wanted.
  void Show(const std::string& line);
  // Nothing of it is left on the terminal.
  void Clear();

 private:
  void Overwrite(const std::string& line);

  Console& console_;
  const bool always_;
  std::size_t width_ = 0;
};

}  // namespace objpool::client
