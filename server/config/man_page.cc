#include "server/config/man_page.h"

#include <string_view>

namespace objpool::server {
namespace {

constexpr const char* kDescription = R"(.SH DESCRIPTION
objpoold keeps pools of handles, such as numbers, names or buffers, and leases them over gRPC.
A grant lasts for its time to live and then comes back by itself.
What pools there are, where it listens and what it keeps is in a configuration file.
Its metrics for Prometheus are at http://127.0.0.1:9742/metrics unless it is told otherwise.
)";

constexpr const char* kRest = R"(.SH SIGNALS
.TP
SIGTERM, SIGINT
Lease no more, serve renewals and returns until no grant runs or the time of
\fB\-\-shutdown_grace\fR is over, and end. A second one skips the waiting.
.TP
SIGHUP
Read the policy file and the files of TLS again, as is done within seconds anyway when they have
changed, and open the audit log again. What is wrong is refused, and what was before stays in
force.
.SH EXIT STATUS
.TP
0
It stopped as it was asked to.
.TP
1
It could not start, or could not stop cleanly.
.TP
2
The configuration or a flag is wrong. The key, its limit and its value are named.
.SH ENVIRONMENT
.TP
NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID
Where a service manager wants to hear that objpoold serves, lives and stops, as in
.BR sd_notify (3).
.SH FILES
.TP
/etc/objpool/objpoold.textproto
The configuration of the service, in a packaged installation.
.TP
/var/lib/objpool
Its state, in a packaged installation.
.SH SEE ALSO
.BR objpoolctl (1)
)";

// Text as it stands.
std::string Plain(std::string_view text) {
  std::string plain;
  for (const char letter : text) {
    if (letter == '-') plain += '\\';
    plain += letter == '\\' ? "\\e" : std::string(1, letter);
  }
  return plain;
}

std::string OptionItem(const CLI::Option& option) {
  std::string item = ".TP\n\\fB" + Plain(option.get_name()) + "\\fR";
  if (option.get_expected_max() != 0) {
    // CLI11 says the kind and, behind a colon, which values of it are taken.
    const std::string type = option.get_type_name();
    const bool limited = type.find_first_of("[{") != std::string::npos;
    item += " \\fI" + Plain(limited ? type.substr(0, type.find(':')) : type) + "\\fR";
  }
  return item + '\n' + Plain(option.get_description()) + ".\n";
}

}  // namespace

std::string ManPage(const CLI::App& app, const std::string& version) {
  std::string page = ".TH OBJPOOLD 8 \"\" \"objpool " + version + "\" \"System Administration\"\n";
  page += ".SH NAME\nobjpoold \\- leases pooled handles over gRPC\n";
  page += ".SH SYNOPSIS\n\\fBobjpoold\\fR \\fB\\-\\-config\\fR \\fIFILE\\fR [\\fIFLAGS\\fR]\n";
  page += kDescription;
  page += ".SH OPTIONS\n";
  for (const CLI::Option* const option : app.get_options()) {
    if (!option->get_group().empty()) page += OptionItem(*option);
  }
  page += ".PP\n.nf\n" + Plain(app.get_footer()) + "\n.fi\n";
  page += kRest;
  return page;
}

}  // namespace objpool::server
