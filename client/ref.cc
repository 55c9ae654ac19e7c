#include "client/ref.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

#include "client/text.h"

namespace objpool::client {
namespace {

constexpr std::string_view kPoolsPrefix = "pools/";
constexpr std::size_t kKeyDigits = 16;
// How much of a wrong value is shown.
constexpr std::size_t kShownBytes = 80;

std::string Quoted(std::string_view text) { return '"' + Printable(text, kShownBytes) + '"'; }

bool ParseNumber(std::string_view text, int base, uint64_t& number) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, base);
  return error == std::errc() && stop == end && !text.empty();
}

std::string Hex(uint64_t value) {
  std::array<char, kKeyDigits> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + kKeyDigits, value, 16);
  const std::string shortest(digits.data(), end);
  return std::string(kKeyDigits - shortest.size(), '0') + shortest;
}

// Split at slashes; what is beyond the fourth is left out.
using Parts = std::array<std::string_view, 4>;

Parts Split(std::string_view text) {
  Parts parts;
  for (std::string_view& part : parts) {
    const std::size_t slash = text.find('/');
    part = text.substr(0, slash);
    text.remove_prefix(std::min(text.size(), part.size() + 1));
  }
  return parts;
}

// A word of another shape may hold a key anywhere: no more of it is shown than its beginning.
std::string WrongParts(std::string_view rule, std::string_view text) {
  const auto slashes = std::count(text.begin(), text.end(), '/');
  return std::string(rule) + "; got " + std::to_string(slashes + 1) + " in one that begins " +
         Quoted(text.substr(0, text.find('/')));
}

// Pool, handle and fence.
bool ReadGrant(const Parts& parts, Ref& ref, std::string& why) {
  ref.pool = parts[0];
  if (!IsPoolName(parts[0], why)) {
    why = "in a ref, " + why;
    return false;
  }
  if (!ParseNumber(parts[1], 10, ref.handle) || ref.handle > kMaxHandle) {
    why = "in a ref of pool " + ref.pool + ", the handle must be a number from 0 to " +
          std::to_string(kMaxHandle) + "; got " + Quoted(parts[1]);
    return false;
  }
  if (!ParseNumber(parts[2], 10, ref.fence) || ref.fence == 0) {
    why = "in a ref of pool " + ref.pool + ", the fence must be a number from 1 to " +
          std::to_string(UINT64_MAX) + "; got " + Quoted(parts[2]);
    return false;
  }
  return true;
}

}  // namespace

std::string FormatRef(const Ref& ref) { return WithoutKey(ref) + '/' + Hex(ref.key); }

std::string WithoutKey(const Ref& ref) {
  return ref.pool + '/' + std::to_string(ref.handle) + '/' + std::to_string(ref.fence);
}

std::optional<Ref> ParseRef(std::string_view text, std::string& why) {
  const auto slashes = std::count(text.begin(), text.end(), '/');
  // A pool may itself be called "pools".
  const std::string_view rest = slashes == 4 ? BarePool(text) : text;
  if (std::count(rest.begin(), rest.end(), '/') != 3) {
    why = WrongParts("a ref has 4 parts, POOL/HANDLE/FENCE/KEY", text);
    return std::nullopt;
  }
  const Parts parts = Split(rest);
  Ref ref;
  if (!ReadGrant(parts, ref, why)) return std::nullopt;
  if (parts[3].size() != kKeyDigits || !ParseNumber(parts[3], 16, ref.key)) {
    why = "in ref " + WithoutKey(ref) + "/..., the key must be 16 hexadecimal digits; got " +
          std::to_string(parts[3].size()) + " characters";
    return std::nullopt;
  }
  return ref;
}

std::optional<Ref> ParseRefWithoutKey(std::string_view text, std::string& why) {
  std::string_view rest = BarePool(text);
  // A pool called "pools" has a handle next, and no pool's name begins with a digit.
  if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') rest = text;
  const auto slashes = std::count(rest.begin(), rest.end(), '/');
  Ref ref;
  if (slashes == 3) {
    const std::optional<Ref> whole = ParseRef(rest, why);
    if (!whole) return std::nullopt;
    ref = *whole;
    ref.key = 0;
  } else if (slashes != 2) {
    why = WrongParts("a grant is named by 3 parts, POOL/HANDLE/FENCE", rest);
    return std::nullopt;
  } else if (!ReadGrant(Split(rest), ref, why)) {
    return std::nullopt;
  }
  return ref;
}

Ref RefOf(std::string_view pool, const v1::GrantRef& grant) {
  return {.pool = std::string(BarePool(pool)),
          .handle = grant.handle(),
          .fence = grant.fence(),
          .key = grant.key()};
}

v1::GrantRef GrantRefOf(const Ref& ref) {
  v1::GrantRef grant;
  grant.set_handle(ref.handle);
  grant.set_fence(ref.fence);
  grant.set_key(ref.key);
  return grant;
}

std::string_view BarePool(std::string_view name) {
  if (name.starts_with(kPoolsPrefix)) name.remove_prefix(kPoolsPrefix.size());
  return name;
}

bool IsPoolName(std::string_view name, std::string& why) {
  const std::string_view bare = BarePool(name);
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  if (!bare.empty() && bare.size() <= kMaxPoolNameBytes && bare[0] >= 'a' && bare[0] <= 'z' &&
      bare.back() != '-' && std::all_of(bare.begin(), bare.end(), fits)) {
    return true;
  }
  why = "the pool must be 1 to " + std::to_string(kMaxPoolNameBytes) +
        " characters of a-z, 0-9 and '-', begin with a letter and not end with '-'; got " +
        Quoted(bare);
  return false;
}

}  // namespace objpool::client
