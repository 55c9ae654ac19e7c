#include "server/service/plain_wire.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "objpool/v1/lease_service.pb.h"

namespace objpool::server {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedOutputStream;

constexpr int kWireVarint = WireFormatLite::WIRETYPE_VARINT;
constexpr int kWireFixed64 = WireFormatLite::WIRETYPE_FIXED64;
constexpr int kWireBytes = WireFormatLite::WIRETYPE_LENGTH_DELIMITED;

// What a field begins with: its number and how its value is written. One byte for those below 16.
constexpr uint8_t Key(int field, int wire) { return static_cast<uint8_t>((field << 3) | wire); }

// Reads fields one after the other. Once it is not `good`, it gives nothing but zeros.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : left_(bytes) {}

  [[nodiscard]] bool more() const { return good_ && !left_.empty(); }
  [[nodiscard]] bool good() const { return good_; }

  [[nodiscard]] uint8_t ReadKey() {
    const auto key = static_cast<uint8_t>(left_.front());
    left_.remove_prefix(1);
    return key;
  }

  [[nodiscard]] uint64_t ReadVarint(int most_bytes = 10) {
    uint64_t value = 0;
    for (int i = 0; i < most_bytes && !left_.empty(); ++i) {
      const uint8_t byte = ReadKey();
      value |= uint64_t{byte & 0x7Fu} << (7 * i);
      if (byte < 0x80) return value;
    }
    good_ = false;
    return 0;
  }

  [[nodiscard]] uint64_t ReadFixed64() {
    static_assert(std::endian::native == std::endian::little);
    uint64_t value = 0;
    if (left_.size() < sizeof(value)) {
      good_ = false;
      return 0;
    }
    std::memcpy(&value, left_.data(), sizeof(value));
    left_.remove_prefix(sizeof(value));
    return value;
  }

  [[nodiscard]] std::string_view ReadBytes() {
    const uint64_t size = ReadVarint(kMostLengthBytes);
    if (size > left_.size()) {
      good_ = false;
      return {};
    }
    const std::string_view bytes = left_.substr(0, size);
    left_.remove_prefix(size);
    return bytes;
  }

  // Of a part that may be there once: protobuf would merge a second one into it.
  [[nodiscard]] std::string_view ReadOnly(bool& seen) {
    if (std::exchange(seen, true)) good_ = false;
    return ReadBytes();
  }

  [[nodiscard]] std::string_view ReadAscii() {
    const std::string_view text = ReadBytes();
    if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) {
      good_ = false;
    }
    return text;
  }

 private:
  // protobuf takes one more, but no more than that.
  static constexpr int kMostLengthBytes = 4;

  std::string_view left_;
  bool good_ = true;
};

// True where `take` takes every field, by its key; it reads the value.
template <typename Take>
bool ReadFields(std::string_view bytes, Take take) {
  FieldReader reader(bytes);
  while (reader.more()) {
    if (!take(reader.ReadKey(), reader)) return false;
  }
  return reader.good();
}

bool ReadTtl(std::string_view bytes, PlainTtl& ttl) {
  using Duration = google::protobuf::Duration;
  return ReadFields(bytes, [&](uint8_t key, FieldReader& from) {
    switch (key) {
      case Key(Duration::kSecondsFieldNumber, kWireVarint):
        ttl.seconds = static_cast<int64_t>(from.ReadVarint());
        return true;
      case Key(Duration::kNanosFieldNumber, kWireVarint):
        ttl.nanos = static_cast<int32_t>(from.ReadVarint());
        return true;
      default:
        return false;
    }
  });
}

bool ReadRef(std::string_view bytes, lease::GrantRef& ref) {
  return ReadFields(bytes, [&](uint8_t key, FieldReader& from) {
    switch (key) {
      case Key(v1::GrantRef::kHandleFieldNumber, kWireFixed64):
        ref.handle = from.ReadFixed64();
        return true;
      case Key(v1::GrantRef::kFenceFieldNumber, kWireFixed64):
        ref.fence = from.ReadFixed64();
        return true;
      case Key(v1::GrantRef::kKeyFieldNumber, kWireFixed64):
        ref.key = from.ReadFixed64();
        return true;
      default:
        return false;
    }
  });
}

// A ReturnItem of a clean handle.
bool ReadItem(std::string_view bytes, lease::GrantRef& ref) {
  bool has_grant = false;
  const bool good = ReadFields(bytes, [&](uint8_t key, FieldReader& from) {
    if (key == Key(v1::ReturnItem::kGrantFieldNumber, kWireBytes)) {
      return ReadRef(from.ReadOnly(has_grant), ref);
    }
    return key == Key(v1::ReturnItem::kDispositionFieldNumber, kWireVarint) &&
           from.ReadVarint() == v1::DISPOSITION_CLEAN;
  });
  return good && has_grant;
}

// A ReturnRequest; `take` takes each item's bytes.
template <typename Take>
bool ReadReturn(std::string_view bytes, std::string_view& pool, Take take) {
  return ReadFields(bytes, [&](uint8_t key, FieldReader& from) {
    if (key == Key(v1::ReturnRequest::kItemsFieldNumber, kWireBytes)) {
      return take(from.ReadBytes());
    }
    if (key != Key(v1::ReturnRequest::kPoolFieldNumber, kWireBytes)) return false;
    pool = from.ReadAscii();
    return true;
  });
}

bool ReadReturnOfOne(std::string_view bytes, PlainOperation& to) {
  bool has_item = false;
  const bool good = ReadReturn(bytes, to.pool, [&](std::string_view item) {
    return !std::exchange(has_item, true) && ReadItem(item, to.ref);
  });
  return good && has_item;
}

bool ReadOperation(std::string_view bytes, PlainOperation& to) {
  using Operation = v1::SessionOperation;
  bool has_kind = false;
  const bool good = ReadFields(bytes, [&](uint8_t key, FieldReader& from) {
    switch (key) {
      case Key(Operation::kIdFieldNumber, kWireVarint):
        to.id = from.ReadVarint();
        return true;
      case Key(Operation::kLeaseFieldNumber, kWireBytes):
        to.is_lease = true;
        return ReadPlainLease(from.ReadOnly(has_kind), to.lease) && to.lease.count == 1;
      case Key(Operation::kGiveBackFieldNumber, kWireBytes):
        return ReadReturnOfOne(from.ReadOnly(has_kind), to);
      default:
        return false;
    }
  });
  return good && has_kind;
}

// Writes a message that is shorter than 128 bytes, and so are its parts: a length is one byte.
class ShortWriter {
 public:
  void Varint(int field, uint64_t value) {
    *end_++ = Key(field, kWireVarint);
    end_ = CodedOutputStream::WriteVarint64ToArray(value, end_);
  }
  // Nothing for what it is when it is not there.
  void VarintUnlessZero(int field, uint64_t value) {
    if (value != 0) Varint(field, value);
  }
  void Fixed64UnlessZero(int field, uint64_t value) {
    if (value == 0) return;
    *end_++ = Key(field, kWireFixed64);
    end_ = CodedOutputStream::WriteLittleEndian64ToArray(value, end_);
  }
  template <typename Fill>
  void Part(int field, Fill fill) {
    *end_++ = Key(field, kWireBytes);
    uint8_t* const length = end_++;
    fill();
    *length = static_cast<uint8_t>(end_ - length - 1);
  }
  void AppendTo(std::string& to) const {
    to.append(reinterpret_cast<const char*>(bytes_.data()),
              static_cast<std::size_t>(end_ - bytes_.data()));
  }

 private:
  std::array<uint8_t, 128> bytes_;
  uint8_t* end_ = bytes_.data();
};

void WriteGrant(const lease::GrantRef& ref, int64_t first_id, ShortWriter& writer) {
  const int64_t id = first_id + static_cast<int64_t>(ref.handle);
  writer.Part(v1::LeaseResponse::kGrantsFieldNumber, [&] {
    writer.Part(v1::Grant::kRefFieldNumber, [&] {
      writer.Fixed64UnlessZero(v1::GrantRef::kHandleFieldNumber, ref.handle);
      writer.Fixed64UnlessZero(v1::GrantRef::kFenceFieldNumber, ref.fence);
      writer.Fixed64UnlessZero(v1::GrantRef::kKeyFieldNumber, ref.key);
    });
    writer.Varint(v1::Grant::kIdFieldNumber, static_cast<uint64_t>(id));
  });
}

void WriteTimes(const GrantTimes& times, ShortWriter& writer) {
  constexpr int64_t kNsPerSecond = 1'000'000'000;
  // A Timestamp's fields have the same numbers.
  const auto write_time = [&](uint64_t seconds, uint64_t nanos) {
    writer.VarintUnlessZero(google::protobuf::Duration::kSecondsFieldNumber, seconds);
    writer.VarintUnlessZero(google::protobuf::Duration::kNanosFieldNumber, nanos);
  };
  writer.Part(v1::LeaseResponse::kTtlFieldNumber,
              [&] { write_time(times.ttl_ms / 1000, times.ttl_ms % 1000 * 1'000'000); });
  writer.Part(v1::LeaseResponse::kExpireTimeFieldNumber, [&] {
    write_time(static_cast<uint64_t>(times.expire_ns / kNsPerSecond),
               static_cast<uint64_t>(times.expire_ns % kNsPerSecond));
  });
}

}  // namespace

bool ReadPlainLease(std::string_view request, PlainLease& to) {
  using Request = v1::LeaseRequest;
  bool has_ttl = false;
  uint64_t count = 1;
  std::optional<uint64_t> min_count;
  const bool good = ReadFields(request, [&](uint8_t key, FieldReader& from) {
    switch (key) {
      case Key(Request::kPoolFieldNumber, kWireBytes):
        to.pool = from.ReadAscii();
        return true;
      case Key(Request::kHolderFieldNumber, kWireBytes):
        to.holder = from.ReadAscii();
        return true;
      case Key(Request::kCountFieldNumber, kWireVarint):
        count = from.ReadVarint();
        return true;
      case Key(Request::kMinCountFieldNumber, kWireVarint):
        min_count = from.ReadVarint();
        return true;
      case Key(Request::kTtlFieldNumber, kWireBytes):
        return ReadTtl(from.ReadOnly(has_ttl), to.ttl.emplace());
      default:
        return false;
    }
  });
  if (!good || count < 1 || count > lease::kMaxBatch || min_count.value_or(count) != count) {
    return false;
  }
  to.count = static_cast<uint32_t>(count);
  return true;
}

bool ReadPlainReturn(std::string_view request, lease::BatchRoom<lease::GrantRef>& room,
                     PlainReturn& to) {
  std::size_t items = 0;
  const bool counted = ReadReturn(
      request, to.pool, [&](std::string_view /*item*/) { return ++items <= lease::kMaxBatch; });
  if (!counted || items == 0) return false;
  const auto refs = room.First(items);
  std::size_t next = 0;
  to.refs = refs;
  return ReadReturn(request, to.pool,
                    [&](std::string_view item) { return ReadItem(item, refs[next++]); });
}

bool ReadPlainOperations(std::string_view message, std::vector<PlainOperation>& to) {
  constexpr uint8_t kOperation = Key(v1::SessionRequest::kOperationsFieldNumber, kWireBytes);
  to.clear();
  const bool good = ReadFields(message, [&](uint8_t key, FieldReader& from) {
    return key == kOperation && to.size() < kMaxPlainOperations &&
           ReadOperation(from.ReadBytes(), to.emplace_back());
  });
  return good && !to.empty();
}

void AppendPart(int field, const google::protobuf::MessageLite& part, std::string& to) {
  const std::size_t size = part.ByteSizeLong();
  const std::size_t before = to.size();
  constexpr std::size_t kMostHeadBytes = 6;
  to.resize(before + kMostHeadBytes + size);
  auto* const begin = reinterpret_cast<uint8_t*>(to.data());
  uint8_t* end = begin + before;
  *end++ = Key(field, kWireBytes);
  end = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(size), end);
  end = part.SerializeWithCachedSizesToArray(end);
  to.resize(static_cast<std::size_t>(end - begin));
}

void AppendLeaseReply(std::span<const lease::GrantRef> refs, int64_t first_id,
                      const GrantTimes& times, std::string& to) {
  for (const lease::GrantRef& ref : refs) {
    ShortWriter writer;
    WriteGrant(ref, first_id, writer);
    writer.AppendTo(to);
  }
  ShortWriter writer;
  WriteTimes(times, writer);
  writer.AppendTo(to);
}

void AppendLeaseAnswer(uint64_t id, const lease::GrantRef& ref, int64_t first_id,
                       const GrantTimes& times, std::string& to) {
  ShortWriter writer;
  writer.Part(v1::SessionResponse::kAnswersFieldNumber, [&] {
    writer.VarintUnlessZero(v1::SessionAnswer::kIdFieldNumber, id);
    writer.Part(v1::SessionAnswer::kLeaseFieldNumber, [&] {
      WriteGrant(ref, first_id, writer);
      WriteTimes(times, writer);
    });
  });
  writer.AppendTo(to);
}

void AppendReturnReply(std::size_t handles, std::string& to) {
  constexpr uint8_t kResult = Key(v1::ReturnResponse::kResultsFieldNumber, kWireBytes);
  for (std::size_t i = 0; i < handles; ++i) {
    to += static_cast<char>(kResult);
    to += char{0};
  }
}

void AppendReturnAnswer(uint64_t id, bool already_returned, std::string& to) {
  ShortWriter writer;
  writer.Part(v1::SessionResponse::kAnswersFieldNumber, [&] {
    writer.VarintUnlessZero(v1::SessionAnswer::kIdFieldNumber, id);
    writer.Part(v1::SessionAnswer::kGiveBackFieldNumber, [&] {
      writer.Part(v1::ReturnResponse::kResultsFieldNumber, [&] {
        writer.VarintUnlessZero(v1::ReturnResult::kAlreadyReturnedFieldNumber,
                                already_returned ? 1 : 0);
      });
    });
  });
  writer.AppendTo(to);
}

}  // namespace objpool::server
