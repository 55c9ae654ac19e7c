// AddressRange: the addresses that begin alike, as "10.0.0.0/8".
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace objpool::settings {

class AddressRange {
 public:
  // Of "ADDRESS" or "ADDRESS/BITS"; nothing, and in `why` what is wrong, where it is none. Beyond
  // its bits an address must be zero.
  [[nodiscard]] static std::optional<AddressRange> Parse(std::string_view text, std::string& why);

  [[nodiscard]] bool v6() const { return v6_; }
  [[nodiscard]] uint32_t bits() const { return bits_; }
  // Whether all of `other` is in it.
  [[nodiscard]] bool Contains(const AddressRange& other) const;
  // One address or more of this machine alone: of 127.0.0.0/8, or ::1.
  [[nodiscard]] bool loopback() const;

 private:
  std::array<uint8_t, 16> bytes_{};
  uint32_t bits_ = 0;
  bool v6_ = false;
};

}  // namespace objpool::settings
