// PolicyFile: the policy of a server while it runs. It is read again when somebody asks for it, and
// when the file has changed; one that is wrong then is refused, and the last good one goes on.
//
// A file counts as changed once it looks the same at two Looks, so that one that is being written
// is not read halfway.
//
// Threads: Load, Reload and Look by one; the rest by any.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pool/base/counter.h"
#include "proto/settings/policy.h"

namespace objpool::server {

class PolicyFile {
 public:
  // What is told of a read that was not the first: whether it went well, and the first thing that
  // is wrong where not.
  using OnReload = std::function<void(bool ok, const std::string& why)>;
  using Use = std::function<void(std::shared_ptr<const settings::Policy> policy)>;

  // Without a path there is no policy.
  PolicyFile(std::string path, Use use, OnReload on_reload)
      : path_(std::move(path)), use_(std::move(use)), on_reload_(std::move(on_reload)) {}

  [[nodiscard]] bool Load(std::string& why);
  // What a person should hear of it: lines.
  [[nodiscard]] std::vector<std::string> Reload();
  // To be called every second or so. Likewise; nothing where nothing has changed.
  [[nodiscard]] std::vector<std::string> Look();

  [[nodiscard]] bool named() const { return !path_.empty(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  // Rules that are in force.
  [[nodiscard]] uint64_t rules() const { return rules_.load(std::memory_order_relaxed); }
  // The file is not what is in force, because it is wrong.
  [[nodiscard]] bool stale() const { return stale_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint64_t reloaded() const { return reloaded_.value(); }
  [[nodiscard]] uint64_t failed() const { return failed_.value(); }

 private:
  // How a file looks from outside.
  struct Looks {
    uint64_t device = 0, inode = 0;
    int64_t size = -1, seconds = 0, nanoseconds = 0;
    bool operator==(const Looks&) const = default;
  };
  [[nodiscard]] Looks LookNow() const;
  [[nodiscard]] bool Read(settings::ConfigErrors& errors);

  const std::string path_;
  const Use use_;
  const OnReload on_reload_;
  Looks read_;    // when it was read last
  Looks coming_;  // at the last look
  std::atomic<uint64_t> rules_{0};
  std::atomic<bool> stale_{false};
  base::Counter reloaded_, failed_;
};

}  // namespace objpool::server
