// AuditLog: administration and refusals, written down as lines of JSON; their fields are in
// server/README.md.
//
// Whoever has something to write has a lane of its own, a ring of kSlots records, and never waits:
// where the ring is full, the record is dropped and counted. One thread takes records out and
// writes them; only it waits for the file.
//   I1  A slot at tail .. head - 1 belongs to the writing thread, every other one to the lane's.
//   R1  head is stored when a slot was filled    pairs with  A1  its load by the writing thread
//   R2  tail is stored when a slot was written   pairs with  A2  its load by the lane's thread
// In steady state nothing is allocated: the texts of a slot keep their memory, which is bounded.
//
// Threads: Add of a lane by one thread at a time, its lane's; the rest by any.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "pool/base/cache_line.h"
#include "pool/base/counter.h"

namespace objpool::server {

struct AuditEntry {
  const char* kind = "";  // "admin", "denied" or "policy"
  std::string_view identity = {};
  const char* method = "";  // empty: none
  std::string_view pool = {};
  std::optional<uint64_t> handle = {};
  std::optional<uint64_t> fence = {};
  const char* result = "";
  std::string_view reason = {};
};

class AuditLog {
 public:
  static constexpr std::size_t kSlots = 512;
  // Longer texts are cut.
  static constexpr std::size_t kMaxTextBytes = 2304;

  // Appends to the file, or, where `path` is "stderr", writes there. Null, with `why`, when it
  // cannot be opened.
  [[nodiscard]] static std::unique_ptr<AuditLog> Open(const std::string& path, uint32_t lanes,
                                                      std::string& why);
  // Writes what there is, but waits for nobody who does not read.
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  void Add(uint32_t lane, const AuditEntry& entry);
  // Opens the file anew before the next record, for those who have moved it away.
  void Reopen();

  [[nodiscard]] uint64_t written() const { return written_.value(); }
  [[nodiscard]] uint64_t dropped() const;
  // What a person should hear, since the last call: that records were dropped, and why.
  [[nodiscard]] std::vector<std::string> TakeNews();

 private:
  struct Record {
    int64_t time_ms = 0;
    AuditEntry entry;  // without its texts
    std::string identity, pool, reason;
  };
  struct alignas(base::kCacheLineBytes) Lane {
    std::vector<Record> slots{kSlots};
    std::atomic<uint64_t> head{0};
    base::Counter dropped;
    alignas(base::kCacheLineBytes) std::atomic<uint64_t> tail{0};
  };

  AuditLog(std::string path, int file, uint32_t lanes);
  void Run();
  void Drain();
  void OpenAgain();
  void TellDropped();
  // Writes line_. False, after a note of why, when it cannot.
  [[nodiscard]] bool Write();
  void Note(const std::string& why);

  const std::string path_;
  std::vector<Lane> lanes_;
  // Changes with each record, and when the thread has something else to do.
  std::atomic<uint32_t> news_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> reopen_{false};
  // The thread's own.
  int file_;
  std::string line_;
  bool torn_ = false;      // what was written last has no end
  bool given_up_ = false;  // nobody reads, and the server ends
  uint64_t told_dropped_ = 0;
  base::Counter written_;
  base::Counter lost_;  // taken out, and not written
  std::mutex trouble_lock_;
  std::string trouble_;    // why records could not be written
  std::string reopening_;  // why the file could not be opened again
  uint64_t news_dropped_ = 0;
  std::thread thread_;
};

}  // namespace objpool::server
