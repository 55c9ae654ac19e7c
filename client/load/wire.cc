#include "client/load/wire.h"

#include <bit>
#include <cstring>

namespace objpool::load {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the wire's numbers are read as they lie");

constexpr uint32_t kTypeBits = 3;
constexpr uint64_t kMaxFieldNumber = (uint64_t{1} << 29) - 1;
constexpr int kVarintBits = 7;
constexpr uint8_t kVarintMore = 0x80;

}  // namespace

bool FieldWalk::Next(Field& field) {
  if (rest_.empty() || broken_) return false;
  uint64_t tag = 0;
  broken_ = true;  // unless the field is whole
  if (!Varint(tag)) return false;
  if (tag >> kTypeBits == 0 || tag >> kTypeBits > kMaxFieldNumber) return false;
  field = {.number = static_cast<uint32_t>(tag >> kTypeBits),
           .type = static_cast<WireType>(tag & ((1U << kTypeBits) - 1)),
           .value = 0,
           .bytes = {}};
  switch (field.type) {
    case WireType::kVarint:
      broken_ = !Varint(field.value);
      break;
    case WireType::kFixed64:
      broken_ = !Fixed(8, field.value);
      break;
    case WireType::kFixed32:
      broken_ = !Fixed(4, field.value);
      break;
    case WireType::kBytes:
      broken_ = !Bytes(field.bytes);
      break;
  }
  return !broken_;
}

bool FieldWalk::Varint(uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !rest_.empty(); shift += kVarintBits) {
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    value |= uint64_t{byte & (kVarintMore - 1U)} << shift;
    if (byte < kVarintMore) return true;
  }
  return false;
}

bool FieldWalk::Fixed(std::size_t bytes, uint64_t& value) {
  if (rest_.size() < bytes) return false;
  std::memcpy(&value, rest_.data(), bytes);
  rest_.remove_prefix(bytes);
  return true;
}

bool FieldWalk::Bytes(std::string_view& bytes) {
  uint64_t length = 0;
  if (!Varint(length) || length > rest_.size()) return false;
  bytes = rest_.substr(0, length);
  rest_.remove_prefix(length);
  return true;
}

void AppendVarint(uint64_t value, std::string& to) {
  for (; value >= kVarintMore; value >>= kVarintBits) {
    to.push_back(static_cast<char>(value | kVarintMore));
  }
  to.push_back(static_cast<char>(value));
}

void AppendNumber(uint32_t field, uint64_t value, std::string& to) {
  AppendVarint(uint64_t{field} << kTypeBits | static_cast<uint64_t>(WireType::kVarint), to);
  AppendVarint(value, to);
}

void AppendLength(uint32_t field, std::size_t bytes, std::string& to) {
  AppendVarint(uint64_t{field} << kTypeBits | static_cast<uint64_t>(WireType::kBytes), to);
  AppendVarint(bytes, to);
}

void AppendBytes(uint32_t field, std::string_view bytes, std::string& to) {
  AppendLength(field, bytes.size(), to);
  to.append(bytes);
}

std::size_t VarintBytes(uint64_t value) {
  std::size_t bytes = 1;
  for (; value >= kVarintMore; value >>= kVarintBits) ++bytes;
  return bytes;
}

}  // namespace objpool::load
