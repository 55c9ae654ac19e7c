#include "client/load/lease_messages.h"

#include "client/load/wire.h"

namespace objpool::load {
namespace {

// Field numbers: proto/objpool/v1/lease_service.proto and grant.proto.
constexpr uint32_t kRequestPool = 1;   // of LeaseRequest and ReturnRequest
constexpr uint32_t kRequestCount = 2;  // of LeaseRequest
constexpr uint32_t kRequestItems = 2;  // of ReturnRequest
constexpr uint32_t kItemGrant = 1;
constexpr uint32_t kResponseGrants = 1;
constexpr uint32_t kGrantRef = 1;
constexpr uint32_t kRefHandle = 1;
constexpr uint32_t kRefFence = 2;
constexpr uint32_t kRefKey = 3;
constexpr uint32_t kResponseResults = 1;
constexpr uint32_t kRequestTtl = 4;   // of LeaseRequest
constexpr uint32_t kResponseTtl = 2;  // of LeaseResponse and RenewResponse
constexpr uint32_t kRenewGrants = 2;  // of RenewRequest
constexpr uint32_t kRenewTtl = 3;
constexpr uint32_t kSeconds = 1;  // of Duration
constexpr uint32_t kNanos = 2;
constexpr uint32_t kAlreadyReturned = 2;  // of ReturnResult

bool ReadRef(std::string_view ref, GrantBytes& grant) {
  grant = {.handle = 0, .fence = 0, .ref = ref};  // a handle of 0 is not sent
  bool has_key = false;
  FieldWalk walk(ref);
  for (Field field; walk.Next(field);) {
    if (field.type != WireType::kFixed64) return false;
    if (field.number == kRefHandle) grant.handle = field.value;
    if (field.number == kRefFence) grant.fence = field.value;
    if (field.number == kRefKey) has_key = true;
  }
  return !walk.broken() && has_key && grant.fence != 0;
}

bool ReadGrant(std::string_view bytes, GrantBytes& grant) {
  bool has_ref = false;
  FieldWalk walk(bytes);
  for (Field field; walk.Next(field);) {
    if (field.number != kGrantRef) continue;
    if (field.type != WireType::kBytes || !ReadRef(field.bytes, grant)) return false;
    has_ref = true;
  }
  return !walk.broken() && has_ref;
}

// Nothing for 0.
void AppendTtl(uint32_t field, uint64_t ttl_ms, std::string& to) {
  if (ttl_ms == 0) return;
  std::string ttl;
  AppendNumber(kSeconds, ttl_ms / 1000, ttl);
  AppendNumber(kNanos, ttl_ms % 1000 * 1'000'000, ttl);
  AppendBytes(field, ttl, to);
}

// A response says of so many that nothing is to be said of any. `only`: and it says nothing else.
bool SaysNothingOf(std::string_view response, std::size_t items, bool only) {
  std::size_t good = 0;
  FieldWalk walk(response);
  for (Field field; walk.Next(field);) {
    if (field.number != kResponseResults) {
      if (only) return false;
      continue;
    }
    if (!field.bytes.empty()) return false;
    ++good;
  }
  return !walk.broken() && good == items;
}

}  // namespace

std::string LeaseRequestBytes(std::string_view pool, uint32_t count, uint64_t ttl_ms) {
  std::string request;
  AppendBytes(kRequestPool, pool, request);
  AppendNumber(kRequestCount, count, request);
  AppendTtl(kRequestTtl, ttl_ms, request);
  return request;
}

uint64_t ReadTtlMs(std::string_view response) {
  uint64_t ms = 0;
  FieldWalk walk(response);
  for (Field field; walk.Next(field);) {
    if (field.number != kResponseTtl) continue;
    FieldWalk parts(field.bytes);
    for (Field part; parts.Next(part);) {
      if (part.number == kSeconds) ms += part.value * 1000;
      if (part.number == kNanos) ms += part.value / 1'000'000;
    }
  }
  return ms;
}

bool SaysAlreadyReturned(std::string_view response) {
  bool already = false;
  FieldWalk walk(response);
  for (Field field; walk.Next(field);) {
    FieldWalk result(field.bytes);
    for (Field part; result.Next(part);) already |= part.number == kAlreadyReturned;
  }
  return already;
}

bool ReadGrants(std::string_view response, std::vector<GrantBytes>& grants) {
  grants.clear();
  FieldWalk walk(response);
  for (Field field; walk.Next(field);) {
    if (field.number != kResponseGrants) continue;
    GrantBytes grant{};
    if (field.type != WireType::kBytes || !ReadGrant(field.bytes, grant)) return false;
    grants.push_back(grant);
  }
  return !walk.broken();
}

void AppendReturnRequest(std::string_view pool, std::span<const GrantBytes> grants,
                         std::string& to) {
  AppendBytes(kRequestPool, pool, to);
  for (const GrantBytes& grant : grants) {
    AppendLength(kRequestItems, 1 + VarintBytes(grant.ref.size()) + grant.ref.size(), to);
    AppendBytes(kItemGrant, grant.ref, to);
  }
}

void AppendRenewRequest(std::string_view pool, std::span<const GrantBytes> grants, uint64_t ttl_ms,
                        std::string& to) {
  AppendBytes(kRequestPool, pool, to);
  for (const GrantBytes& grant : grants) AppendBytes(kRenewGrants, grant.ref, to);
  AppendTtl(kRenewTtl, ttl_ms, to);
}

// A result without fields has no error.
bool SaysAllRenewed(std::string_view response, std::size_t grants) {
  return SaysNothingOf(response, grants, false);
}

// A result without fields: no error, and not returned before.
bool SaysAllReturned(std::string_view response, std::size_t items) {
  return SaysNothingOf(response, items, true);
}

}  // namespace objpool::load
