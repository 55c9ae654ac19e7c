// Fields that several requests share, read and checked, and written.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "objpool/v1/grant.pb.h"
#include "server/config/config.h"
#include "server/service/errors.h"
#include "server/service/plain_wire.h"
#include "server/service/pool_set.h"

namespace objpool::server {

// The pool that a request names; null, with the error, when it names none.
[[nodiscard]] NamedPool* FindPool(PoolSet& pools, std::string_view field, std::string_view name,
                                  google::rpc::Status& error);
// The error where there is none of that name.
[[nodiscard]] google::rpc::Status NoPool(std::string_view field, std::string_view name);

// The time asked for in milliseconds, rounded up; the pool's default when `ttl` is null. Out of the
// pool's bounds, or no valid duration, it adds to `bad`.
[[nodiscard]] uint64_t TtlMs(const google::protobuf::Duration* ttl, const NamedPool& pool,
                             Violations& bad);

// The time in milliseconds, rounded up, as long as a grant may have been held at most. Negative, or
// no valid duration, it adds to `bad`.
[[nodiscard]] uint64_t AtLeastMs(const char* field, const google::protobuf::Duration& time,
                                 Violations& bad);

// The time in milliseconds, rounded up. Out of low_ms .. high_ms, or no valid duration, it adds to
// `bad`.
[[nodiscard]] uint64_t WithinMs(const char* field, const google::protobuf::Duration& time,
                                uint64_t low_ms, uint64_t high_ms, Violations& bad);

// Adds to `bad` where the pool has no such handle, and where a fence that must be there is not.
void CheckHandle(uint64_t handle, const NamedPool& pool, Violations& bad);
void CheckFenceGiven(uint64_t fence, Violations& bad);

// How many entries a page may have, out of 0 .. kMaxPageSize; beyond, it adds to `bad`.
inline constexpr uint32_t kMaxPageSize = 1000;
[[nodiscard]] uint32_t PageSize(uint32_t asked, Violations& bad);

// The handle that a page begins with: the token is its number, so that a page is right whatever
// happens between two calls.
[[nodiscard]] uint32_t FirstOfPage(const std::string& token, const NamedPool& pool,
                                   Violations& bad);

// At most 64 bytes, no control characters. (That it is UTF-8 has been seen by the parser.)
void CheckHolder(std::string_view holder, Violations& bad);

void SetDuration(uint64_t ms, google::protobuf::Duration& duration);
// The wall clock's now, and so many milliseconds.
void SetTimeFromNow(uint64_t ms, google::protobuf::Timestamp& time);

// When grants end that are given now.
[[nodiscard]] GrantTimes TimesFromNow(uint64_t ttl_ms);
// The ID of a pool's first handle, where grants say nothing but IDs: no labels, no buffers.
[[nodiscard]] std::optional<int64_t> FirstPlainId(const NamedPool& pool);

// What the handle stands for, and what it is like.
void SetValue(const NamedPool& pool, uint32_t handle, v1::Grant& grant);
// Its labels, into a message that has some.
template <typename Message>
void SetLabels(const NamedPool& pool, Handle handle, Message& to) {
  const lease::HandleClasses& classes = pool.leases->classes();
  if (classes.count() == 1 && classes.LabelsOf(0).empty()) return;
  const lease::Labels& labels = classes.LabelsOf(classes.ClassOf(handle));
  to.mutable_labels()->insert(labels.begin(), labels.end());
}

}  // namespace objpool::server
