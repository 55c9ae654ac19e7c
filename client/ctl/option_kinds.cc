#include "client/ctl/option_kinds.h"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <utility>

#include "client/ref.h"
#include "client/text.h"

namespace objpool::client {
namespace {

// A text of at most so many bytes that a terminal can show.
std::string CheckText(const std::string& text, std::size_t most) {
  if (text.size() > most) {
    return "at most " + std::to_string(most) + " bytes; got " + std::to_string(text.size());
  }
  if (IsUtf8(text) && Printable(text) == text) return {};
  return "UTF-8 without control characters; got " + Printable(text);
}

}  // namespace

std::string Example(const std::string& lines) {
  return "Example:\n" + lines + "\n--server, --timeout and --output: see objpoolctl --help.";
}

CLI::Option* AddDuration(CLI::App& app, const std::string& name, Milliseconds least,
                         std::function<void(Milliseconds)> set, const std::string& help,
                         Milliseconds most) {
  const auto read = [name, least, most, set = std::move(set)](const std::string& text) {
    std::string why;
    const std::optional<Milliseconds> time = ParseDuration(text, least, most, why);
    if (!time) throw CLI::ValidationError(name, why);
    set(*time);
  };
  return app.add_option_function<std::string>(name, read, help)->type_name("DURATION");
}

CLI::Option* AddDuration(CLI::App& app, const std::string& name, Milliseconds least,
                         Milliseconds& value, const std::string& help, Milliseconds most) {
  return AddDuration(
      app, name, least, [&value](Milliseconds time) { value = time; }, help, most);
}

std::string CheckPool(const std::string& text) {
  std::string why;
  return IsPoolName(text, why) ? std::string() : why;
}

std::string CheckHolder(const std::string& text) { return CheckText(text, kMaxHolderBytes); }

std::string CheckRequestId(const std::string& text) {
  if (text.empty())
    return "must be 1 to " + std::to_string(kMaxRequestIdBytes) + " bytes; got none";
  return CheckText(text, kMaxRequestIdBytes);
}

std::string CheckAddress(const std::string& text) {
  if (text.empty() || text.size() > 256 || !IsUtf8(text) || Printable(text) != text) {
    return "must be HOST:PORT or unix:PATH, 1 to 256 bytes; got " + Printable(text, 80);
  }
  // gRPC would take a larger port modulo 2^16.
  const std::string port = text.substr(text.rfind(':') + 1);
  const bool number = port.find_first_not_of("0123456789") == std::string::npos;
  if (port.size() == text.size() || port.empty() || !number) return {};
  if (port.size() <= 5 && std::stoul(port) <= 65'535) return {};
  return "the port must be from 0 to 65535; got " + Printable(port, 80);
}

std::string CheckService(const std::string& text) {
  if (text.size() <= 256 && IsUtf8(text)) return {};
  return "must be at most 256 bytes of UTF-8; got " + Printable(text, 80);
}

std::optional<uint64_t> ParseSize(const std::string& text, uint64_t most, std::string& why) {
  constexpr std::array<std::pair<std::string_view, int>, 5> kUnits = {
      {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}}};
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const auto& [name, bits] : kUnits) {
    if (error != std::errc() || unit != name || number == 0 || number > (most >> bits)) continue;
    return number << bits;
  }
  why = "must be 1 to " + std::to_string(most) +
        " bytes, with KiB, MiB or GiB where it is of these; got " + Printable(text, 40);
  return std::nullopt;
}

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

}  // namespace objpool::client
