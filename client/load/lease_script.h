// LeaseScript: Lease and Return of so many handles, with every answer checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client/load/lease_messages.h"
#include "client/load/rising_fences.h"
#include "client/load/unary_talk.h"

namespace objpool::load {

class LeaseScript final : public CallScript {
 public:
  LeaseScript(std::string pool, uint32_t batch);

  [[nodiscard]] std::vector<std::string> paths() const override;
  [[nodiscard]] bool Request(std::size_t call, std::string_view reply, std::string& request,
                             std::string& why) override;
  [[nodiscard]] bool Finish(std::string_view reply, std::string& why) override;

 private:
  const std::string pool_;
  const uint32_t batch_;
  const std::string lease_;
  RisingFences fences_;
  std::vector<GrantBytes> grants_;
};

// The grants of a response of Lease, all of them and none that cannot be; else `why`.
[[nodiscard]] bool TakeGrants(std::string_view response, uint32_t count, RisingFences& fences,
                              std::vector<GrantBytes>& grants, std::string& why);

}  // namespace objpool::load
