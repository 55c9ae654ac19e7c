#include "client/load/header_blocks.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "pool/base/check.h"

namespace objpool::load {
namespace {

// RFC 7541: appendix A, and the first bits of section 6.
constexpr char kMethodPost = static_cast<char>(0x83);
constexpr char kSchemeHttp = static_cast<char>(0x86);
constexpr uint32_t kNameAuthority = 1;
constexpr uint32_t kNamePath = 4;
constexpr uint32_t kNameContentType = 31;
constexpr uint32_t kNewName = 0;
constexpr uint32_t kStaticEntries = 61;
constexpr uint8_t kIndexed = 0x80;
constexpr uint8_t kAddToTable = 0x40;
constexpr uint8_t kResizeTable = 0x20;
constexpr std::size_t kEntryOverheadBytes = 32;
constexpr uint32_t kUsualTableBytes = 4096;

// A number behind the first bits of a byte.
void AppendInteger(uint8_t first_bits, uint32_t prefix_bits, std::size_t value, std::string& to) {
  const std::size_t most = (std::size_t{1} << prefix_bits) - 1;
  if (value < most) {
    to.push_back(static_cast<char>(first_bits | value));
    return;
  }
  to.push_back(static_cast<char>(first_bits | most));
  for (value -= most; value >= 0x80; value >>= 7) to.push_back(static_cast<char>(value | 0x80));
  to.push_back(static_cast<char>(value));
}

void AppendText(std::string_view text, std::string& to) {
  AppendInteger(0, 7, text.size(), to);
  to.append(text);
}

// The block changes nothing in the table, and says the same as long as nothing else does.
bool OnlyPoints(std::string_view block) {
  return std::ranges::all_of(block, [](char byte) {
    return (static_cast<uint8_t>(byte) & kIndexed) != 0 && static_cast<uint8_t>(byte) != 0xff;
  });
}

std::optional<uint32_t> ToNumber(const uint8_t* text, std::size_t bytes) {
  const auto* const begin = reinterpret_cast<const char*>(text);
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(begin, begin + bytes, number);
  if (error != std::errc() || end != begin + bytes) return std::nullopt;
  return number;
}

}  // namespace

RequestBlocks::RequestBlocks(std::string_view authority, const std::vector<std::string>& paths) {
  AddEntry(kNameAuthority, ":authority", authority);
  AddEntry(kNewName, "te", "trailers");
  AddEntry(kNameContentType, "content-type", "application/grpc");
  shared_ = entries_.size();
  for (const std::string& path : paths) AddEntry(kNamePath, ":path", path);
  blocks_.resize(paths.size());
}

void RequestBlocks::AddEntry(uint32_t name_index, std::string_view name, std::string_view value) {
  Entry entry;
  AppendInteger(kAddToTable, 6, name_index, entry.literal);
  if (name_index == kNewName) AppendText(name, entry.literal);
  AppendText(value, entry.literal);
  entry.table_bytes = name.size() + value.size() + kEntryOverheadBytes;
  entries_.push_back(std::move(entry));
}

bool RequestBlocks::SetTableBytes(uint32_t bytes) {
  std::size_t wanted = 0;
  for (const Entry& entry : entries_) wanted += entry.table_bytes;
  if (wanted > std::min(bytes, kUsualTableBytes)) return false;
  resize_.clear();
  if (bytes < kUsualTableBytes) AppendInteger(kResizeTable, 5, bytes, resize_);
  return true;
}

void RequestBlocks::Append(Entry& entry, std::string& block) {
  if (entry.number) {
    AppendInteger(kIndexed, 7, kStaticEntries + in_table_ - *entry.number, block);
    return;
  }
  block.append(entry.literal);
  entry.number = in_table_++;
}

const std::string& RequestBlocks::Next(std::size_t path) {
  OBJPOOL_CHECK(path < blocks_.size(), "the path was told of");
  if (!blocks_[path].empty()) return blocks_[path];
  // The order of the fields is that of gRPC: pseudo headers first.
  std::string block = std::exchange(resize_, {});
  block.push_back(kMethodPost);
  block.push_back(kSchemeHttp);
  Append(entries_[shared_ + path], block);
  for (std::size_t i = 0; i < shared_; ++i) Append(entries_[i], block);
  first_ = std::move(block);
  if (in_table_ == entries_.size() && OnlyPoints(first_)) blocks_[path] = first_;
  return first_;
}

AnswerBlocks::AnswerBlocks() {
  OBJPOOL_CHECK(nghttp2_hd_inflate_new(&inflater_) == 0, "there is memory for a table of headers");
}

AnswerBlocks::~AnswerBlocks() { nghttp2_hd_inflate_del(inflater_); }

std::optional<AnswerFields> AnswerBlocks::Read(std::string_view block) {
  for (const Known& known : known_) {
    if (known.block == block && !block.empty()) return known.fields;
  }
  const auto fields = Inflate(block);
  if (!fields) return std::nullopt;
  if (OnlyPoints(block)) {
    known_[next_known_] = {.block = std::string(block), .fields = *fields};
    next_known_ = (next_known_ + 1) % known_.size();
  } else {
    // What the others point to may have moved.
    for (Known& known : known_) known.block.clear();
  }
  return fields;
}

std::optional<AnswerFields> AnswerBlocks::Inflate(std::string_view block) {
  AnswerFields fields;
  const auto* from = reinterpret_cast<const uint8_t*>(block.data());
  std::size_t left = block.size();
  for (;;) {
    nghttp2_nv field;
    int flags = 0;
    const ssize_t used = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, from, left, 1);
    if (used < 0) return std::nullopt;
    from += used;
    left -= static_cast<std::size_t>(used);
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
      const std::string_view name(reinterpret_cast<const char*>(field.name), field.namelen);
      if (name == ":status") {
        fields.http_status = ToNumber(field.value, field.valuelen).value_or(0);
      } else if (name == "grpc-status") {
        fields.grpc_status = ToNumber(field.value, field.valuelen);
      }
    }
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && left == 0) break;
  }
  if (nghttp2_hd_inflate_end_headers(inflater_) != 0) return std::nullopt;
  return fields;
}

}  // namespace objpool::load
