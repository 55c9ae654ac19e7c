// HandleClasses: which handles of a pool are alike, and which of them a selector means.
//
// Handles have labels, words with a value each, given by ranges. Those with the same labels are one
// class, and a selector, which asks for labels, means some of the classes: one bit for each, so
// that everything behind it works with numbers. A pool without labels is one class.
//
// The terms of a selector are those of Kubernetes' label selectors.
//
// Threads: made by one, then read by any.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pool/pool.h"

namespace objpool::lease {

using ClassId = uint32_t;
// Bit c is class c.
using ClassMask = uint64_t;
inline constexpr ClassId kMaxClasses = 64;
inline constexpr ClassMask kAllClasses = ~ClassMask{0};

using Labels = std::map<std::string, std::string>;

// Labels of the handles first .. last.
struct LabelledRange {
  Handle first = 0;
  Handle last = 0;
  Labels labels;

  bool operator==(const LabelledRange&) const = default;
};

// What a handle must be like. One that has no such label is not in, and is not in none.
struct SelectorTerm {
  enum class Rule : uint8_t { kIn, kNotIn, kExists, kNotExists };
  std::string key;
  Rule rule = Rule::kIn;
  std::vector<std::string> values;  // kIn, kNotIn
};

class HandleClasses {
 public:
  // The classes that the ranges make; empty, with `why`, where there are too many of them, a range
  // is none, or two ranges give a handle two values of one label.
  [[nodiscard]] static std::optional<HandleClasses> Make(uint32_t capacity,
                                                         std::span<const LabelledRange> ranges,
                                                         std::string& why);
  // One class.
  explicit HandleClasses(uint32_t capacity);

  [[nodiscard]] ClassId count() const { return static_cast<ClassId>(classes_.size()); }
  [[nodiscard]] ClassMask all() const {
    return count() == kMaxClasses ? kAllClasses : (ClassMask{1} << count()) - 1;
  }
  [[nodiscard]] ClassId ClassOf(Handle handle) const {
    return count() == 1 ? 0 : ClassOfLabelled(handle);
  }
  [[nodiscard]] const Labels& LabelsOf(ClassId id) const { return classes_[id].labels; }
  // The handles of a class, in rising order.
  [[nodiscard]] std::vector<Share> RangesOf(ClassId id) const;
  // Number of handles of the classes.
  [[nodiscard]] uint32_t CapacityOf(ClassMask classes) const;
  // The classes that every term holds for; all of them where there is none.
  [[nodiscard]] ClassMask Match(std::span<const SelectorTerm> terms) const;

 private:
  struct Class {
    Labels labels;
    uint32_t capacity = 0;
  };
  // The handles from `first` to the next one's are of the class.
  struct Segment {
    Handle first;
    ClassId id;
  };
  HandleClasses() = default;
  [[nodiscard]] ClassId ClassOfLabelled(Handle handle) const;

  uint32_t capacity_ = 0;
  std::vector<Class> classes_;
  std::vector<Segment> segments_;
};

}  // namespace objpool::lease
