// The readers of a state_dir, objpoold --dump_state and --verify_state, on damaged files.
//
// Whatever is in them, they end with one of their exit codes, write what a terminal can show, or as
// JSON lines that are objects.
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "pool/base/check.h"
#include "server/state_dump.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/state_image.h"
#include "tests/support/temp_folder.h"

namespace objpool::fuzz {
namespace {

void CheckLines(std::string_view text, bool json) {
  OBJPOOL_CHECK(text.empty() || text.ends_with('\n'), "lines have an end");
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(line.size() + 1);
    for (const char c : line) {
      const bool shown = (c >= ' ' && c <= '~') || c == '\t';
      OBJPOOL_CHECK(shown || (json && (c & 0x80) != 0), "a terminal can show it");
    }
    OBJPOOL_CHECK(!json || (line.starts_with("{\"kind\"") && line.ends_with('}')), "an object");
  }
}

void Dump(Input input, bool json) {
  static const auto* const folder = new testing::TempFolder;
  static const int removed = std::atexit([] { delete folder; });
  OBJPOOL_CHECK(removed == 0, "the folder is removed at the end");
  Input of_clock(input.Piece());
  static std::string clock;  // as it is in the file
  std::string damaged = Damaged(WholeImage().clock, ClockBytes(), of_clock);
  if (clock.empty() || damaged != clock) {
    testing::WriteAll(*folder / "clock", damaged);
    clock = std::move(damaged);
  }
  testing::WriteAll(*folder / "ids.pool", Damaged(WholeImage().pool, PoolHeaderBytes(), input));
  std::ostringstream out;
  std::ostringstream err;
  const int code =
      server::RunStateCommand({.folder = folder->path(), .verify = false, .json = json}, out, err);
  OBJPOOL_CHECK(code >= server::kStateSound && code <= server::kStateUnreadable, "a known code");
  CheckLines(out.str(), json);
  CheckLines(err.str(), false);
}

}  // namespace
}  // namespace objpool::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t count) {
  // One of the two, as both take twice as long: which one, the length says.
  objpool::fuzz::Dump(objpool::fuzz::Input(bytes, count), count % 2 == 0);
  return 0;
}
