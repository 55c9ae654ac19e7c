#include "server/rpc/tls_keys.h"

#include <utility>

namespace objpool::rpc {

std::unique_ptr<TlsKeys> TlsKeys::Load(const TlsFiles& files, std::string& why) {
  std::unique_ptr<TlsKeys> keys(new TlsKeys(files));
  keys->seen_ = keys->LookAtFiles();
  keys->current_ = TlsPair::Load(files, why);
  return keys->current_ == nullptr ? nullptr : std::move(keys);
}

std::shared_ptr<const TlsPair> TlsKeys::Current() const {
  const std::scoped_lock lock(lock_);
  return current_;
}

TlsKeys::Marks TlsKeys::LookAtFiles() const {
  Marks marks;
  const std::array<const std::string*, 3> paths = {&files_.cert, &files_.key, &files_.client_ca};
  for (std::size_t i = 0; i < paths.size(); ++i) {
    constexpr int64_t kNsPerS = 1'000'000'000;
    struct stat found {};
    if (paths[i]->empty() || stat(paths[i]->c_str(), &found) != 0) continue;
    marks[i] = {.device = found.st_dev,
                .inode = found.st_ino,
                .size = found.st_size,
                .changed_ns = found.st_ctim.tv_sec * kNsPerS + found.st_ctim.tv_nsec};
  }
  return marks;
}

std::string TlsKeys::Look() {
  const Marks now = LookAtFiles();
  if (now == seen_ && !doubted_) return {};
  const bool changed = now != std::exchange(seen_, now);
  return Read(changed);
}

std::string TlsKeys::Reload() {
  seen_ = LookAtFiles();
  return Read(false);
}

// `patient`: files that are not good may become so in a moment.
std::string TlsKeys::Read(bool patient) {
  std::string why;
  std::shared_ptr<const TlsPair> pair = TlsPair::Load(files_, why);
  doubted_ = pair == nullptr && patient;
  if (doubted_) return {};
  if (pair == nullptr) {
    failed_.fetch_add(1, std::memory_order_relaxed);
    return why + "; the certificate from before stays in use";
  }
  {
    const std::scoped_lock lock(lock_);
    current_.swap(pair);
  }
  version_.fetch_add(1, std::memory_order_relaxed);
  loaded_.fetch_add(1, std::memory_order_relaxed);
  return "the certificate in " + files_.cert + " is in use now";
}

}  // namespace objpool::rpc
