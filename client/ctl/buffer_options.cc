// The command line of read and write.
#include "client/ctl/command_set.h"
#include "client/ctl/option_kinds.h"

namespace objpool::client {

void AddBufferCommands(CommandSet& set) {
  const auto add = [&set](const char* name, const char* what, auto run) {
    CLI::App* command =
        set.Add(set.app, name, what, [&set, run](const Target& target, Console& console) {
          return run(set.buffer, target, console);
        });
    command
        ->add_option("REF", set.buffer.ref,
                     "POOL/HANDLE/FENCE/KEY as lease gave it (other users of this machine can see "
                     "arguments, but not the environment)")
        ->envname("OBJPOOL_REF")
        ->required();
    command->add_option("--offset", set.buffer.offset, "Where in the buffer to begin, in bytes")
        ->capture_default_str()
        ->check(CLI::Range(uint64_t{0}, kMaxBufferBytes));
    return command;
  };
  CLI::App* read =
      add("read", "Write the bytes of a leased buffer to the standard output", RunRead);
  read->add_option("--length", set.buffer.length, "How many bytes [to the buffer's end]")
      ->check(CLI::Range(uint64_t{1}, kMaxBufferBytes));
  read->footer(
      Example("  objpoolctl read \"$ref\" > image\n"
              "  OBJPOOL_REF=$ref objpoolctl read --offset 4096 --length 512 | xxd"));
  CLI::App* write = add("write", "Write the standard input into a leased buffer", RunWrite);
  write->footer(
      Example("  objpoolctl write \"$ref\" < image\n"
              "  date | OBJPOOL_REF=$ref objpoolctl write --offset 4096"));
}

}  // namespace objpool::client
