// watch: a line for each change of a pool.
#include <chrono>
#include <ctime>
#include <ostream>

#include "client/ctl/commands.h"
#include "client/ctl/json_writer.h"
#include "client/ctl/pool_text.h"
#include "client/text.h"

namespace objpool::client {
namespace {

void WriteLine(const v1::Pool& pool, const Target& target, Console& console) {
  google::protobuf::Timestamp now;
  now.set_seconds(std::time(nullptr));
  const std::string time = FormatTimestamp(now);
  if (target.json) {
    JsonWriter json(console.out, JsonWriter::Layout::kOneLine);
    json.BeginObject();
    json.Field("time", time);
    PoolFields(pool, json);
    json.EndObject();
    return;
  }
  console.out << time << '\t' << Printable(BarePool(pool.name())) << '\t'
              << PoolStateName(pool.state()) << "\tfree " << pool.free() << "\tleased "
              << pool.leased() << "\tdirty " << pool.dirty() << "\tresting " << pool.resting()
              << "\tquarantined " << pool.quarantined() << "\twaiting " << pool.waiters() << '\n';
}

}  // namespace

Exit RunWatch(const WatchOptions& options, const Target& target, Console& console) {
  const Client client(OptionsOf(target));
  grpc::ClientContext context;
  uint64_t lines = 0;
  Exit exit = Exit::kOk;
  const Error error =
      client.WatchPool(options.pool, options.interval, context, [&](const v1::Pool& pool) {
        WriteLine(pool, target, console);
        exit = Flush(console);
        return exit == Exit::kOk && ++lines != options.count;
      });
  return error.ok() ? exit : Fail(console, error, client.options());
}

}  // namespace objpool::client
