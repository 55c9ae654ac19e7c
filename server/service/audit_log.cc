#include "server/service/audit_log.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <system_error>
#include <utility>

#include "server/config/utf8.h"

namespace objpool::server {
namespace {

constexpr std::string_view kStderr = "stderr";
constexpr int kPatienceMs = 100;

int OpenFile(const std::string& path) {
  if (path == kStderr) return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
  // A pipe that nobody reads does not hold up the start.
  constexpr mode_t kMode = 0640;
  return open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, kMode);
}

int64_t WallMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

// What is no UTF-8 becomes escapes, byte by byte: a line can be read back whatever somebody called
// himself.
void AppendQuoted(std::string_view text, std::string& to) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const bool plain = IsUtf8(text);
  to += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      to += {'\\', c};
    } else if ((byte >= ' ' && byte <= '~') || (byte >= 0x80 && plain)) {
      to += c;
    } else {
      to.append("\\u00").append({kHex[byte >> 4], kHex[byte & 15]});
    }
  }
  to += '"';
}

void AppendField(std::string_view key, std::string_view text, std::string& to) {
  if (text.empty()) return;
  to.append(", \"").append(key).append("\": ");
  AppendQuoted(text, to);
}

void AppendField(std::string_view key, const std::optional<uint64_t>& number, std::string& to) {
  if (number) to.append(", \"").append(key).append("\": ").append(std::to_string(*number));
}

void BeginLine(int64_t time_ms, std::string_view kind, std::string& to) {
  const auto seconds = static_cast<std::time_t>(time_ms / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const std::size_t bytes = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%03dZ", static_cast<int>(time_ms % 1000));
  to.assign("{\"time\": \"").append(text.data(), bytes).append(fraction.data());
  to.append("\", \"kind\": \"").append(kind).append("\"");
}

}  // namespace

std::unique_ptr<AuditLog> AuditLog::Open(const std::string& path, uint32_t lanes,
                                         std::string& why) {
  const int file = OpenFile(path);
  if (file < 0) {
    why = "cannot open " + path + ": " + std::system_category().message(errno);
    return nullptr;
  }
  std::unique_ptr<AuditLog> log(new AuditLog(path, file, lanes));
  try {
    log->thread_ = std::thread([raw = log.get()] { raw->Run(); });
  } catch (const std::system_error& error) {
    why = std::string("cannot start a thread: ") + error.what();
    return nullptr;
  }
  return log;
}

AuditLog::AuditLog(std::string path, int file, uint32_t lanes)
    : path_(std::move(path)), lanes_(lanes), file_(file) {}

AuditLog::~AuditLog() {
  stopping_.store(true, std::memory_order_release);
  news_.fetch_add(1, std::memory_order_release);
  news_.notify_one();
  if (thread_.joinable()) thread_.join();
  close(file_);
}

void AuditLog::Add(uint32_t lane_number, const AuditEntry& entry) {
  Lane& lane = lanes_[lane_number];
  const uint64_t head = lane.head.load(std::memory_order_relaxed);
  if (head - lane.tail.load(std::memory_order_acquire) == kSlots) {  // A2 <- R2
    lane.dropped.Add();
  } else {
    Record& record = lane.slots[head % kSlots];
    record.time_ms = WallMs();
    record.entry = entry;
    record.entry.identity = record.entry.pool = record.entry.reason = {};
    record.identity.assign(entry.identity.substr(0, kMaxTextBytes));
    record.pool.assign(entry.pool.substr(0, kMaxTextBytes));
    record.reason.assign(entry.reason.substr(0, kMaxTextBytes));
    lane.head.store(head + 1, std::memory_order_release);  // R1 -> A1
  }
  news_.fetch_add(1, std::memory_order_release);
  news_.notify_one();
}

void AuditLog::Reopen() {
  reopen_.store(true, std::memory_order_release);
  news_.fetch_add(1, std::memory_order_release);
  news_.notify_one();
}

uint64_t AuditLog::dropped() const {
  uint64_t sum = lost_.value();
  for (const Lane& lane : lanes_) sum += lane.dropped.value();
  return sum;
}

std::vector<std::string> AuditLog::TakeNews() {
  std::vector<std::string> news;
  const std::scoped_lock lock(trouble_lock_);
  const uint64_t all = dropped();
  const uint64_t more = all - std::exchange(news_dropped_, all);
  const std::string why = std::exchange(trouble_, {});
  if (!reopening_.empty()) news.push_back("audit_log: " + std::exchange(reopening_, {}));
  if (more != 0) {
    news.push_back("audit_log: " + std::to_string(more) + " records were dropped: " +
                   (why.empty() ? path_ + " takes them too slowly" : why));
  }
  return news;
}

void AuditLog::Run() {
  for (;;) {
    const uint32_t seen = news_.load(std::memory_order_acquire);
    const bool stopping = stopping_.load(std::memory_order_acquire);
    if (reopen_.exchange(false, std::memory_order_acq_rel)) OpenAgain();
    Drain();
    TellDropped();
    if (stopping) return;
    news_.wait(seen, std::memory_order_acquire);
  }
}

void AuditLog::Drain() {
  for (Lane& lane : lanes_) {
    uint64_t tail = lane.tail.load(std::memory_order_relaxed);
    const uint64_t head = lane.head.load(std::memory_order_acquire);  // A1 <- R1
    while (tail != head) {
      const Record& record = lane.slots[tail % kSlots];
      BeginLine(record.time_ms, record.entry.kind, line_);
      AppendField("identity", record.identity, line_);
      AppendField("method", record.entry.method, line_);
      AppendField("pool", record.pool, line_);
      AppendField("handle", record.entry.handle, line_);
      AppendField("fence", record.entry.fence, line_);
      AppendField("result", record.entry.result, line_);
      AppendField("reason", record.reason, line_);
      line_ += "}\n";
      (Write() ? written_ : lost_).Add();
      lane.tail.store(++tail, std::memory_order_release);  // R2 -> A2
    }
  }
}

void AuditLog::OpenAgain() {
  const int file = OpenFile(path_);
  if (file >= 0) {
    close(std::exchange(file_, file));
    torn_ = false;
    return;
  }
  const std::string why = std::system_category().message(errno);
  const std::scoped_lock lock(trouble_lock_);
  reopening_ = "cannot open " + path_ + " again, the old one goes on: " + why;
}

// In the log itself, once it can be written again.
void AuditLog::TellDropped() {
  const uint64_t all = dropped();
  if (all == told_dropped_) return;
  BeginLine(WallMs(), "dropped", line_);
  line_.append(", \"count\": ").append(std::to_string(all - told_dropped_)).append("}\n");
  if (Write()) told_dropped_ = all;
}

bool AuditLog::Write() {
  if (given_up_) return false;
  if (torn_) line_.insert(0, 1, '\n');
  std::string_view left = line_;
  while (!left.empty()) {
    pollfd ready{.fd = file_, .events = POLLOUT, .revents = 0};
    if (poll(&ready, 1, kPatienceMs) <= 0) {
      if (!stopping_.load(std::memory_order_acquire)) continue;
      given_up_ = true;
      Note(path_ + " is not read");
      return false;
    }
    const ssize_t bytes = write(file_, left.data(), left.size());
    if (bytes < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (bytes <= 0) {
      Note("cannot write " + path_ + ": " + std::system_category().message(errno));
      return false;
    }
    left.remove_prefix(static_cast<std::size_t>(bytes));
    torn_ = !left.empty();
  }
  return true;
}

void AuditLog::Note(const std::string& why) {
  const std::scoped_lock lock(trouble_lock_);
  trouble_ = why;
}

}  // namespace objpool::server
