// The messages of LeaseService that a load sends over and over, as bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace objpool::load {

inline constexpr std::string_view kLeasePath = "/objpool.v1.LeaseService/Lease";
inline constexpr std::string_view kReturnPath = "/objpool.v1.LeaseService/Return";
inline constexpr std::string_view kRenewPath = "/objpool.v1.LeaseService/Renew";
inline constexpr std::string_view kSessionPath = "/objpool.v1.LeaseService/Session";

// A grant as a LeaseResponse has it.
struct GrantBytes {
  uint64_t handle;
  uint64_t fence;
  std::string_view ref;  // the whole GrantRef, in the response's bytes
};

// A LeaseRequest. A `ttl_ms` of 0 asks for the pool's default.
[[nodiscard]] std::string LeaseRequestBytes(std::string_view pool, uint32_t count,
                                            uint64_t ttl_ms = 0);
// The time of the grants of a LeaseResponse or RenewResponse, in milliseconds; 0 where it says
// none.
[[nodiscard]] uint64_t ReadTtlMs(std::string_view response);
// Puts the grants of a LeaseResponse into `grants`, instead of what was there. False where the
// bytes are not such a message, or a grant lacks its fence or key.
[[nodiscard]] bool ReadGrants(std::string_view response, std::vector<GrantBytes>& grants);
// Appends a ReturnRequest for them.
void AppendReturnRequest(std::string_view pool, std::span<const GrantBytes> grants,
                         std::string& to);
// Likewise a RenewRequest. A `ttl_ms` of 0 asks for the pool's default.
void AppendRenewRequest(std::string_view pool, std::span<const GrantBytes> grants, uint64_t ttl_ms,
                        std::string& to);
// A RenewResponse says of so many grants that each was renewed.
[[nodiscard]] bool SaysAllRenewed(std::string_view response, std::size_t grants);
// A ReturnResponse says of so many items that each came back, and by this call.
[[nodiscard]] bool SaysAllReturned(std::string_view response, std::size_t items);
// Of its only item, that it had come back before.
[[nodiscard]] bool SaysAlreadyReturned(std::string_view response);

}  // namespace objpool::load
