#include "server/store/state_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>

#include "server/store/failed.h"

namespace objpool::store {
namespace {

constexpr std::size_t kClockBytes = 4096;

// The text of the lock file, for the message to whoever finds it held.
std::string TextOf(int fd) {
  std::array<char, 32> text{};
  const ssize_t length = pread(fd, text.data(), text.size() - 1, 0);
  std::string holder(text.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  while (!holder.empty() && holder.back() == '\n') holder.pop_back();
  return holder.empty() ? "another process" : "process " + holder;
}

int TakeLock(const std::string& path, std::string& why) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    why = Failed(path, "open");
    return -1;
  }
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    why = errno == EWOULDBLOCK
              ? path + ": is held by " + TextOf(fd) + "; two servers cannot share a state_dir"
              : Failed(path, "lock");
    close(fd);
    return -1;
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(fd, 0) != 0 || pwrite(fd, pid.data(), pid.size(), 0) < 0) {
    why = Failed(path, "write");
    close(fd);
    return -1;
  }
  return fd;
}

}  // namespace

BootId CurrentBoot() {
  BootId id{};
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  if (std::getline(file, text)) {
    std::copy_n(text.data(), std::min(text.size(), id.size()), id.data());
  }
  return id;
}

std::unique_ptr<StateDir> StateDir::Open(const std::string& path, const BootId& boot,
                                         uint64_t boot_ms, std::string& why) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    why = Failed(path, "make");
    return nullptr;
  }
  const int lock = TakeLock(path + "/lock", why);
  if (lock < 0) return nullptr;
  std::unique_ptr<StateDir> dir(new StateDir(path, lock));
  return dir->OpenClock(boot, boot_ms, why) ? std::move(dir) : nullptr;
}

StateDir::~StateDir() { close(lock_fd_); }

// Whether there are pools of earlier servers. With `why` when the folder cannot be read.
bool StateDir::HasPools(std::string& why) const {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
    if (entry.path().extension() == ".pool") return true;
  }
  if (error) why = path_ + ": cannot read: " + error.message();
  return false;
}

bool StateDir::SameBoot(const Clock& clock, const BootId& boot, uint64_t boot_ms) {
  return clock.boot == boot && boot != BootId{} && boot_ms >= clock.seen_boot_ms;
}

std::string StateDir::HolderOf(const std::string& path) {
  const int fd = open((path + "/lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return {};
  // Shared and given back at once: only a server that starts in this very moment would be refused.
  const bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  std::string holder = held ? TextOf(fd) : "";
  close(fd);
  return holder;
}

StateDir::ClockLook StateDir::LookAtClock(std::span<const std::byte> file, const BootId& boot,
                                          uint64_t boot_ms) {
  ClockLook look;
  if (file.size() != kClockBytes) return look;
  look.damaged_copies = Twin<Clock>::DamagedIn(file);
  const std::optional<Clock> clock = Twin<Clock>::ReadFrom(file);
  if (!clock) return look;
  look.sound = true;
  look.same_boot = SameBoot(*clock, boot, boot_ms);
  look.clean = clock->clean != 0;
  look.now = (look.same_boot ? boot_ms : clock->seen_boot_ms) + clock->offset_ms;
  return look;
}

bool StateDir::OpenClock(const BootId& boot, uint64_t boot_ms, std::string& why) {
  const std::string path = path_ + "/clock";
  clock_file_ = MappedFile::Open(path, kClockBytes, why);
  if (clock_file_ == nullptr) {
    if (!why.empty()) return false;
    if (HasPools(why)) {
      why = path +
            ": is missing, but there are pools, whose deadlines mean nothing without it; "
            "put it back, or move the pools away once their grants have run out";
      return false;
    }
    if (!why.empty()) return false;
    clock_file_ = MappedFile::Make(path, kClockBytes, why);
    if (clock_file_ == nullptr) return false;
    clock_.boot = boot;
    clock_.seen_boot_ms = boot_ms;
    clock_.request_secret = lease::RandomSecret();
    Twin<Clock>(clock_file_->bytes()).Write(clock_);
    return clock_file_->Publish(why);
  }
  const std::optional<Clock> clock = Twin<Clock>(clock_file_->bytes()).Read();
  if (!clock) {
    why = path +
          ": is damaged, and the deadlines of the pools mean nothing without it; move the "
          "folder away once their grants have run out";
    return false;
  }
  clock_ = *clock;
  if (!SameBoot(clock_, boot, boot_ms)) {
    const uint64_t seen = clock_.seen_boot_ms + clock_.offset_ms;
    after_cut_ = clock_.clean == 0;
    if (after_cut_) clock_.unclean_at = seen;
    clock_.offset_ms = seen - boot_ms;
    clock_.boot = boot;
  }
  clock_.clean = 0;
  clock_.seen_boot_ms = boot_ms;
  Twin<Clock>(clock_file_->bytes()).Write(clock_);
  // Else a power cut would bring back that the last stop was clean, and records that it was not.
  return clock_file_->Sync(why);
}

lease::BootMs StateDir::GraceUntil(uint64_t ttl_max_ms) const {
  return clock_.unclean_at == 0 ? 0 : clock_.unclean_at + ttl_max_ms + 1;
}

void StateDir::Beat(uint64_t boot_ms) {
  clock_.seen_boot_ms = std::max(clock_.seen_boot_ms, boot_ms);
  Twin<Clock>(clock_file_->bytes()).Write(clock_);
}

bool StateDir::Close(uint64_t boot_ms, std::string& why) {
  clock_.clean = 1;
  Beat(boot_ms);
  return clock_file_->Sync(why);
}

}  // namespace objpool::store
