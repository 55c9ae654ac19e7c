#include "server/state_text.h"

#include <charconv>
#include <string>

#include "pool/base/check.h"
#include "server/config/utf8.h"

namespace objpool::server {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

bool IsPlain(unsigned char byte) { return byte >= 0x20 && byte < 0x7f; }

std::string JsonQuoted(std::string_view text) {
  // Bytes that are no text are shown as the characters of their numbers.
  const bool utf8 = IsUtf8(std::string(text));
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (IsPlain(byte) || (utf8 && byte >= 0x80)) {
      out += c;
    } else {
      out += {'\\', 'u', '0', '0', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out + '"';
}

std::string PlaceName(lease::Place place) {
  switch (place) {
    case lease::Place::kFree:
      return "free";
    case lease::Place::kDirty:
      return "dirty";
    case lease::Place::kResting:
      return "resting";
    case lease::Place::kQuarantined:
      return "quarantined";
  }
  base::CheckFailed(__FILE__, __LINE__, "PlaceName", "a place is one of those above");
}

std::string EndingName(lease::Ending ending) {
  switch (ending) {
    case lease::Ending::kNone:
      return "";
    case lease::Ending::kReturned:
      return "returned";
    case lease::Ending::kExpired:
      return "expired";
    case lease::Ending::kRevoked:
      return "revoked";
  }
  base::CheckFailed(__FILE__, __LINE__, "EndingName", "an ending is one of those above");
}

}  // namespace

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (IsPlain(byte) && c != '\\') {
      out += c;
    } else {
      out += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

JsonLine& JsonLine::Add(std::string_view key, std::string_view text) {
  return Raw(key, JsonQuoted(text));
}

JsonLine& JsonLine::Raw(std::string_view key, std::string_view value) {
  if (!fields_.empty()) fields_ += ", ";
  fields_.append(JsonQuoted(key)).append(": ").append(value);
  return *this;
}

// After the texts of PoolSet: `ids from 7`, `labels "a" "b"`, `buffers of 9 bytes`.
HandleValues::HandleValues(const store::PoolFacts& facts) {
  constexpr std::string_view kIds = "ids from ";
  constexpr std::string_view kLabels = "labels \"";
  constexpr std::string_view kBetween = "\" \"";
  std::string_view text = facts.description;
  if (!facts.description_is_whole) return;
  if (text.starts_with(kIds)) {
    text.remove_prefix(kIds.size());
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, first_);
    ids_ = error == std::errc() && stop == end;
  } else if (text.starts_with(kLabels) && text.ends_with('"')) {
    text.remove_prefix(kLabels.size());
    text.remove_suffix(1);
    for (std::size_t at = 0; at != std::string_view::npos; text.remove_prefix(at + 3)) {
      at = text.find(kBetween);
      labels_.emplace_back(text.substr(0, at));
      if (at == std::string_view::npos) break;
    }
    // A label may have such quotes in it.
    if (labels_.size() != facts.capacity) labels_.clear();
  }
}

std::string HandleValues::Of(uint32_t handle) const {
  if (ids_) return std::to_string(first_ + handle);
  return handle < labels_.size() ? labels_[handle] : "";
}

std::string StateName(const lease::LeaseTable::Inspected& record) {
  using Health = lease::LeaseTable::Health;
  if (record.health == Health::kDamaged) return "damaged";
  if (record.health == Health::kUnfinished) return "unfinished";
  if (record.word.leased()) return record.word.for_cleaning() ? "cleaning" : "leased";
  std::string ending = EndingName(record.word.ending());
  if (record.word.place() == lease::Place::kFree && !ending.empty()) return ending;
  return PlaceName(record.word.place()) + (ending.empty() ? "" : "/" + ending);
}

}  // namespace objpool::server
