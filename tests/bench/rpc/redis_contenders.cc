// Redis as a pool: a list of what is free; and, to be like a lease, a script that numbers what it
// gives and notes when it ends.
//
// What makes Redis faster is left to it: nothing is written to disk, the client says when a lease
// ends, and nobody takes back what has ended.
#include <utility>

#include "tests/bench/rpc/contender.h"
#include "tests/bench/rpc/measure.h"
#include "tests/bench/rpc/redis_line.h"

namespace objpool::bench {
namespace {

// KEYS: free, fence, leases. ARGV: how many, when they end. Gives "ID:FENCE" for each.
constexpr std::string_view kLeaseLua = R"lua(
local ids = redis.call('LPOP', KEYS[1], ARGV[1])
if not ids then return {} end
local fence = redis.call('INCRBY', KEYS[2], #ids) - #ids
local leases, ends = {}, {}
for i, id in ipairs(ids) do
  local lease = id .. ':' .. (fence + i)
  leases[i] = lease
  ends[2 * i - 1] = ARGV[2]
  ends[2 * i] = lease
end
redis.call('ZADD', KEYS[3], unpack(ends))
return leases
)lua";

// KEYS: free, leases. ARGV: the leases. Says how many of them were running, and came back.
constexpr std::string_view kReturnLua = R"lua(
local ids = {}
for _, lease in ipairs(ARGV) do
  if redis.call('ZREM', KEYS[2], lease) == 1 then
    ids[#ids + 1] = string.sub(lease, 1, string.find(lease, ':', 1, true) - 1)
  end
end
if #ids > 0 then redis.call('RPUSH', KEYS[1], unpack(ids)) end
return #ids
)lua";

// The same, with as few commands as can be where all of them run.
constexpr std::string_view kReturnBulkLua = R"lua(
local ids, running = {}, {}
for i, score in ipairs(redis.call('ZMSCORE', KEYS[2], unpack(ARGV))) do
  if score then
    local lease = ARGV[i]
    running[#running + 1] = lease
    ids[#ids + 1] = string.sub(lease, 1, string.find(lease, ':', 1, true) - 1)
  end
end
if #ids > 0 then
  redis.call('ZREM', KEYS[2], unpack(running))
  redis.call('RPUSH', KEYS[1], unpack(ids))
end
return #ids
)lua";

// When leases end, in ms: in the year 2100.
constexpr std::string_view kEnds = "4102444800000";

enum class Kind : uint8_t { kPlain, kLua, kBulk };

class Redis final : public Contender {
 public:
  Redis(std::string name, Kind kind) : Contender(std::move(name)), kind_(kind) {}

  [[nodiscard]] bool CanRun(const Cell& cell) const override {
    if (kind_ == Kind::kBulk && cell.batch == 1) return false;
    // On one connection commands do not wait for answers in any case.
    return cell.way == Way::kStream ||
           (cell.way == Way::kCalls && (cell.outstanding == 1 || cell.batch > 1));
  }

  [[nodiscard]] bool Start(const Site& site, std::string& why) override {
    if (!IsInstalled("redis-server")) {
      why = "redis-server is not installed";
      return false;
    }
    const std::string port = std::to_string(FreePort());
    address_ = "127.0.0.1:" + port;
    server_ = ServerProcess::Start({"redis-server", "--port", port, "--bind", "127.0.0.1", "--save",
                                    "", "--appendonly", "no", "--dir", site.folder},
                                   site.server_cpu, site.folder + "/redis-" + port + ".log", why);
    if (server_ == nullptr) return false;
    const std::string ping = RedisCommand({"PING"});
    if (!server_->WaitUntil([&] { return AskRedis(address_, ping) == "PONG"; }, why) ||
        !Fill(why)) {
      return false;
    }
    server_->Pause();
    return true;
  }

  [[nodiscard]] Sample Run(const Cell& cell, const Pace& pace) override {
    const RedisScript script = ScriptOf(cell.batch);
    const auto make_load = [&](std::string& why) -> std::unique_ptr<load::LoadLoop> {
      auto load = std::make_unique<load::LoadLoop>();
      for (uint32_t i = 0; i < cell.connections; ++i) {
        auto socket = load::ByteSocket::Connect(address_, why);
        if (socket == nullptr) return nullptr;
        load->Add(std::make_unique<RedisLine>(std::move(socket), script, cell.outstanding,
                                              load->tally()));
      }
      if (!load->Begin(why)) return nullptr;
      return load;
    };
    return Measure(*server_, pace, make_load, [this] { return Missing(); });
  }

 private:
  // The ids 0 .. kCapacity - 1, and the scripts.
  [[nodiscard]] bool Fill(std::string& why) {
    const std::string fill = "for i = 0, " + std::to_string(kCapacity - 1) +
                             " do redis.call('RPUSH', 'free', i) end return 1";
    const auto load = [&](std::string_view script) {
      return AskRedis(address_, RedisCommand({"SCRIPT", "LOAD", script}));
    };
    why = AskRedis(address_, RedisCommand({"EVAL", fill, "0"}));
    lease_sha_ = load(kLeaseLua);
    return_sha_ = load(kind_ == Kind::kBulk ? kReturnBulkLua : kReturnLua);
    return why == "1" && !lease_sha_.starts_with('-') && !return_sha_.starts_with('-');
  }

  [[nodiscard]] RedisScript ScriptOf(uint32_t batch) const {
    const std::string count = std::to_string(batch);
    // The first line of a command, which says how many words there are, is the line's.
    const auto head = [](const std::string& command) {
      return command.substr(command.find('\n') + 1);
    };
    if (kind_ == Kind::kPlain) {
      return {.lease = batch == 1 ? RedisCommand({"LPOP", "free"})
                                  : RedisCommand({"LPOP", "free", count}),
              .return_head = head(RedisCommand({"RPUSH", "free"})),
              .return_words = 2,
              .batch = batch,
              .tells_count = false};
    }
    return {.lease =
                RedisCommand({"EVALSHA", lease_sha_, "3", "free", "fence", "leases", count, kEnds}),
            .return_head = head(RedisCommand({"EVALSHA", return_sha_, "2", "free", "leases"})),
            .return_words = 5,
            .batch = batch,
            .tells_count = true};
  }

  // What is not back.
  [[nodiscard]] std::string Missing() const {
    const std::string free = AskRedis(address_, RedisCommand({"LLEN", "free"}));
    const std::string leases = AskRedis(address_, RedisCommand({"ZCARD", "leases"}));
    if (free == std::to_string(kCapacity) && leases == "0") return {};
    return "Redis has " + free + " free and " + leases + " leased";
  }

  const Kind kind_;
  std::unique_ptr<ServerProcess> server_;
  std::string address_;
  std::string lease_sha_;
  std::string return_sha_;
};

}  // namespace

void AddRedis(Contenders& to) {
  to.push_back(std::make_unique<Redis>(std::string(kRedisPlain), Kind::kPlain));
  to.push_back(std::make_unique<Redis>(std::string(kRedisLua), Kind::kLua));
  to.push_back(std::make_unique<Redis>(std::string(kRedisBulk), Kind::kBulk));
}

}  // namespace objpool::bench
