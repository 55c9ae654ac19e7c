// TlsKeys: the certificate that new connections get, and its replacement while the server runs.
//
// The files are looked at by Look, which its owner calls about once a second, and read again where
// they are others than before. What is not good does not replace what is: the last good pair stays
// in use. Files are seldom replaced at one instant, so those that do not fit together are read once
// more by the next Look before they are called bad.
// Threads: Look and Reload by one; the rest by any.
#pragma once

#include <sys/stat.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "server/rpc/tls_pair.h"

namespace objpool::rpc {

class TlsKeys {
 public:
  // Null, with `why`, when the files are not good.
  [[nodiscard]] static std::unique_ptr<TlsKeys> Load(const TlsFiles& files, std::string& why);

  // Shared, because it may be replaced at any time.
  [[nodiscard]] std::shared_ptr<const TlsPair> Current() const;
  // Changes whenever Current does.
  [[nodiscard]] uint64_t version() const { return version_.load(std::memory_order_relaxed); }
  [[nodiscard]] const TlsFiles& files() const { return files_; }

  // Both return what somebody should be told; empty: nothing. Reload reads in any case.
  [[nodiscard]] std::string Look();
  [[nodiscard]] std::string Reload();

  // Of the pair in use.
  [[nodiscard]] int64_t expires_at_s() const { return Current()->expires_at_s(); }
  // Replacements, and files that were not good.
  [[nodiscard]] uint64_t loaded() const { return loaded_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint64_t failed() const { return failed_.load(std::memory_order_relaxed); }

 private:
  // What tells a file from the one that was there before.
  struct Mark {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    int64_t changed_ns = 0;  // 0: there is none

    bool operator==(const Mark&) const = default;
  };
  using Marks = std::array<Mark, 3>;

  explicit TlsKeys(TlsFiles files) : files_(std::move(files)) {}
  [[nodiscard]] Marks LookAtFiles() const;
  [[nodiscard]] std::string Read(bool patient);

  const TlsFiles files_;
  Marks seen_;            // before they were read last
  bool doubted_ = false;  // they were not good, and nobody was told yet
  std::atomic<uint64_t> loaded_{0};
  std::atomic<uint64_t> failed_{0};
  std::atomic<uint64_t> version_{1};
  mutable std::mutex lock_;
  std::shared_ptr<const TlsPair> current_;
};

}  // namespace objpool::rpc
