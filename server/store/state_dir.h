// StateDir: the folder in which a server keeps what must outlive it. One server has it at a time.
//
//   lock        held while a server has the folder; says which process
//   clock       the lease clock: how it goes on after a boot of the machine
//   NAME.pool   a pool's identity, secret, epoch of fences, and records (PoolFile)
//
// The lease clock is CLOCK_BOOTTIME plus an offset. Within one boot the offset stays, so that
// deadlines mean the same to the next process. After another boot, or on another machine, it goes
// on from where Beat last saw it: time without a server does not count then, so a grant may last
// longer, and never less, whatever the wall clock says.
//
// Threads: Open by one thread; Beat by one at a time; the rest by any.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "server/lease/grant_key.h"
#include "server/lease/lease_word.h"
#include "server/store/mapped_file.h"
#include "server/store/twin.h"

namespace objpool::store {

using BootId = std::array<char, 40>;  // the text of the kernel's boot_id, zeros behind it

// The boot that runs now; all zeros where the kernel does not say: then each start is a boot.
[[nodiscard]] BootId CurrentBoot();

class StateDir {
 public:
  // Makes the folder where it is missing (its parent must be there), and takes the lock. `boot_ms`
  // is CLOCK_BOOTTIME now. Null, with `why`, when another server has it, the folder cannot be used,
  // or its clock is damaged.
  [[nodiscard]] static std::unique_ptr<StateDir> Open(const std::string& path, const BootId& boot,
                                                      uint64_t boot_ms, std::string& why);
  ~StateDir();
  StateDir(const StateDir&) = delete;
  StateDir& operator=(const StateDir&) = delete;

  // Lease clock less CLOCK_BOOTTIME, modulo 2^64.
  [[nodiscard]] uint64_t clock_offset_ms() const { return clock_.offset_ms; }
  // Until when (lease clock) nothing may be leased of a pool whose grants last at most
  // `ttl_max_ms`: 0, but after a boot that followed no clean stop. The kernel may then have lost
  // records that it had not written yet, and with them grants that still run.
  [[nodiscard]] lease::BootMs GraceUntil(uint64_t ttl_max_ms) const;

  // Whether the machine was booted since the last server, which had not stopped cleanly.
  [[nodiscard]] bool after_cut() const { return after_cut_; }

  // Notes that the clock has come so far; every second or so.
  void Beat(uint64_t boot_ms);
  // Writes everything to the disk and notes that the stop was clean. Last.
  [[nodiscard]] bool Close(uint64_t boot_ms, std::string& why);
  // Whether somebody deleted the folder's files while they are in use.
  [[nodiscard]] bool gone() const { return clock_file_->gone(); }

  [[nodiscard]] const std::string& path() const { return path_; }
  // Of the hashes of requests.
  [[nodiscard]] const lease::Secret& request_secret() const { return clock_.request_secret; }

  // For readers, who change nothing. Who has the folder at `path` now, "process 12"; empty when
  // nobody has.
  [[nodiscard]] static std::string HolderOf(const std::string& path);
  // What a file `clock` of these bytes says.
  struct ClockLook {
    bool sound = false;
    int damaged_copies = 0;  // of two
    bool same_boot = false;  // else deadlines count from when a server was last seen
    bool clean = false;      // the last server stopped cleanly
    lease::BootMs now = 0;   // the lease clock, as a server that starts now would have it
  };
  [[nodiscard]] static ClockLook LookAtClock(std::span<const std::byte> file, const BootId& boot,
                                             uint64_t boot_ms);

 private:
  // As it is in the file.
  struct Clock {
    BootId boot{};
    uint64_t offset_ms = 0;
    uint64_t seen_boot_ms = 0;  // CLOCK_BOOTTIME at the last Beat
    uint64_t clean = 0;         // 1 after a Close
    lease::Secret request_secret{};
    uint64_t unclean_at = 0;  // lease clock of the last boot without a Close before it; 0: none
  };

  StateDir(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}
  [[nodiscard]] static bool SameBoot(const Clock& clock, const BootId& boot, uint64_t boot_ms);
  [[nodiscard]] bool OpenClock(const BootId& boot, uint64_t boot_ms, std::string& why);
  [[nodiscard]] bool HasPools(std::string& why) const;

  const std::string path_;
  const int lock_fd_;
  std::unique_ptr<MappedFile> clock_file_;
  Clock clock_;
  bool after_cut_ = false;
};

}  // namespace objpool::store
