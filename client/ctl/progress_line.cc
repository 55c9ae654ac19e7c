#include "client/ctl/progress_line.h"

#include <algorithm>
#include <ostream>

namespace objpool::client {

void ProgressLine::Show(const std::string& line) {
  if (!wanted()) return;
  if (console_.err_is_terminal) return Overwrite(line);
  console_.err << line << '\n' << std::flush;
}

void ProgressLine::Clear() {
  if (width_ == 0) return;
  Overwrite({});
  console_.err << '\r' << std::flush;
  width_ = 0;
}

// Without escape codes what stood there is blanked out.
void ProgressLine::Overwrite(const std::string& line) {
  console_.err << '\r' << line;
  if (console_.escapes) {
    console_.err << "\x1b[K";
  } else if (width_ > line.size()) {
    console_.err << std::string(width_ - line.size(), ' ');
  }
  console_.err << std::flush;
  width_ = std::max(line.size(), std::size_t{1});
}

}  // namespace objpool::client
