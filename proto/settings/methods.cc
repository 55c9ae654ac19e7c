#include "proto/settings/methods.h"

namespace objpool::settings {
namespace {

struct Row {
  const char* name;
  Group group;
};

// In the order of their numbers.
constexpr std::array<Row, kMethods> kRows = {{
    {"Lease", Group::kLease},
    {"Return", Group::kLease},
    {"Renew", Group::kLease},
    {"Session", Group::kLease},
    {"GetGrant", Group::kRead},
    {"CheckFence", Group::kRead},
    {"ListGrants", Group::kRead},
    {"GetPool", Group::kRead},
    {"ListPools", Group::kRead},
    {"GetPoolStats", Group::kRead},
    {"WatchPool", Group::kRead},
    {"GetHandle", Group::kRead},
    {"ListHandles", Group::kRead},
    {"Read", Group::kBuffers},
    {"Write", Group::kBuffers},
    {"CreatePool", Group::kAdmin},
    {"UpdatePool", Group::kAdmin},
    {"DrainPool", Group::kAdmin},
    {"ResumePool", Group::kAdmin},
    {"DeletePool", Group::kAdmin},
    {"QuarantineHandle", Group::kAdmin},
    {"ReinstateHandle", Group::kAdmin},
    {"RevokeGrant", Group::kAdmin},
    {"AuditPool", Group::kAdmin},
    {"ServerReflectionInfo", Group::kReflection},
}};
static_assert(static_cast<std::size_t>(Method::kServerReflectionInfo) == kMethods - 1);

}  // namespace

const char* NameOf(Method method) { return kRows[static_cast<std::size_t>(method)].name; }

Group GroupOf(Method method) { return kRows[static_cast<std::size_t>(method)].group; }

std::optional<Method> FindMethod(std::string_view name) {
  for (std::size_t i = 0; i < kMethods; ++i) {
    if (name == kRows[i].name) return static_cast<Method>(i);
  }
  return std::nullopt;
}

std::optional<MethodSet> FindMethods(std::string_view name) {
  if (const auto method = FindMethod(name)) return Only(*method);
  MethodSet found = 0;
  for (std::size_t i = 0; i < kMethods; ++i) {
    const bool in = name == "*" || name == kGroupNames[static_cast<std::size_t>(kRows[i].group)];
    if (in) found |= Only(static_cast<Method>(i));
  }
  return found == 0 ? std::nullopt : std::optional(found);
}

}  // namespace objpool::settings
