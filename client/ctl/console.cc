#include "client/ctl/console.h"
#include "client/text.h"

#include <istream>
#include <ostream>

namespace objpool::client {

ClientOptions OptionsOf(const Target& target, Milliseconds timeout) {
  return {.address = target.server,
          .timeout = target.timeout.value_or(timeout),
          .own_connection = false,
          .tls = target.tls};
}

std::string Explain(const Error& error, const ClientOptions& options) {
  const std::string server = Printable(options.address);
  const std::string message = Printable(error.message);
  switch (error.origin) {
    case Error::Origin::kUnreachable:
      return "cannot reach " + server + ": " + message +
             "; is objpoold running? (make run starts one)";
    case Error::Origin::kLost:
      return "lost " + server + ": " + message + "; the call may or may not have been done";
    case Error::Origin::kNoAnswer:
      return "no answer from " + server + " within " + FormatDuration(options.timeout) +
             "; the call may or may not have been done";
    case Error::Origin::kServer:
      break;
  }
  std::string text = message.empty() ? "the server refused" : message;
  text += " (" + Printable(ErrorKind(error)) + ')';
  for (const FieldViolation& violation : error.fields) {
    text += "; " + Printable(violation.field) + ": " + Printable(violation.description);
  }
  if (error.retry_after) text += "; try again in " + FormatDuration(*error.retry_after);
  return text;
}

Exit ExitOf(const Error& error) {
  if (error.ok()) return Exit::kOk;
  if (error.origin != Error::Origin::kServer) return Exit::kUnreachable;
  return error.reason == "POOL_EXHAUSTED" ? Exit::kExhausted : Exit::kRefused;
}

Exit Fail(Console& console, const Error& error, const ClientOptions& options) {
  return Fail(console, ExitOf(error), Explain(error, options));
}

Exit Fail(Console& console, Exit exit, std::string_view why) {
  console.err << "objpoolctl: " << why << '\n';
  return exit;
}

Exit Flush(Console& console) {
  console.out.flush();
  if (console.out.good()) return Exit::kOk;
  return Fail(console, Exit::kRefused, "the output could not be written");
}

}  // namespace objpool::client
