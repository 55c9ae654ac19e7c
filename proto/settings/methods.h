// The methods that a policy speaks of, and their groups. Health is not among them: whoever asks is
// answered.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace objpool::settings {

enum class Group : uint8_t { kLease, kRead, kBuffers, kAdmin, kReflection };
inline constexpr std::array<const char*, 5> kGroupNames = {"lease", "read", "buffers", "admin",
                                                           "reflection"};

enum class Method : uint8_t {
  kLease,
  kReturn,
  kRenew,
  kSession,
  kGetGrant,
  kCheckFence,
  kListGrants,
  kGetPool,
  kListPools,
  kGetPoolStats,
  kWatchPool,
  kGetHandle,
  kListHandles,
  kRead,
  kWrite,
  kCreatePool,
  kUpdatePool,
  kDrainPool,
  kResumePool,
  kDeletePool,
  kQuarantineHandle,
  kReinstateHandle,
  kRevokeGrant,
  kAuditPool,
  kServerReflectionInfo,
};
inline constexpr std::size_t kMethods = 25;

[[nodiscard]] const char* NameOf(Method method);
[[nodiscard]] Group GroupOf(Method method);
// Of a name as the API has it, without its service: "Lease".
[[nodiscard]] std::optional<Method> FindMethod(std::string_view name);

// A set of methods: bit N is the method of number N.
using MethodSet = uint32_t;
static_assert(kMethods <= 32);
[[nodiscard]] constexpr MethodSet Only(Method method) {
  return MethodSet{1} << static_cast<uint32_t>(method);
}
// Of a method's or a group's name, or "*".
[[nodiscard]] std::optional<MethodSet> FindMethods(std::string_view name);

}  // namespace objpool::settings
