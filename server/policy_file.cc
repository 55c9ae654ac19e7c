#include "server/policy_file.h"

#include <optional>
#include <utility>

namespace objpool::server {

PolicyFile::Looks PolicyFile::LookNow() const {
  struct stat found {};
  if (stat(path_.c_str(), &found) != 0) return {};
  return {.device = found.st_dev,
          .inode = found.st_ino,
          .size = found.st_size,
          .seconds = found.st_mtim.tv_sec,
          .nanoseconds = found.st_mtim.tv_nsec};
}

bool PolicyFile::Read(settings::ConfigErrors& errors) {
  read_ = coming_ = LookNow();  // before: what is written meanwhile is another look
  std::optional<settings::Policy> policy = settings::LoadPolicy(path_, errors);
  if (!policy) return false;
  rules_.store(policy->rules().size(), std::memory_order_relaxed);
  use_(std::make_shared<const settings::Policy>(*std::move(policy)));
  return true;
}

bool PolicyFile::Load(std::string& why) {
  if (path_.empty()) return true;
  settings::ConfigErrors errors;
  if (Read(errors)) return true;
  why = "policy_file: " + errors.Lines().front();
  return false;
}

std::vector<std::string> PolicyFile::Reload() {
  if (path_.empty()) return {};
  settings::ConfigErrors errors;
  const bool ok = Read(errors);
  stale_.store(!ok, std::memory_order_relaxed);
  (ok ? reloaded_ : failed_).Add();
  std::vector<std::string> lines;
  for (const std::string& line : errors.Lines()) lines.push_back("policy_file: " + line);
  on_reload_(ok, ok ? "" : lines.front());
  lines.push_back(ok ? "policy_file: " + path_ + " was read again, " + std::to_string(rules()) +
                           (rules() == 1 ? " rule" : " rules")
                     : "policy_file: " + path_ + " was refused; the policy before stays in force");
  return lines;
}

std::vector<std::string> PolicyFile::Look() {
  if (path_.empty()) return {};
  const Looks now = LookNow();
  const bool settled = now == std::exchange(coming_, now);
  return settled && now != read_ ? Reload() : std::vector<std::string>();
}

}  // namespace objpool::server
