#include "client/ctl/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <ostream>
#include <span>

#include "client/ctl/command_set.h"
#include "client/ctl/completion.h"
#include "client/ctl/man_page.h"
#include "client/ctl/option_kinds.h"
#include "client/ctl/suggestion.h"
#include "client/ctl/tls_options.h"
#include "client/text.h"

namespace objpool::client {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 ok; 1 the server refused, or some items failed; 2 usage; 3 pool exhausted;\n"
    "  4 the server said what cannot be true; 5 it cannot be reached or does not answer;\n"
    "  6 a lease was lost; 7 the load was the bottleneck; 8 a result is worse; 9 denied;\n"
    "  130 interrupted, or 128 + signal; of a command behind --: its own, 128 + signal, 126 it\n"
    "  cannot be run, 127 there is none.\n"
    "Data goes to the standard output, errors to the standard error.\n"
    "Options can be kept in a file, see --config; what is given counts more than the environment,\n"
    "  and that more than the file.\n"
    "Example:\n"
    "  objpoolctl lease ports -- sh -c 'exec serve --port \"$OBJPOOL_ID\"'\n"
    "  objpoolctl lease ports --ttl 1m > held && objpoolctl return - < held";

// gRPC's own default port is that of the web.
std::string WithPort(const std::string& address) {
  if (address.find(':') != std::string::npos) return address;
  return address + std::string(kDefaultAddress.substr(kDefaultAddress.rfind(':')));
}

std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

// Where options are kept unless --config says otherwise. `named`: it has to be there.
std::string ConfigFile(bool& named) {
  named = !Variable("OBJPOOL_CONFIG").empty();
  if (named) return Variable("OBJPOOL_CONFIG");
  const std::string folder = Variable("XDG_CONFIG_HOME");
  if (!folder.empty()) return folder + "/objpool/objpoolctl.ini";
  return Variable("HOME") + "/.config/objpool/objpoolctl.ini";
}

// CLI11 lets a file count more than the environment; to people who set a variable for one call it
// must be the other way round.
class ConfigBelowEnvironment : public CLI::ConfigINI {
 public:
  explicit ConfigBelowEnvironment(const CLI::App& app) : app_(app) {}

  std::vector<CLI::ConfigItem> from_config(std::istream& in) const override {
    std::vector<CLI::ConfigItem> kept = CLI::ConfigINI::from_config(in);
    std::erase_if(kept, [this](const CLI::ConfigItem& item) {
      if (!item.parents.empty()) return false;
      const CLI::Option* option = app_.get_option_no_throw("--" + item.name);
      return option != nullptr && !Variable(option->get_envname().c_str()).empty();
    });
    return kept;
  }

 private:
  const CLI::App& app_;
};

// The options of all commands, and the parser that fills them.
class CommandLine {
 public:
  CommandLine() : app_("Leases handles from the pools of an objpoold server.", "objpoolctl") {
    app_.set_version_flag("--version", std::string("objpoolctl " OBJPOOL_VERSION));
    app_.footer(kFooter);
    app_.require_subcommand(0, 1);  // None is told by Parse, after words that are no command.
    app_.get_formatter()->column_width(36);
    app_.fallthrough();  // Inherited by the commands: the options below go anywhere.
    app_.failure_message([](const CLI::App* app, const CLI::Error& error) {
      return "objpoolctl: " + Printable(WhatIsWrong(*app, error)) + "; see objpoolctl --help\n";
    });
    AddSharedOptions();
    AddLeaseCommands(set_);
    AddOnlookerCommands(set_);
    AddBufferCommands(set_);
    AddServerCommands(set_);
    AddBenchCommands(set_);
    AddPoolCommands(set_);
    AddShellCommands();
  }

  // Nothing where the arguments are good; otherwise how to exit, all being said.
  std::optional<Exit> Parse(std::span<const char* const> arguments, Console& console) {
    const std::size_t ours = TakeCommand(arguments);
    try {
      app_.parse(static_cast<int>(ours), arguments.data());
    } catch (const CLI::ParseError& error) {
      return app_.exit(error, console.out, console.err) == 0 ? Exit::kOk : Exit::kUsage;
    }
    if (!set_.run) {
      return Fail(console, Exit::kUsage, "a command is required; see objpoolctl --help");
    }
    target_.server = WithPort(target_.server);
    target_.json = output_ == "json";
    std::string why;
    target_.tls = tls_.Read(why);
    if (!why.empty()) return Fail(console, Exit::kUsage, why);
    return std::nullopt;
  }

  Exit Run(Console& console) { return set_.run(target_, console); }

 private:
  void AddSharedOptions() {
    app_.add_option("--server", target_.server, "Where the server listens")
        ->envname("OBJPOOL_SERVER")
        ->type_name("HOST[:PORT]|unix:PATH")
        ->capture_default_str()
        ->check(CheckAddress, "", "");
    AddDuration(
        app_, "--timeout", Milliseconds(1), [this](Milliseconds time) { target_.timeout = time; },
        "The longest that each call may take, connecting included [5s; probe: 2s]");
    app_.add_option("--output", output_, "How to write")
        ->type_name("text|json")
        ->capture_default_str()
        ->check(CLI::IsMember({"text", "json"}), "", "");
    tls_.AddTo(app_);
    bool named = false;
    const std::string file = ConfigFile(named);
    app_.config_formatter(
        std::make_shared<ConfigBelowEnvironment>(app_));  // CLI11 wants it shared.
    app_.allow_config_extras(CLI::config_extras_mode::error);
    app_.set_config("--config", file,
                    "Options, server = HOST, and those of a command below [COMMAND] "
                    "[$OBJPOOL_CONFIG, else ~/.config/objpool/objpoolctl.ini]",
                    named)
        ->default_str(file)
        ->type_name("FILE");
  }

  // What is made of the parser itself.
  void AddShellCommands() {
    CLI::App* completion =
        app_.add_subcommand("completion", "Write what a shell needs to complete commands");
    completion->require_subcommand(1);
    const auto add = [&](const char* shell, const char* what, std::string (*make)(const CLI::App&),
                         const std::string& use) {
      set_.Add(*completion, shell, what,
               [this, make](const Target&, Console& console) {
                 console.out << make(app_);
                 return Flush(console);
               })
          ->footer("Example:\n  " + use);
    };
    add("bash", "For bash", BashCompletion, "source <(objpoolctl completion bash)");
    add("zsh", "For zsh", ZshCompletion, "source <(objpoolctl completion zsh)");
    add("fish", "For fish", FishCompletion, "objpoolctl completion fish | source");
    completion->footer("Example:\n  source <(objpoolctl completion bash)");
    // Hidden: for those who install.
    set_.Add(app_, "man", "Write the man page",
             [this](const Target&, Console& console) {
               console.out << ManPage(app_, OBJPOOL_VERSION);
               return Flush(console);
             })
        ->group("");
  }

  // Of `lease`, what stands behind -- is not ours to read. How many words are.
  std::size_t TakeCommand(std::span<const char* const> arguments) {
    const auto is = [](std::string_view word) {
      return [word](std::string_view argument) { return argument == word; };
    };
    const auto mark = std::find_if(arguments.begin(), arguments.end(), is("--"));
    const auto lease = std::find_if(arguments.begin(), mark, is("lease"));
    if (mark == arguments.end() || lease == mark) return arguments.size();
    set_.leased.command.assign(mark + 1, arguments.end());
    return static_cast<std::size_t>(mark - arguments.begin());
  }

  CLI::App app_;
  CommandSet set_{app_};
  Target target_;
  TlsFlags tls_;
  std::string output_ = "text";
};

}  // namespace

Exit RunCtl(int count, const char* const* arguments, Console& console) {
  CommandLine command_line;
  const std::span words(arguments, static_cast<std::size_t>(count));
  if (const auto exit = command_line.Parse(words, console)) return *exit;
  return command_line.Run(console);
}

}  // namespace objpool::client
