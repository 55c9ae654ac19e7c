#include "server/lease/handle_classes.h"

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

namespace objpool::lease {
namespace {

bool Holds(const SelectorTerm& term, const Labels& labels) {
  const auto label = labels.find(term.key);
  const bool has = label != labels.end();
  const bool in =
      has && std::find(term.values.begin(), term.values.end(), label->second) != term.values.end();
  switch (term.rule) {
    case SelectorTerm::Rule::kIn:
      return in;
    case SelectorTerm::Rule::kNotIn:
      return !in;
    case SelectorTerm::Rule::kExists:
      return has;
    case SelectorTerm::Rule::kNotExists:
      return !has;
  }
  return false;
}

// The labels of all ranges that a handle is in.
bool Gather(Handle handle, std::span<const LabelledRange> ranges, Labels& labels,
            std::string& why) {
  for (const LabelledRange& range : ranges) {
    if (handle < range.first || handle > range.last) continue;
    for (const auto& [key, value] : range.labels) {
      const auto [label, added] = labels.emplace(key, value);
      if (added || label->second == value) continue;
      why = "gives handle " + std::to_string(handle) + " two values of the label \"" + key + "\"";
      return false;
    }
  }
  return true;
}

}  // namespace

HandleClasses::HandleClasses(uint32_t capacity)
    : capacity_(capacity),
      classes_{{.labels = {}, .capacity = capacity}},
      segments_{{.first = 0, .id = 0}} {}

std::optional<HandleClasses> HandleClasses::Make(uint32_t capacity,
                                                 std::span<const LabelledRange> ranges,
                                                 std::string& why) {
  // Where the labels may change from one handle to the next.
  std::set<Handle> borders = {0};
  for (const LabelledRange& range : ranges) {
    if (range.first > range.last || range.last >= capacity) {
      why = "must be handles of 0 .. " + std::to_string(capacity - 1) + ", first to last; got " +
            std::to_string(range.first) + " .. " + std::to_string(range.last);
      return std::nullopt;
    }
    borders.insert(range.first);
    if (range.last + 1 < capacity) borders.insert(range.last + 1);
  }
  HandleClasses made;
  made.capacity_ = capacity;
  for (auto border = borders.begin(); border != borders.end(); ++border) {
    const Handle first = *border;
    const Handle end = std::next(border) == borders.end() ? capacity : *std::next(border);
    Labels labels;
    if (!Gather(first, ranges, labels, why)) return std::nullopt;
    auto known = std::find_if(made.classes_.begin(), made.classes_.end(),
                              [&](const Class& each) { return each.labels == labels; });
    if (known == made.classes_.end()) {
      if (made.classes_.size() == kMaxClasses) {
        why = "must make at most " + std::to_string(kMaxClasses) +
              " different sets of labels, got more";
        return std::nullopt;
      }
      known = made.classes_.insert(known, {.labels = std::move(labels), .capacity = 0});
    }
    known->capacity += end - first;
    made.segments_.push_back({first, static_cast<ClassId>(known - made.classes_.begin())});
  }
  return made;
}

ClassId HandleClasses::ClassOfLabelled(Handle handle) const {
  const auto behind =
      std::upper_bound(segments_.begin(), segments_.end(), handle,
                       [](Handle of, const Segment& segment) { return of < segment.first; });
  return std::prev(behind)->id;
}

std::vector<Share> HandleClasses::RangesOf(ClassId id) const {
  std::vector<Share> ranges;
  for (std::size_t s = 0; s < segments_.size(); ++s) {
    if (segments_[s].id != id) continue;
    const bool last = s + 1 == segments_.size();
    ranges.push_back({segments_[s].first, last ? capacity_ : segments_[s + 1].first});
  }
  return ranges;
}

uint32_t HandleClasses::CapacityOf(ClassMask classes) const {
  uint32_t sum = 0;
  for (ClassMask left = classes & all(); left != 0; left &= left - 1) {
    sum += classes_[static_cast<std::size_t>(std::countr_zero(left))].capacity;
  }
  return sum;
}

ClassMask HandleClasses::Match(std::span<const SelectorTerm> terms) const {
  ClassMask matched = 0;
  for (ClassId id = 0; id < count(); ++id) {
    const bool all_hold = std::all_of(terms.begin(), terms.end(), [&](const SelectorTerm& term) {
      return Holds(term, classes_[id].labels);
    });
    if (all_hold) matched |= ClassMask{1} << id;
  }
  return matched;
}

}  // namespace objpool::lease
