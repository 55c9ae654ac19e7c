// MadePools: the pools that were made while the server served, remembered in the state_dir for the
// next start: NAME.config, text format, one pool of the configuration's schema each.
//
// Threads: one at a time for one name.
#pragma once

#include <string>
#include <vector>

#include "server/config/config.h"

namespace objpool::server {

class MadePools {
 public:
  // Without a folder it remembers nothing.
  explicit MadePools(std::string state_dir) : folder_(std::move(state_dir)) {}

  // Adds those of earlier servers to `pools`. False, with `why`, when a file cannot be read, or a
  // pool of its name is there already.
  [[nodiscard]] bool Load(std::vector<PoolSpec>& pools, std::string& why) const;
  // Writes a pool's file whole: a new one, or, with `is_new` false, only where there is one. False,
  // with `why`, when it cannot be written; what was there is then as it was.
  [[nodiscard]] bool Keep(const PoolSpec& pool, bool is_new, std::string& why) const;
  void Forget(const std::string& name) const;
  // Deletes what PoolFile left of a pool that is gone.
  void RemovePoolFile(const std::string& name) const;

 private:
  [[nodiscard]] std::string PathOf(const std::string& name) const;

  const std::string folder_;
};

}  // namespace objpool::server
