// What a message of protobuf is made of: a walk over its fields, and the few ways to write one.
//
// For messages whose bytes are prepared once and sent a million times; nothing is allocated but by
// the strings that are written to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace objpool::load {

enum class WireType : uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  uint32_t number;
  WireType type;
  uint64_t value;          // of a number
  std::string_view bytes;  // of kBytes
};

// Goes through the fields of one message, in their order.
class FieldWalk {
 public:
  explicit FieldWalk(std::string_view message) : rest_(message) {}
  // False behind the last field, and where the bytes are no message: see broken().
  [[nodiscard]] bool Next(Field& field);
  [[nodiscard]] bool broken() const { return broken_; }

 private:
  [[nodiscard]] bool Varint(uint64_t& value);
  [[nodiscard]] bool Fixed(std::size_t bytes, uint64_t& value);
  [[nodiscard]] bool Bytes(std::string_view& bytes);

  std::string_view rest_;
  bool broken_ = false;
};

void AppendVarint(uint64_t value, std::string& to);
void AppendNumber(uint32_t field, uint64_t value, std::string& to);
void AppendBytes(uint32_t field, std::string_view bytes, std::string& to);
// Of kBytes: what stands before so many bytes that the caller appends.
void AppendLength(uint32_t field, std::size_t bytes, std::string& to);
[[nodiscard]] std::size_t VarintBytes(uint64_t value);

}  // namespace objpool::load
