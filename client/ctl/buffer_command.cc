// read and write: the bytes of a leased buffer, to the standard output and from the standard input.
#include <array>
#include <istream>
#include <optional>
#include <ostream>

#include "client/ctl/commands.h"
#include "client/ctl/json_writer.h"
#include "client/text.h"

namespace objpool::client {
namespace {

// A part of the error's metadata, which the server counted.
std::string Metadata(const Error& error, const std::string& key) {
  const auto found = error.metadata.find(key);
  return found == error.metadata.end() ? std::string() : Printable(found->second, 20);
}

Exit FailOf(Console& console, const Ref& ref, const Error& error, const ClientOptions& options,
            const std::string& done) {
  return Fail(console, ExitOf(error), WithoutKey(ref) + ": " + Explain(error, options) + done);
}

}  // namespace

Exit RunRead(const BufferOptions& options, const Target& target, Console& console) {
  std::string why;
  const std::optional<Ref> ref = ParseRef(options.ref, why);
  if (!ref) return Fail(console, Exit::kUsage, why);
  const Client client(OptionsOf(target));
  const auto take = [&](std::string_view bytes) {
    console.out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return console.out.good();
  };
  const auto read = client.ReadBuffer(*ref, options.offset, options.length, take);
  const Exit exit = Flush(console);
  if (exit != Exit::kOk || read.ok()) return exit;
  return FailOf(console, *ref, read.error, client.options(),
                read.value == 0 ? "" : "; only " + std::to_string(read.value) + " bytes were read");
}

Exit RunWrite(const BufferOptions& options, const Target& target, Console& console) {
  std::string why;
  const std::optional<Ref> ref = ParseRef(options.ref, why);
  if (!ref) return Fail(console, Exit::kUsage, why);
  const Client client(OptionsOf(target));
  std::string piece(kMaxWriteBytes, '\0');
  const auto give = [&]() -> std::string_view {
    console.in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    return {piece.data(), static_cast<std::size_t>(console.in.gcount())};
  };
  const auto written = client.WriteBuffer(*ref, options.offset, give);
  if (!written.ok()) {
    const std::string bytes = Metadata(written.error, "bytes_written");
    const std::string late = Metadata(written.error, "uncertain_bytes");
    return FailOf(
        console, *ref, written.error, client.options(),
        (bytes.empty() ? "" : "; " + bytes + " bytes were written") +
            (late.empty() ? "" : ", the last " + late + " of them perhaps after the grant's end"));
  }
  if (console.in.bad()) return Fail(console, Exit::kRefused, "the input could not be read");
  const v1::WriteResponse& reply = written.value;
  if (target.json) {
    JsonWriter json(console.out);
    json.BeginObject();
    json.Field("ref", WithoutKey(*ref));
    json.Field("bytes_written", reply.bytes_written());
    json.Field("first_offset", reply.first_offset());
    json.Field("end_offset", reply.end_offset());
    json.EndObject();
  } else {
    console.out << WithoutKey(*ref) << "\twritten\t" << reply.bytes_written() << " bytes\n";
  }
  return Flush(console);
}

}  // namespace objpool::client
