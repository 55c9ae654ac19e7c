// session: handles for a script, which come back when the script does not say otherwise.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <mutex>
#include <ostream>

#include "client/ctl/commands.h"
#include "client/ctl/grant_text.h"
#include "client/ctl/losses.h"
#include "client/ctl/signal_pipe.h"
#include "client/session.h"

namespace objpool::client {
namespace {

bool Ended(v1::SessionNoticeKind kind) {
  return kind == v1::SESSION_NOTICE_KIND_EXPIRED || kind == v1::SESSION_NOTICE_KIND_REVOKED ||
         kind == v1::SESSION_NOTICE_KIND_ENDED;
}

// Reads on until there is nothing more to come. False: there was nothing.
bool SkipInput() {
  std::array<char, 4096> bytes;
  return ::read(STDIN_FILENO, bytes.data(), bytes.size()) > 0;
}

// Until the input ends, a signal comes, or the session is over.
Exit Hold(const Session& session, Losses& losses, SignalPipe& signals, Console& console) {
  Exit exit = Exit::kOk;
  while (true) {
    std::array<pollfd, 3> files = {{{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                                    {.fd = signals.fd(), .events = POLLIN, .revents = 0},
                                    {.fd = losses.fd(), .events = POLLIN, .revents = 0}}};
    static_cast<void>(::poll(files.data(), files.size(), -1));
    for (const std::string& loss : losses.Take()) exit = Fail(console, Exit::kLost, loss);
    console.err.flush();
    if (exit == Exit::kLost && !session.valid()) return exit;
    if (const int signal = signals.Next().number; signal != 0) {
      return exit == Exit::kLost ? exit : static_cast<Exit>(128 + signal);
    }
    if (files[0].revents != 0 && !SkipInput()) return exit;
  }
}

}  // namespace

Exit RunSession(const LeaseOptions& options, Milliseconds linger, const Target& target,
                Console& console) {
  const ClientOptions server = OptionsOf(target);
  Losses losses;
  SessionOptions rules{.linger = linger, .holder = options.holder};
  rules.on_notice = [&](const v1::SessionNotice& notice) {
    if (!Ended(notice.kind())) return;
    losses.Add("lost " + WithoutKey(RefOf(notice.pool(), notice.grant())) + ": " +
               Explain(ErrorOf(notice.reason()), server));
  };
  rules.on_lost = [&](const Error& why) {
    losses.Add("lost the session: " + Explain(why, server));
  };
  SignalPipe signals({SIGTERM, SIGINT, SIGHUP});
  Error why;
  const std::unique_ptr<Session> session = Session::Start(server, std::move(rules), why);
  if (!session) return Fail(console, why, server);
  const Result<v1::LeaseResponse> leased = session->Lease(RequestOf(options));
  if (!leased.ok()) return Fail(console, leased.error, server);
  WriteLease(options.pool, leased.value, target, console);
  // Who did not see them cannot use them; the goodbye returns them.
  if (const Exit exit = Flush(console); exit != Exit::kOk) return exit;
  const Exit exit = Hold(*session, losses, signals, console);
  session->Close();
  return exit;
}

}  // namespace objpool::client
