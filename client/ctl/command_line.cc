#include "client/ctl/command_line.h"

#include <pwd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <ostream>

#include "client/ctl/commands.h"
#include "client/text.h"

namespace objpool::client {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 ok; 1 the server refused, or some items failed; 2 usage; 3 pool exhausted;\n"
    "  5 the server cannot be reached or does not answer; 130 interrupted.\n"
    "Data goes to the standard output, errors to the standard error.\n"
    "Example:\n"
    "  objpoolctl lease ports --ttl 1m > held && objpoolctl return - < held";

std::string Example(const std::string& lines) {
  return "Example:\n" + lines + "\n--server, --timeout and --output: see objpoolctl --help.";
}

CLI::Option* AddDuration(CLI::App& app, const std::string& name, Milliseconds least,
                         std::function<void(Milliseconds)> set, const std::string& help,
                         Milliseconds most = kMaxDuration) {
  const auto read = [name, least, most, set = std::move(set)](const std::string& text) {
    std::string why;
    const std::optional<Milliseconds> time = ParseDuration(text, least, most, why);
    if (!time) throw CLI::ValidationError(name, why);
    set(*time);
  };
  return app.add_option_function<std::string>(name, read, help)->type_name("DURATION");
}

CLI::Option* AddDuration(CLI::App& app, const std::string& name, Milliseconds least,
                         Milliseconds& value, const std::string& help,
                         Milliseconds most = kMaxDuration) {
  return AddDuration(
      app, name, least, [&value](Milliseconds time) { value = time; }, help, most);
}

// What CLI11 wants of a check: nothing, or what is wrong.
std::string CheckPool(const std::string& text) {
  std::string why;
  return IsPoolName(text, why) ? std::string() : why;
}

std::string CheckHolder(const std::string& text) {
  if (text.size() > kMaxHolderBytes) {
    return "at most " + std::to_string(kMaxHolderBytes) + " bytes; got " +
           std::to_string(text.size());
  }
  if (IsUtf8(text) && Printable(text) == text) return {};
  return "UTF-8 without control characters; got " + Printable(text);
}

std::string CheckAddress(const std::string& text) {
  if (text.empty() || text.size() > 256 || !IsUtf8(text) || Printable(text) != text) {
    return "must be HOST:PORT, 1 to 256 bytes; got " + Printable(text, 80);
  }
  // gRPC would take a larger port modulo 2^16.
  const std::string port = text.substr(text.rfind(':') + 1);
  const bool number = port.find_first_not_of("0123456789") == std::string::npos;
  if (port.size() == text.size() || port.empty() || !number) return {};
  if (port.size() <= 5 && std::stoul(port) <= 65'535) return {};
  return "the port must be from 0 to 65535; got " + Printable(port, 80);
}

// gRPC's own default port is that of the web.
std::string WithPort(const std::string& address) {
  if (address.find(':') != std::string::npos) return address;
  return address + std::string(kDefaultAddress.substr(kDefaultAddress.rfind(':')));
}

std::string CheckService(const std::string& text) {
  if (text.size() <= 256 && IsUtf8(text)) return {};
  return "must be at most 256 bytes of UTF-8; got " + Printable(text, 80);
}

// user@host, for people who look at the grant later.
std::string DefaultHolder() {
  std::array<char, 4096> memory;
  passwd entry{};
  passwd* found = nullptr;
  const uid_t user = ::geteuid();
  ::getpwuid_r(user, &entry, memory.data(), memory.size(), &found);
  std::string holder = found != nullptr ? found->pw_name : "uid" + std::to_string(user);
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) == 0) holder += '@' + std::string(host.data());
  holder = Printable(holder);
  if (holder.size() > kMaxHolderBytes) holder.resize(kMaxHolderBytes);
  return holder;
}

// The options of all commands, and the parser that fills them.
class CommandLine {
 public:
  CommandLine() : app_("Leases handles from the pools of an objpoold server.", "objpoolctl") {
    app_.set_version_flag("--version", std::string("objpoolctl " OBJPOOL_VERSION));
    app_.footer(kFooter);
    app_.require_subcommand(0, 1);  // None is told by Parse, after words that are no command.
    app_.get_formatter()->column_width(36);
    app_.fallthrough();  // Inherited by the commands: the options below go anywhere.
    app_.failure_message([](const CLI::App*, const CLI::Error& error) {
      return "objpoolctl: " + Printable(error.what()) + "; see objpoolctl --help\n";
    });
    app_.add_option("--server", target_.server, "Where the server listens")
        ->envname("OBJPOOL_SERVER")
        ->type_name("HOST[:PORT]")
        ->capture_default_str()
        ->check(CheckAddress, "", "");
    AddDuration(
        app_, "--timeout", Milliseconds(1), [this](Milliseconds time) { target_.timeout = time; },
        "The longest that each call may take, connecting included [5s; probe: 2s]");
    app_.add_option("--output", output_, "How to write")
        ->type_name("text|json")
        ->capture_default_str()
        ->check(CLI::IsMember({"text", "json"}), "", "");
    AddGrantCommands();
    AddRefCommands();
    AddBufferCommands();
    AddOnlookerCommands();
    AddServerCommands();
    AddStateCommands();
    AddBench();
  }

  // Nothing where the arguments are good; otherwise how to exit, all being said.
  std::optional<Exit> Parse(int count, const char* const* arguments, Console& console) {
    try {
      app_.parse(count, arguments);
    } catch (const CLI::ParseError& error) {
      return app_.exit(error, console.out, console.err) == 0 ? Exit::kOk : Exit::kUsage;
    }
    if (app_.get_subcommands().empty()) {
      return Fail(console, Exit::kUsage, "a command is required; see objpoolctl --help");
    }
    target_.server = WithPort(target_.server);
    target_.json = output_ == "json";
    if (lease_.min_count > lease_.count) {
      return Fail(console, Exit::kUsage,
                  "--min-count: must be from 1 to --count, " + std::to_string(lease_.count) +
                      "; got " + std::to_string(lease_.min_count));
    }
    return std::nullopt;
  }

  Exit Run(Console& console) {
    if (app_.got_subcommand("lease")) {
      if (lease_.holder.empty()) lease_.holder = DefaultHolder();
      return RunLease(lease_, target_, console);
    }
    if (app_.got_subcommand("return")) return RunReturn(refs_, target_, console);
    if (app_.got_subcommand("renew")) return RunRenew(refs_, target_, console);
    if (app_.got_subcommand("revoke")) return RunRevoke(refs_, target_, console);
    if (app_.got_subcommand("read")) return RunRead(buffer_, target_, console);
    if (app_.got_subcommand("write")) return RunWrite(buffer_, target_, console);
    if (app_.got_subcommand("grant")) return RunGrant(grant_, target_, console);
    if (app_.got_subcommand("grants")) return RunGrants(grants_, target_, console);
    if (app_.got_subcommand("check-fence")) return RunCheckFence(fence_, target_, console);
    if (app_.got_subcommand("pools")) return RunPools(pool_, target_, console);
    if (app_.got_subcommand("probe")) return RunProbe(service_, target_, console);
    if (const CLI::App* const state = app_.get_subcommand("state"); state->parsed()) {
      state_.verify = state->got_subcommand("verify");
      return RunState(state_, target_, console);
    }
    // Without --count a run warms up; with it, exactly so many cycles are tried.
    if (bench_.count != 0 && !warmup_given_) bench_.warmup = Milliseconds(0);
    return RunBench(bench_, target_, console);
  }

 private:
  void AddGrantCommands() {
    CLI::App* lease = app_.add_subcommand("lease", "Lease handles, one line each: value, ref, ttl");
    lease->add_option("POOL", lease_.pool, "Where from")->required()->check(CheckPool, "", "");
    lease->add_option("--count", lease_.count, "How many are wanted")
        ->capture_default_str()
        ->check(CLI::Range(1u, kMaxBatch));
    lease->add_option("--min-count", lease_.min_count, "How many will do [as --count]")
        ->check(CLI::Range(1u, kMaxBatch));
    AddDuration(*lease, "--ttl", Milliseconds(1), lease_.ttl, "For how long [the pool's default]");
    AddDuration(*lease, "--max-wait", Milliseconds(0), lease_.max_wait,
                "Wait for handles where there are too few [not at all]");
    lease->add_option("--priority", lease_.priority, "Of those who wait, the highest go first")
        ->capture_default_str()
        ->check(CLI::Range(0u, 9u));
    lease->add_option("--holder", lease_.holder, "Who asks, at most 64 bytes [user@host]")
        ->check(CheckHolder, "", "");
    lease->footer(
        Example("  objpoolctl lease ports --count 2 --ttl 30s\n"
                "  objpoolctl lease seats --max-wait 1m\n"
                "  ref=$(objpoolctl lease ports | cut -f2)"));

    CLI::App* grant = app_.add_subcommand("grant", "Show who holds a handle");
    grant->add_option("POOL", grant_.pool, "Its pool")->required()->check(CheckPool, "", "");
    grant->add_option("HANDLE", grant_.handle, "Its number in the pool")
        ->required()
        ->check(CLI::Range(uint64_t{0}, kMaxHandle));
    grant->footer(Example("  objpoolctl grant ports 17"));
  }

  // For those who hold nothing themselves.
  void AddOnlookerCommands() {
    CLI::App* grants = app_.add_subcommand("grants", "Show who holds what in a pool");
    grants->add_option("POOL", grants_.pool, "Where")->required()->check(CheckPool, "", "");
    grants
        ->add_option_function<std::string>(
            "--holder", [this](const std::string& holder) { grants_.holder = holder; },
            "Only what exactly this one holds; \"\": who gave no name")
        ->check(CheckHolder, "", "");
    AddDuration(*grants, "--held-at-least", Milliseconds(0), grants_.held_at_least,
                "Only what has been held for so long", kMaxHeld);
    grants->footer(
        Example("  objpoolctl grants ports --held-at-least 1h\n"
                "  objpoolctl grants ports --holder web-7 | awk 'NR > 1 { print $1 }' |\n"
                "    objpoolctl revoke -"));

    const std::string grant = "POOL/HANDLE/FENCE, as grants shows it; a whole ref will do";
    CLI::App* fence = app_.add_subcommand(
        "check-fence", "Tell what a fence is worth; exit with 0 only when its grant runs");
    fence->add_option("GRANT", fence_, grant)->required();
    fence->footer(Example("  objpoolctl check-fence ports/17/1795513041402036634"));

    CLI::App* revoke = app_.add_subcommand("revoke", "End grants, whoever holds them");
    revoke
        ->add_option("GRANT", refs_.refs,
                     grant +
                         "; 1 to 1024 of any pools; - reads them from the standard input, one "
                         "a line")
        ->required();
    revoke->footer(Example("  objpoolctl revoke ports/17/1795513041402036634"));
  }

  void AddRefCommands() {
    const std::string refs =
        "POOL/HANDLE/FENCE/KEY as lease gave it, 1 to 1024 of any pools; - reads them from the "
        "standard input, one a line (other users of this machine can see arguments)";
    CLI::App* give_back = app_.add_subcommand("return", "Give handles back before their time");
    give_back->add_option("REF", refs_.refs, refs)->required();
    give_back->footer(
        Example("  objpoolctl return \"$ref\"\n"
                "  objpoolctl return - < held"));

    CLI::App* renew = app_.add_subcommand("renew", "Restart the time of grants that still run");
    renew->add_option("REF", refs_.refs, refs)->required();
    AddDuration(*renew, "--ttl", Milliseconds(1), refs_.ttl, "From now [the pool's default]");
    renew->footer(Example("  objpoolctl renew \"$ref\" --ttl 1m"));
  }

  void AddBufferCommands() {
    const auto add = [this](const char* name, const char* what) {
      CLI::App* command = app_.add_subcommand(name, what);
      command
          ->add_option(
              "REF", buffer_.ref,
              "POOL/HANDLE/FENCE/KEY as lease gave it (other users of this machine can see "
              "arguments, but not the environment)")
          ->envname("OBJPOOL_REF")
          ->required();
      command->add_option("--offset", buffer_.offset, "Where in the buffer to begin, in bytes")
          ->capture_default_str()
          ->check(CLI::Range(uint64_t{0}, kMaxBufferBytes));
      return command;
    };
    CLI::App* read = add("read", "Write the bytes of a leased buffer to the standard output");
    read->add_option("--length", buffer_.length, "How many bytes [to the buffer's end]")
        ->check(CLI::Range(uint64_t{1}, kMaxBufferBytes));
    read->footer(
        Example("  objpoolctl read \"$ref\" > image\n"
                "  OBJPOOL_REF=$ref objpoolctl read --offset 4096 --length 512 | xxd"));
    CLI::App* write = add("write", "Write the standard input into a leased buffer");
    write->footer(
        Example("  objpoolctl write \"$ref\" < image\n"
                "  date | OBJPOOL_REF=$ref objpoolctl write --offset 4096"));
  }

  void AddServerCommands() {
    CLI::App* pools = app_.add_subcommand("pools", "Show all pools, or one with its slots");
    pools->add_option("POOL", pool_, "The one")->check(CheckPool, "", "");
    pools->footer(Example("  objpoolctl pools\n  objpoolctl pools ports --output json"));

    CLI::App* probe = app_.add_subcommand("probe", "Exit with 0 only when the server serves");
    probe->add_option("--service", service_, "pools/POOL, or a service [the whole server]")
        ->check(CheckService, "", "");
    probe->footer(Example("  HEALTHCHECK CMD [\"objpoolctl\", \"probe\"]"));
  }

  void AddStateCommands() {
    CLI::App* state =
        app_.add_subcommand("state", "Look at a server's state_dir, without a server");
    state->require_subcommand(1);
    const auto add = [&](const char* name, const char* what, const std::string& example) {
      CLI::App* command = state->add_subcommand(name, what);
      command->add_option("FOLDER", state_.folder, "The state_dir, or a copy of it; only read")
          ->required();
      command->footer(Example(example) + "\nExit codes: 0 sound; 1 damaged; 2 cannot be read.");
    };
    add("dump", "Show every pool and every handle that was ever leased, one line each",
        "  objpoolctl state dump /var/lib/objpool | awk -F'\\t' '$5 == \"leased\"'");
    add("verify", "Check every header and every record, and show only what is wrong",
        "  objpoolctl state verify /backup/objpool && echo sound");
    state->footer(
        Example("  objpoolctl state dump /var/lib/objpool --output json\n"
                "  objpoolctl state verify /backup/objpool && echo sound"));
  }

  void AddBench() {
    CLI::App* bench = app_.add_subcommand(
        "bench", "Measure the server: each client leases, holds and returns, over and over");
    bench->add_option("--pool", bench_.pool, "Where from [the pool of most capacity]")
        ->check(CheckPool, "", "");
    AddDuration(*bench, "--duration", Milliseconds(1), bench_.duration, "How long [10s]");
    bench->add_option("--count", bench_.count, "How many cycles to try, instead of --duration")
        ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40))
        ->excludes("--duration");
    AddDuration(
        *bench, "--warmup", Milliseconds(0),
        [this](Milliseconds time) {
          bench_.warmup = time;
          warmup_given_ = true;
        },
        "How long before measuring [1s; with --count 0ms]");
    bench->add_option("--connections", bench_.connections, "How many connections")
        ->capture_default_str()
        ->check(CLI::Range(1u, kMaxBenchConnections));
    bench->add_option("--clients", bench_.clients, "How many loops at once, over the connections")
        ->capture_default_str()
        ->check(CLI::Range(1u, kMaxBenchClients));
    bench->add_option("--batch", bench_.batch, "How many handles in a call")
        ->capture_default_str()
        ->check(CLI::Range(1u, kMaxBatch));
    AddDuration(*bench, "--hold", Milliseconds(0), bench_.hold, "From lease to return [0ms]");
    AddDuration(*bench, "--ttl", Milliseconds(1), bench_.ttl, "Of each lease [the pool's default]");
    bench
        ->add_option("--rate", bench_.rate,
                     "Begin so many cycles in a second, whatever the answers take, and count from "
                     "when each was meant to begin [0: each client waits for its answer]")
        ->check(CLI::Range(0.0, kMaxBenchRate))
        ->excludes("--count")
        ->excludes("--clients");
    bench->add_flag("--uniform", bench_.uniform, "With --rate: evenly [at random]");
    bench->add_flag("--hold-random", bench_.hold_random,
                    "With --rate: hold for an exponential time, --hold on average");
    bench
        ->add_flag("--verify", bench_.verify,
                   "With --rate: check every answer; the pool must be ours alone")
        ->needs("--rate");
    bench->add_option("--seed", bench_.seed, "With --rate: of what is random");
    bench->footer(
        Example("  objpoolctl bench --pool ports --duration 5s --clients 16\n"
                "  objpoolctl bench --count 100000 --output json > result.json\n"
                "  objpoolctl bench --rate 5000 --hold 20ms --hold-random --verify"));
  }

  CLI::App app_;
  Target target_;
  std::string output_ = "text";
  LeaseOptions lease_;
  RefsOptions refs_;
  BufferOptions buffer_;
  GrantOptions grant_;
  GrantsOptions grants_;
  std::string fence_;
  std::string pool_;
  std::string service_;
  StateOptions state_;
  BenchOptions bench_;
  bool warmup_given_ = false;
};

}  // namespace

Exit RunCtl(int count, const char* const* arguments, Console& console) {
  CommandLine command_line;
  if (const auto exit = command_line.Parse(count, arguments, console)) return *exit;
  return command_line.Run(console);
}

}  // namespace objpool::client
