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

}  // namespace

std::string LeaseRequestBytes(std::string_view pool, uint32_t count) {
  std::string request;
  AppendBytes(kRequestPool, pool, request);
  AppendNumber(kRequestCount, count, request);
  return request;
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

bool SaysAllReturned(std::string_view response, std::size_t items) {
  std::size_t returned = 0;
  FieldWalk walk(response);
  for (Field field; walk.Next(field);) {
    // A result without fields: no error, and not returned before.
    if (field.number != kResponseResults || !field.bytes.empty()) return false;
    ++returned;
  }
  return !walk.broken() && returned == items;
}

}  // namespace objpool::load
