#include "client/ctl/open_bench.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>

#include "client/ctl/open_page.h"
#include "client/ctl/open_report.h"
#include "client/ctl/open_run.h"
#include "client/text.h"

namespace objpool::client {
namespace {

Exit CannotWrite(const std::string& path, Console& console) {
  return Fail(console, Exit::kRefused,
              "cannot write " + Printable(path) + ": " + std::strerror(errno));
}

Exit SavePage(const OpenReport& report, Console& console) {
  const std::string& path = report.run.options.html;
  if (path.empty()) return Exit::kOk;
  std::ofstream page(path, std::ios::trunc);
  WritePage(report, page);
  page.close();
  return page ? Exit::kOk : CannotWrite(path, console);
}

}  // namespace

Exit RunOpenBench(const BenchOptions& options, const Target& target, Console& console,
                  bool (*interrupted)()) {
  // Before the run, so that nobody waits for it in vain. What is there stays until then.
  if (!options.html.empty() && !std::ofstream(options.html, std::ios::app)) {
    return CannotWrite(options.html, console);
  }
  OpenRun run;
  if (const Exit exit = RunOnce(options, target, console, interrupted, run); exit != Exit::kOk) {
    return exit;
  }
  const OpenReport report = {.run = run, .server = target.server, .interrupted = interrupted()};
  if (target.json) {
    WriteJson(report, console.out);
  } else {
    WriteText(report, console.out);
  }
  if (const Exit flushed = Flush(console); flushed != Exit::kOk) return flushed;
  if (const Exit saved = SavePage(report, console); saved != Exit::kOk) return saved;
  if (run.ledger != nullptr && run.ledger->violations() != 0) return Exit::kViolated;
  if (report.interrupted) return Exit::kInterrupted;
  if (!run.result->WhyInvalid().empty()) return Exit::kInvalid;
  return run.result->failed == 0 ? Exit::kOk : Exit::kRefused;
}

}  // namespace objpool::client
