#include "client/ctl/open_bench.h"

#include "client/ctl/html_page.h"
#include "client/ctl/open_page.h"
#include "client/ctl/open_report.h"
#include "client/ctl/open_run.h"

namespace objpool::client {

Exit RunOpenBench(const BenchOptions& options, const Target& target, Console& console,
                  bool (*interrupted)()) {
  if (const Exit exit = CheckPageFile(options.html, console); exit != Exit::kOk) return exit;
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
  const Exit saved = SavePage(
      options.html, [&](std::ostream& page) { WritePage(report, page); }, console);
  if (saved != Exit::kOk) return saved;
  if (run.ledger != nullptr && run.ledger->violations() != 0) return Exit::kViolated;
  if (report.interrupted) return Exit::kInterrupted;
  if (!run.result->WhyInvalid().empty()) return Exit::kInvalid;
  return run.result->failed == 0 ? Exit::kOk : Exit::kRefused;
}

}  // namespace objpool::client
