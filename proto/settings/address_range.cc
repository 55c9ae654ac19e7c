#include "proto/settings/address_range.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <system_error>

namespace objpool::settings {

std::optional<AddressRange> AddressRange::Parse(std::string_view text, std::string& why) {
  const std::size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  AddressRange range;
  range.v6_ = address.find(':') != std::string::npos;
  if (inet_pton(range.v6_ ? AF_INET6 : AF_INET, address.c_str(), range.bytes_.data()) != 1) {
    why = "no IPv4 or IPv6 address";
    return std::nullopt;
  }
  const uint32_t most = range.v6_ ? 128 : 32;
  range.bits_ = most;
  if (slash != std::string_view::npos) {
    const std::string_view bits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), range.bits_);
    if (error != std::errc() || end != bits.data() + bits.size() || range.bits_ > most) {
      why = "a prefix has 0 .. " + std::to_string(most) + " bits";
      return std::nullopt;
    }
  }
  for (uint32_t bit = range.bits_; bit < most; ++bit) {
    if ((range.bytes_[bit / 8] >> (7 - bit % 8) & 1) == 0) continue;
    why = "it has bits set beyond its prefix";
    return std::nullopt;
  }
  return range;
}

bool AddressRange::Contains(const AddressRange& other) const {
  if (v6_ != other.v6_ || bits_ > other.bits_) return false;
  const uint32_t whole = bits_ / 8;
  if (!std::equal(bytes_.begin(), bytes_.begin() + whole, other.bytes_.begin())) return false;
  const uint32_t rest = bits_ % 8;
  return rest == 0 || (bytes_[whole] ^ other.bytes_[whole]) >> (8 - rest) == 0;
}

bool AddressRange::loopback() const {
  if (!v6_) return bits_ >= 8 && bytes_[0] == 127;
  return bits_ == 128 && bytes_[15] == 1 &&
         std::all_of(bytes_.begin(), bytes_.end() - 1, [](uint8_t byte) { return byte == 0; });
}

}  // namespace objpool::settings
