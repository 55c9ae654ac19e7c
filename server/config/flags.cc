#include "server/config/flags.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "proto/settings/policy.h"
#include "server/config/duration.h"
#include "server/config/file.h"
#include "server/config/man_page.h"

namespace objpool::server {
namespace {

constexpr int kBadUse = 2;
constexpr const char* kFooter =
    "A flag overrides the key of the same name in FILE; hyphens may stand for its underscores.\n"
    "Example: objpoold --config deploy/objpoold.textproto --workers 2";

struct Flags {
  std::string config;
  ConfigOverrides overrides;
  std::optional<std::string> shutdown_grace;
  std::optional<std::string> engine;
  std::optional<std::string> admin;
  bool check_config = false;
  bool print_config = false;
  std::optional<std::string> dump_state;
  std::optional<std::string> verify_state;
  std::string output = "text";
  bool man = false;
};

// Sets `target` only where the flag is given, which the parser counts: below zero for "=false".
std::function<void(int64_t)> Setter(std::optional<bool>& target) {
  return [&target](int64_t count) { target = count > 0; };
}

void DefineTls(CLI::App& app, ConfigOverrides& overrides) {
  app.add_option(
         "--tls_cert", overrides.tls_cert,
         "Encrypt gRPC, with this certificate and those that lead to its authority, as PEM; "
         "tls.cert_file in FILE")
      ->type_name("FILE");
  app.add_option("--tls_key", overrides.tls_key, "The key to that, as PEM; tls.key_file")
      ->type_name("FILE");
  app.add_option("--tls_client_ca", overrides.tls_client_ca,
                 "Ask clients for a certificate that one of these authorities has signed; "
                 "tls.client_ca_file")
      ->type_name("FILE");
  app.add_flag("--tls_client_cert_required", Setter(overrides.tls_client_cert_required),
               "Refuse clients that show none, which is the default; =false serves them too; "
               "tls.client_cert_required");
}

void Define(CLI::App& app, Flags& flags) {
  ConfigOverrides& overrides = flags.overrides;
  app.add_option("--config", flags.config,
                 "Configuration: text format, or JSON where the name ends in .json")
      ->type_name("FILE");
  app.add_option(
         "--listen", overrides.listen,
         "Where gRPC is served; port 0 takes a free one. A Unix socket, unix:PATH, may come "
         "after a comma, or stand alone")
      ->type_name("HOST:PORT");
  app.add_option("--metrics_listen", overrides.metrics_listen,
                 "Where Prometheus metrics are served; \"off\" serves none")
      ->type_name("HOST:PORT");
  app.add_option("--ready_file", overrides.ready_file, "Written once the server serves, as JSON")
      ->type_name("FILE");
  app.add_option("--state_dir", overrides.state_dir,
                 "A folder for what outlives the server: grants, fences, keys")
      ->type_name("FOLDER");
  app.add_option("--policy_file", overrides.policy_file,
                 "Who may call what; read again on SIGHUP and when it changes")
      ->type_name("FILE");
  app.add_option("--audit_log", overrides.audit_log,
                 "Where administration and refused calls are written down, as lines of JSON")
      ->type_name("FILE|stderr");
  app.add_option(
         "--admin", flags.admin,
         "Who may administer, where no policy says so: nobody at all, clients of this host, "
         "or everybody")
      ->type_name("off|local|all")
      ->check(CLI::IsMember({"off", "local", "all"}));
  app.add_option("--engine", flags.engine,
                 "What carries the calls: a server of our own (the default), or the gRPC library")
      ->type_name("h2|grpc")
      ->check(CLI::IsMember({"h2", "grpc"}));
  app.add_option("--workers", overrides.workers, "Worker threads; 0 is automatic")
      ->type_name("N")
      ->check(CLI::Range(0, 1024));
  app.add_option("--busy_poll_us", overrides.busy_poll_us,
                 "How long workers of engine h2 look for the next call before they sleep, at the "
                 "cost of their CPUs; 0 is not at all")
      ->type_name("N")
      ->check(CLI::Range(0, 10'000));
  app.add_option("--shutdown_grace", flags.shutdown_grace,
                 "How long calls may go on after SIGTERM, as in 500ms, 5s or 1m")
      ->type_name("TIME");
  DefineTls(app, overrides);
  app.add_flag("--insecure_allow_plaintext", Setter(overrides.insecure_allow_plaintext),
               "Serve beyond this host without encryption");
  app.add_flag("--reflection", Setter(overrides.reflection),
               "Serve gRPC reflection; =false serves none");
  app.add_flag("--check_config", flags.check_config, "Check the configuration, print ok and end");
  app.add_flag("--print_config", flags.print_config,
               "Print the configuration in effect and end; --config reads it");
  auto* const dump = app.add_option("--dump_state", flags.dump_state,
                                    "Print what a state_dir holds and end; it is only read, also "
                                    "while a server runs on it");
  dump->type_name("FOLDER");
  app.add_option("--verify_state", flags.verify_state,
                 "Likewise, but only what is wrong in it. Exit codes of both: 0 sound, 1 damaged, "
                 "2 cannot be read")
      ->type_name("FOLDER")
      ->excludes(dump);
  app.add_option("--output", flags.output, "How these two print")
      ->type_name("text|json")
      ->check(CLI::IsMember({"text", "json"}));
  app.set_version_flag("--version", "objpoold " OBJPOOL_VERSION, "Print the version and end");
  // Hidden: for those who install.
  app.add_flag("--man", flags.man, "Print the man page and end")->group("");
  app.footer(kFooter);
}

// The arguments, last one first as the parser wants them, with underscores in the names of flags.
std::vector<std::string> Arguments(int argc, const char* const* argv) {
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  for (std::string& argument : arguments) {
    if (!argument.starts_with("--")) continue;
    const auto end = std::find(argument.begin() + 2, argument.end(), '=');
    std::replace(argument.begin() + 2, end, '-', '_');
  }
  std::ranges::reverse(arguments);
  return arguments;
}

Exit Refuse(const std::vector<std::string>& lines) {
  Exit exit{.code = kBadUse, .out = "", .err = ""};
  for (const std::string& line : lines) exit.err += "objpoold: " + line + "\n";
  return exit;
}

std::variant<Config, Exit, StateCommand> Load(Flags& flags) {
  ConfigErrors errors;
  if (flags.shutdown_grace) {
    const std::optional<int64_t> ms = ParseDurationMs(*flags.shutdown_grace);
    if (ms) {
      flags.overrides.shutdown_grace = std::chrono::milliseconds(*ms);
    } else {
      errors.AddLimit("shutdown_grace", "a number with its unit, as in 500ms, 5s or 1m",
                      Quoted(*flags.shutdown_grace));
    }
  }
  if (flags.engine) {
    flags.overrides.engine =
        *flags.engine == "grpc" ? config::v1::ENGINE_GRPC : config::v1::ENGINE_H2;
  }
  if (flags.admin) {
    flags.overrides.admin = *flags.admin == "off"   ? config::v1::ADMIN_ACCESS_OFF
                            : *flags.admin == "all" ? config::v1::ADMIN_ACCESS_ALL
                                                    : config::v1::ADMIN_ACCESS_LOCAL;
  }
  std::optional<Config> config = LoadConfig(flags.config, flags.overrides, errors);
  if (config && !config->policy_file.empty()) {
    (void)settings::LoadPolicy(config->policy_file, errors);
  }
  if (!errors.empty()) return Refuse(errors.Lines());
  if (flags.check_config) return Exit{.code = 0, .out = "ok\n", .err = ""};
  if (flags.print_config) return Exit{.code = 0, .out = PrintConfig(*config), .err = ""};
  return *std::move(config);
}

}  // namespace

std::variant<Config, Exit, StateCommand> ParseCommandLine(int argc, const char* const* argv) {
  CLI::App app("Leases pooled handles over gRPC.", "objpoold");
  Flags flags;
  Define(app, flags);
  try {
    app.parse(Arguments(argc, argv));
  } catch (const CLI::CallForHelp&) {
    return Exit{.code = 0, .out = app.help(), .err = ""};
  } catch (const CLI::CallForVersion& version) {
    return Exit{.code = 0, .out = std::string(version.what()) + "\n", .err = ""};
  } catch (const CLI::ParseError& error) {
    return Refuse({std::string(error.what()) + "; try objpoold --help"});
  } catch (const std::logic_error&) {
    // The parser reads what follows the '=' of a switch with std::stoll and lets its error out.
    return Refuse(
        {"--reflection, --insecure_allow_plaintext and --tls_client_cert_required take =true or "
         "=false, or nothing; try objpoold --help"});
  }
  if (flags.man) return Exit{.code = 0, .out = ManPage(app, OBJPOOL_VERSION), .err = ""};
  if (flags.dump_state || flags.verify_state) {
    return StateCommand{.folder = flags.dump_state ? *flags.dump_state : *flags.verify_state,
                        .verify = flags.verify_state.has_value(),
                        .json = flags.output == "json"};
  }
  if (flags.config.empty()) {
    return Refuse(
        {"--config FILE is missing, which says what pools to serve; for example: "
         "objpoold --config deploy/objpoold.textproto"});
  }
  return Load(flags);
}

}  // namespace objpool::server
