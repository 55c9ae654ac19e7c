// The command line of pool, handles, handle, watch and top: for those who look after pools.
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <fstream>
#include <sstream>

#include "client/ctl/command_set.h"
#include "client/ctl/option_kinds.h"
#include "client/text.h"

namespace objpool::client {
namespace {

using Configuration = objpool::config::v1::PoolConfig;

// A file of options is a few lines; a list of labels has 65536 of 256 bytes.
constexpr std::size_t kMaxFileBytes = std::size_t{32} << 20;

// The first thing that the parser does not like.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (!text.empty()) return;
    text = std::to_string(line + 1) + ':' + std::to_string(column + 1) + ": " + message;
  }
  std::string text;
};

// True where `path` is a PoolConfig in text format.
bool ReadFile(const std::string& path, Configuration& pool, std::string& why) {
  std::ifstream file(path);
  std::string text(kMaxFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (!file.eof() || text.size() > kMaxFileBytes) {
    why = "--file: " + Printable(path) + " cannot be read, or is larger than 32 MiB";
    return false;
  }
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  if (parser.ParseFromString(text, &pool)) return true;
  why = "--file: " + Printable(path) + ':' + Printable(error.text);
  return false;
}

void AddTimes(CLI::App& app, const std::string& name, const char* what,
              std::function<google::protobuf::Duration*()> field, Milliseconds least) {
  AddDuration(
      app, name, least, [field](Milliseconds time) { *field() = ProtoDuration(time); }, what);
}

// What can be said of a new pool and of one that is there. Both messages have these fields.
template <typename Message>
void AddChangeable(CLI::App& app, Message& message) {
  AddTimes(
      app, "--ttl-default", "The time of grants that ask for none [30s]",
      [&] { return message.mutable_ttl_default(); }, Milliseconds(1));
  AddTimes(
      app, "--ttl-min", "The shortest time of a grant [1ms]",
      [&] { return message.mutable_ttl_min(); }, Milliseconds(1));
  AddTimes(
      app, "--ttl-max", "The longest time of a grant [1h]",
      [&] { return message.mutable_ttl_max(); }, Milliseconds(1));
  AddTimes(
      app, "--reuse-delay", "How long a handle rests between two grants [0ms]",
      [&] { return message.mutable_reuse_delay(); }, Milliseconds(0));
  app.add_option_function<uint32_t>(
         "--quota-handles",
         [&](uint32_t most) { message.mutable_quota_per_identity()->set_handles(most); },
         "The most handles that one client may hold; 0: all [0]")
      ->check(CLI::Range(0u, uint32_t{1} << 24));
  app.add_option_function<uint32_t>(
         "--quota-calls",
         [&](uint32_t most) { message.mutable_quota_per_identity()->set_calls_per_s(most); },
         "The most calls that one client may make in a second; 0: any number [0]")
      ->check(CLI::Range(0u, 1'000'000u));
}

Exit GoCreate(CommandSet& set, const Target& target, Console& console) {
  Configuration& pool = *set.create.mutable_pool();
  if (!set.create_file.empty()) {
    Configuration from_file;
    std::string why;
    if (!ReadFile(set.create_file, from_file, why)) return Fail(console, Exit::kUsage, why);
    // What is given beside the file counts more.
    from_file.MergeFrom(pool);
    pool = from_file;
  }
  if (pool.name().empty()) return Fail(console, Exit::kUsage, "NAME is required");
  if (pool.kind_case() == Configuration::KIND_NOT_SET) {
    return Fail(console, Exit::kUsage, "--ids, --labels, --buffers or --file is required");
  }
  return RunPoolCreate(set.create, target, console);
}

// What the handles are.
void AddKinds(CLI::App& create, Configuration& pool) {
  CLI::Option* ids =
      create
          .add_option_function<uint64_t>(
              "--ids", [&pool](uint64_t count) { pool.mutable_ids()->set_count(count); },
              "So many integers")
          ->check(CLI::Range(uint64_t{1}, kMaxHandle + 1));
  create
      .add_option_function<int64_t>(
          "--first", [&pool](int64_t first) { pool.mutable_ids()->set_first(first); },
          "The first of them [0]")
      ->needs(ids);
  const auto take = [&pool](const std::vector<std::string>& words) {
    for (const std::string& word : words) pool.mutable_labels()->add_label(word);
  };
  CLI::Option* labels =
      create.add_option_function<std::vector<std::string>>("--labels", take, "These words: a,b,c")
          ->delimiter(',')
          ->excludes(ids);
  CLI::Option* buffers =
      create
          .add_option_function<uint64_t>(
              "--buffers", [&pool](uint64_t count) { pool.mutable_buffers()->set_count(count); },
              "So many pieces of memory")
          ->check(CLI::Range(uint64_t{1}, kMaxHandle + 1))
          ->excludes(ids)
          ->excludes(labels);
  CLI::Option* size = create.add_option_function<std::string>(
      "--size",
      [&pool](const std::string& text) {
        std::string why;
        const std::optional<uint64_t> bytes = ParseSize(text, kMaxBufferBytes, why);
        if (!bytes) throw CLI::ValidationError("--size", why);
        pool.mutable_buffers()->set_size_bytes(*bytes);
      },
      "The size of each, 1 to 1GiB");
  size->type_name("BYTES|KiB|MiB|GiB")->needs(buffers);
  buffers->needs(size);
}

void AddCreate(CommandSet& set, CLI::App& pool) {
  CLI::App* create = set.Add(
      pool, "create", "Make a pool",
      [&set](const Target& target, Console& console) { return GoCreate(set, target, console); });
  Configuration& config = *set.create.mutable_pool();
  create
      ->add_option_function<std::string>(
          "NAME", [&config](const std::string& name) { config.set_name(name); }, "Its name")
      ->check(CheckPool, "", "");
  AddKinds(*create, config);
  create
      ->add_option("--file", set.create_file,
                   "All of it, a PoolConfig as in the server's configuration, in text format")
      ->type_name("FILE");
  AddChangeable(*create, config);
  const std::map<std::string, objpool::config::v1::Durability> durabilities = {
      {"volatile", objpool::config::v1::DURABILITY_VOLATILE},
      {"process", objpool::config::v1::DURABILITY_PROCESS},
      {"disk", objpool::config::v1::DURABILITY_DISK}};
  create
      ->add_option_function<std::string>(
          "--durability",
          [&config, durabilities](const std::string& word) {
            config.set_durability(durabilities.at(word));
          },
          "What it knows after a restart [process with a state_dir, else volatile]")
      ->type_name("volatile|process|disk")
      ->check(CLI::IsMember({"volatile", "process", "disk"}), "", "");
  create->add_flag_callback(
      "--scrub", [&config] { config.set_scrub(true); }, "Buffers are zeros before each lease");
  create->add_flag_callback(
      "--dirty-unless-returned", [&config] { config.set_dirty_unless_returned(true); },
      "What is not returned is dirty");
  create->footer(
      Example("  objpoolctl pool create ports --ids 1000 --first 8000 --reuse-delay 1m\n"
              "  objpoolctl pool create seats --labels window,aisle\n"
              "  objpoolctl pool create frames --buffers 64 --size 2MiB\n"
              "  objpoolctl pool create --file ports.textproto"));
}

void AddPool(CommandSet& set) {
  CLI::App* pool = set.app.add_subcommand("pool", "Make, change, drain, end and recount pools");
  pool->require_subcommand(1);
  AddCreate(set, *pool);
  const auto add = [&](const char* name, const char* what, const std::string& example,
                       CommandSet::Run run) {
    CLI::App* command = set.Add(*pool, name, what, std::move(run));
    command->add_option("NAME", set.pool, "Which one")->required()->check(CheckPool, "", "");
    command->footer(Example("  objpoolctl pool " + example));
    return command;
  };
  CLI::App* update =
      add("update", "Change what can be changed while it serves", "update ports --ttl-max 1d",
          [&set](const Target& target, Console& console) {
            set.update.set_name(set.pool);
            return RunPoolUpdate(set.update, target, console);
          });
  AddChangeable(*update, set.update);
  add("drain", "Lease nothing more of it; renew and return go on", "drain ports",
      [&set](const Target& target, Console& console) {
        return RunPoolDrain(set.pool, target, console);
      });
  add("resume", "Lease again", "resume ports", [&set](const Target& target, Console& console) {
    return RunPoolResume(set.pool, target, console);
  });
  add("delete", "Drain it for good; it is gone when its last handle has come home",
      "delete ports --wait",
      [&set](const Target& target, Console& console) {
        return RunPoolDelete(set.pool, set.wait, target, console);
      })
      ->add_flag("--wait", set.wait, "Exit when it is gone");
  add("audit", "Recount it; exit with 0 only when no handle is missing or twice there",
      "audit ports", [&set](const Target& target, Console& console) {
        return RunPoolAudit(set.pool, target, console);
      });
  pool->footer(
      Example("  objpoolctl pool create ports --ids 1000 --first 8000\n"
              "  objpoolctl pool drain ports && objpoolctl watch ports"));
}

void AddHandles(CommandSet& set) {
  CLI::App* handles = set.Add(set.app, "handles", "Show the handles of a pool, and where each is",
                              [&set](const Target& target, Console& console) {
                                return RunHandles(set.handles, target, console);
                              });
  handles->add_option("POOL", set.handles.pool, "Where")->required()->check(CheckPool, "", "");
  const std::map<std::string, v1::HandleState> states = {
      {"free", v1::HANDLE_STATE_FREE},
      {"leased", v1::HANDLE_STATE_LEASED},
      {"dirty", v1::HANDLE_STATE_DIRTY},
      {"resting", v1::HANDLE_STATE_RESTING},
      {"quarantined", v1::HANDLE_STATE_QUARANTINED}};
  handles
      ->add_option_function<std::string>(
          "--state",
          [&set, states](const std::string& word) { set.handles.state = states.at(word); },
          "Only those that are so [all]")
      ->type_name("free|leased|dirty|resting|quarantined")
      ->check(CLI::IsMember({"free", "leased", "dirty", "resting", "quarantined"}), "", "");
  handles->footer(
      Example("  objpoolctl handles ports --state quarantined\n"
              "  objpoolctl handles gpus --output json"));

  CLI::App* handle = set.app.add_subcommand("handle", "Show one handle; take it out of use");
  handle->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, auto run) {
    CLI::App* command =
        set.Add(*handle, name, what, [&set, run](const Target& target, Console& console) {
          return run(set.grant, target, console);
        });
    command->add_option("POOL", set.grant.pool, "Its pool")->required()->check(CheckPool, "", "");
    command->add_option("HANDLE", set.grant.handle, "Its number in the pool")
        ->required()
        ->check(CLI::Range(uint64_t{0}, kMaxHandle));
    command->footer(Example("  objpoolctl handle " + std::string(name) + " ports 17"));
  };
  add("show", "Show where it is", RunHandleShow);
  add("quarantine", "Take it out of use, when its grant is over", RunHandleQuarantine);
  add("reinstate", "Bring it back into use", RunHandleReinstate);
  handle->footer(Example("  objpoolctl handle quarantine ports 17"));
}

void AddWatch(CommandSet& set) {
  CLI::App* watch =
      set.Add(set.app, "watch", "Show a pool now and whenever it changes, a line each",
              [&set](const Target& target, Console& console) {
                return RunWatch(set.watch, target, console);
              });
  watch->add_option("POOL", set.watch.pool, "Which one")->required()->check(CheckPool, "", "");
  AddDuration(*watch, "--interval", kMinWatchInterval, set.watch.interval,
              "How long after a line the next one comes, at the earliest [1s]", kMaxWatchInterval);
  watch->add_option("--count", set.watch.count, "How many lines [until the pool is gone]")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40));
  watch->footer(
      Example("  objpoolctl watch ports\n"
              "  objpoolctl watch ports --output json | jq .free"));
}

void AddTop(CommandSet& set) {
  CLI::App* top = set.Add(
      set.app, "top", "Show pools, slots, steals and waiters live; q quits",
      [&set](const Target& target, Console& console) { return RunTop(set.top, target, console); });
  top->add_option("POOL", set.top.pool, "Whose slots to show [the pool of most capacity]")
      ->check(CheckPool, "", "");
  AddDuration(*top, "--interval", kMinWatchInterval, set.top.interval,
              "From one look to the next [1s]", kMaxWatchInterval);
  top->add_flag("--once", set.top.once, "One look, with the rates of one interval");
  top->footer(
      Example("  objpoolctl top ports\n"
              "  objpoolctl top --once --interval 5s"));
}

}  // namespace

void AddPoolCommands(CommandSet& set) {
  AddPool(set);
  AddHandles(set);
  AddWatch(set);
  AddTop(set);
}

}  // namespace objpool::client
