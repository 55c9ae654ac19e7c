// H2Trailers: the header fields with which an answer begins and ends.
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "server/rpc/status.h"

namespace objpool::rpc {

// A field that libnghttp2 does not copy: both must outlive their sending.
[[nodiscard]] nghttp2_nv StaticField(std::string_view name, std::string_view value);

// What every answer begins with; where asked for, it says too how requests may be compressed.
[[nodiscard]] std::span<const nghttp2_nv> AnswerFields(bool with_encodings);

// A worker keeps one, so that nothing is allocated for most answers.
class H2Trailers {
 public:
  // The fields of this status, valid until the next call. Where `alone`, they are the whole answer,
  // and what one begins with comes first.
  void Make(const Status& status, bool alone);
  [[nodiscard]] const nghttp2_nv* fields() const { return fields_.data(); }
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  void Add(const nghttp2_nv& field) { fields_[count_++] = field; }

  std::array<nghttp2_nv, 7> fields_;
  std::size_t count_ = 0;
  std::string message_;
  std::string details_;
  std::string retry_;
};

}  // namespace objpool::rpc
