// Console: where a command reads and writes, whom it asks, and how it ends.
//
// Data goes to `out`, everything else to `err`. Commands take these streams as arguments, so that
// tests run them in process.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include "client/client.h"
#include "client/error.h"

namespace objpool::client {

// Documented in `objpoolctl --help` and in the room's README; scripts rely on them.
enum class Exit : uint8_t {
  kOk = 0,
  kRefused = 1,  // the server refused, or some items failed
  kUsage = 2,
  kExhausted = 3,
  kViolated = 4,     // bench --verify: the server said what cannot be true
  kUnreachable = 5,  // no connection, or no answer
  kLost = 6,         // a lease was lost while it was in use
  kInvalid = 7,      // bench --rate: the load was the bottleneck
  kWorse = 8,        // bench compare: the second result is worse
  kDenied = 9,       // policy test: no rule allows it
  kInterrupted = 130,
};

struct Console {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  bool err_is_terminal = false;
  // Escape codes are welcome on a terminal: no NO_COLOR, not a dumb terminal.
  bool escapes = false;
  // `out` is a terminal that can be filled and filled again, and its user likes colours.
  bool screen = false;
  bool color = false;
};

// The options that all commands share.
struct Target {
  std::string server{kDefaultAddress};
  std::optional<Milliseconds> timeout;  // Default: 5 s; probe: 2 s.
  bool json = false;
  std::optional<TlsOptions> tls;
};

inline constexpr Milliseconds kDefaultTimeout{5000};
inline constexpr Milliseconds kProbeTimeout{2000};

[[nodiscard]] ClientOptions OptionsOf(const Target& target, Milliseconds timeout = kDefaultTimeout);

// What went wrong, as one line for people, without the program's name.
[[nodiscard]] std::string Explain(const Error& error, const ClientOptions& options);
[[nodiscard]] Exit ExitOf(const Error& error);
// Says it on `err`, and returns ExitOf.
Exit Fail(Console& console, const Error& error, const ClientOptions& options);
Exit Fail(Console& console, Exit exit, std::string_view why);
// Flushes what was written: kOk, or a complaint where it did not get through (a full disk, a closed
// pipe).
[[nodiscard]] Exit Flush(Console& console);

}  // namespace objpool::client
