#include "client/load/frame_connection.h"

#include <array>
#include <bit>
#include <utility>

#include "client/load/frames.h"
#include "pool/base/check.h"

namespace objpool::load {
namespace {

constexpr int64_t kUsualWindow = 65535;
constexpr uint32_t kMaxWindow = 0x7fffffff;
constexpr uint32_t kLastStream = 0x7fffffff;
// The server may have sent that much before it is allowed more.
constexpr uint32_t kAllowEvery = uint32_t{1} << 28;

// gRPC: a flag for compression, and the length.
constexpr std::size_t kMessageHeadBytes = 5;
constexpr uint32_t kHttpOk = 200;

constexpr int kGreetMs = 10'000;
constexpr uint32_t kFree = UINT32_MAX;

// A path is no authority of HTTP's.
std::string AuthorityOf(const std::string& address) {
  return address.starts_with("unix:") ? "localhost" : address;
}

}  // namespace

FrameConnection::FrameConnection(std::unique_ptr<ByteSocket> socket, const std::string& address,
                                 const std::vector<std::string>& paths, uint32_t calls,
                                 Listener& listener)
    : socket_(std::move(socket)),
      requests_(AuthorityOf(address), paths),
      listener_(listener),
      places_(calls),
      spots_(std::bit_ceil(std::size_t{calls} * 4), kFree),
      window_(kUsualWindow),
      first_window_(kUsualWindow),
      max_streams_(kMaxWindow) {}

std::unique_ptr<FrameConnection> FrameConnection::Connect(const std::string& address,
                                                          const std::vector<std::string>& paths,
                                                          uint32_t calls, Listener& listener,
                                                          std::string& why) {
  auto socket = ByteSocket::Connect(address, why);
  if (socket == nullptr) return nullptr;
  std::unique_ptr<FrameConnection> connection(
      new FrameConnection(std::move(socket), address, paths, calls, listener));
  if (!connection->Greet(why)) return nullptr;
  return connection;
}

// Says that answers may be of any length, and waits for what the server says.
bool FrameConnection::Greet(std::string& why) {
  std::string& out = socket_->out();
  out.append(kPreface);
  AppendFrameHead(kSettingBytes, FrameType::kSettings, 0, 0, out);
  AppendBig(kFirstWindow, 2, out);
  AppendBig(kMaxWindow, 4, out);
  AppendFrameHead(4, FrameType::kWindowUpdate, 0, 0, out);
  AppendBig(kMaxWindow - static_cast<uint32_t>(kUsualWindow), 4, out);
  if (!socket_->Flush(why)) return false;
  while (!settled_) {
    if (!socket_->WaitReadable(kGreetMs)) {
      why = "the server does not say that it speaks HTTP/2";
      return false;
    }
    if (!OnReadable() || !Flush()) {
      why = error_;
      return false;
    }
  }
  if (max_streams_ < places_.size()) {
    why = "the server takes " + std::to_string(max_streams_) + " calls at a time, not " +
          std::to_string(places_.size());
    return false;
  }
  return true;
}

bool FrameConnection::Broken(std::string why) {
  if (error_.empty()) error_ = std::move(why);
  return false;
}

void FrameConnection::Begin(uint32_t place, std::size_t path) {
  Place& here = places_[place];
  OBJPOOL_CHECK(here.stream == 0, "a place has one call at a time");
  while (spots_[Spot(next_stream_)] != kFree) next_stream_ += 2;
  if (next_stream_ > kLastStream - 2 * spots_.size()) {
    (void)Broken("all stream numbers are used up");
  }
  here.stream = next_stream_;
  here.window = first_window_;
  here.to_allow = 0;
  here.answered = here.half_closed = false;
  here.partial.clear();
  spots_[Spot(next_stream_)] = place;
  next_stream_ += 2;
  const std::string& block = requests_.Next(path);
  AppendFrameHead(block.size(), FrameType::kHeaders, kEndHeaders, here.stream, socket_->out());
  socket_->out().append(block);
}

void FrameConnection::Call(uint32_t place, std::size_t path, std::string_view message) {
  Begin(place, path);
  Write(place, message, true);
}

void FrameConnection::Open(uint32_t place, std::size_t path) { Begin(place, path); }

void FrameConnection::Send(uint32_t place, std::string_view message) {
  Write(place, message, false);
}

void FrameConnection::HalfClose(uint32_t place) {
  Place& here = places_[place];
  here.half_closed = true;
  if (!held_.empty()) {
    held_.push_back({.place = place, .stream = here.stream, .last = true, .bytes = {}});
  } else {
    WriteData(here.stream, {}, {}, true);
  }
}

// Whole messages wait for room in both windows, behind those that wait already.
void FrameConnection::Write(uint32_t place, std::string_view message, bool last) {
  Place& here = places_[place];
  const auto length = static_cast<uint32_t>(message.size());
  const std::array<char, kMessageHeadBytes> head = {
      0, static_cast<char>(length >> 24), static_cast<char>(length >> 16),
      static_cast<char>(length >> 8), static_cast<char>(length)};
  const std::string_view prefix(head.data(), head.size());
  here.half_closed = last;
  const auto bytes = static_cast<int64_t>(prefix.size() + message.size());
  if (bytes > kUsualWindow) {
    (void)Broken("a request is too long: " + std::to_string(message.size()) + " bytes");
    return;
  }
  if (!held_.empty() || bytes > window_ || bytes > here.window) {
    held_.push_back({.place = place,
                     .stream = here.stream,
                     .last = last,
                     .bytes = std::string(prefix).append(message)});
    return;
  }
  here.window -= bytes;
  WriteData(here.stream, prefix, message, last);
}

// As many frames as it takes.
void FrameConnection::WriteData(uint32_t stream, std::string_view prefix, std::string_view bytes,
                                bool last) {
  std::string& out = socket_->out();
  window_ -= static_cast<int64_t>(prefix.size() + bytes.size());
  do {
    const std::string_view part = bytes.substr(0, kMaxFrameBytes - prefix.size());
    bytes.remove_prefix(part.size());
    const bool ends = last && bytes.empty();
    AppendFrameHead(prefix.size() + part.size(), FrameType::kData, ends ? kEndStream : 0, stream,
                    out);
    out.append(prefix).append(part);
    prefix = {};
  } while (!bytes.empty());
}

void FrameConnection::SendHeld() {
  while (!held_.empty()) {
    const Held& held = held_.front();
    Place& here = places_[held.place];
    const auto bytes = static_cast<int64_t>(held.bytes.size());
    if (here.stream == held.stream) {
      if (bytes > window_ || bytes > here.window) return;
      here.window -= bytes;
      WriteData(held.stream, {}, held.bytes, held.last);
    }  // else its call has ended meanwhile
    held_.pop_front();
  }
}

bool FrameConnection::Flush() {
  if (!error_.empty()) return false;
  std::string why;
  return socket_->Flush(why) || Broken(std::move(why));
}

bool FrameConnection::OnReadable() {
  bool more = true;
  while (more) {
    std::string why;
    if (!socket_->Read(more, why)) return Broken(std::move(why));
    if (!TakeFrames()) return false;
  }
  return error_.empty();
}

// Gives the server back what it has used up of its window, once that is much.
void FrameConnection::Allow(uint32_t stream, uint32_t& bytes) {
  if (bytes < kAllowEvery) return;
  AppendFrameHead(4, FrameType::kWindowUpdate, 0, stream, socket_->out());
  AppendBig(bytes, 4, socket_->out());
  bytes = 0;
}

bool FrameConnection::TakeFrames() {
  bool too_long = false;
  while (const auto frame = FirstFrame(socket_->in(), too_long)) {
    if (!Take(*frame)) return false;
    socket_->Consume(kFrameHeadBytes + frame->payload.size());
  }
  return !too_long || Broken("a frame is longer than was allowed");
}

bool FrameConnection::Take(const Frame& frame) {
  switch (frame.type) {
    case FrameType::kData:
      return TakeData(frame);
    case FrameType::kHeaders:
      return TakeHeaders(frame);
    case FrameType::kWindowUpdate:
      return TakeWindow(frame);
    case FrameType::kSettings:
      return TakeSettings(frame);
    case FrameType::kPing:
      if (frame.has(kAck)) return true;
      AppendFrameHead(frame.payload.size(), FrameType::kPing, kAck, 0, socket_->out());
      socket_->out().append(frame.payload);
      return true;
    case FrameType::kReset:
      if (const uint32_t* const place = PlaceOf(frame.stream)) End(*place, kNoStatus);
      return true;
    case FrameType::kGoAway:
      return Broken(
          "the server says goodbye: " +
          std::string(frame.payload.substr(std::min<std::size_t>(8, frame.payload.size()))));
    case FrameType::kPush:
    case FrameType::kContinuation:
      return Broken("the server sends what no answer of gRPC needs");
  }
  return true;  // unknown kinds are to be ignored
}

bool FrameConnection::TakeSettings(const Frame& frame) {
  if (frame.has(kAck)) return true;
  for (std::string_view rest = frame.payload; rest.size() >= kSettingBytes;
       rest.remove_prefix(kSettingBytes)) {
    const uint32_t value = ReadBig(rest.substr(2, 4));
    switch (ReadBig(rest.substr(0, 2))) {
      case kTableBytes:
        if (!settled_ && !requests_.SetTableBytes(value)) {
          return Broken("the server has no room for headers");
        }
        break;
      case kMaxStreams:
        max_streams_ = value;
        break;
      case kFirstWindow: {
        const int64_t change = int64_t{value} - first_window_;
        first_window_ = value;
        for (Place& place : places_) place.window += change;
        break;
      }
      default:
        break;
    }
  }
  settled_ = true;
  AppendFrameHead(0, FrameType::kSettings, kAck, 0, socket_->out());
  SendHeld();
  return true;
}

bool FrameConnection::TakeWindow(const Frame& frame) {
  const int64_t more = ReadBig(frame.payload) & kMaxWindow;
  if (frame.stream == 0) {
    window_ += more;
  } else if (const uint32_t* const place = PlaceOf(frame.stream)) {
    places_[*place].window += more;
  }
  SendHeld();
  return true;
}

bool FrameConnection::TakeHeaders(const Frame& given) {
  Frame frame = given;
  if (!frame.has(kEndHeaders)) return Broken("headers came in pieces");
  if (!frame.Unwrap()) return Broken("a frame is all padding");
  // Of a call that has ended too: it may change the table.
  const auto fields = answers_.Read(frame.payload);
  if (!fields) return Broken("headers cannot be read");
  const uint32_t* const place = PlaceOf(frame.stream);
  if (place == nullptr) return true;
  Place& here = places_[*place];
  if (!std::exchange(here.answered, true) && fields->http_status != kHttpOk) {
    return Broken("the server answers with HTTP status " + std::to_string(fields->http_status));
  }
  if (frame.has(kEndStream)) End(*place, fields->grpc_status.value_or(kNoStatus));
  return true;
}

bool FrameConnection::TakeData(const Frame& given) {
  Frame frame = given;
  const auto bytes = static_cast<uint32_t>(frame.payload.size());
  to_allow_ += bytes;
  Allow(0, to_allow_);
  if (!frame.Unwrap()) return Broken("a frame is all padding");
  const uint32_t* const place = PlaceOf(frame.stream);
  if (place == nullptr) return true;
  places_[*place].to_allow += bytes;
  Allow(frame.stream, places_[*place].to_allow);
  if (!TakeMessages(*place, frame.payload)) return false;
  if (frame.has(kEndStream)) return Broken("a call ended without trailers");
  return true;
}

// Mostly a frame is one message.
bool FrameConnection::TakeMessages(uint32_t place, std::string_view bytes) {
  Place& here = places_[place];
  const uint32_t stream = here.stream;
  std::string gathered;
  if (!here.partial.empty()) {
    gathered = std::move(here.partial.append(bytes));
    here.partial.clear();
    bytes = gathered;
  }
  while (bytes.size() >= kMessageHeadBytes) {
    const std::size_t length = ReadBig(bytes.substr(1, 4));
    if (bytes.front() != 0) return Broken("a message is compressed");
    if (bytes.size() < kMessageHeadBytes + length) break;
    listener_.OnMessage(place, bytes.substr(kMessageHeadBytes, length));
    if (here.stream != stream) return true;
    bytes.remove_prefix(kMessageHeadBytes + length);
  }
  here.partial.append(bytes);
  return true;
}

// Where the server ends a call that is not half-closed yet, it wants no more of it.
void FrameConnection::End(uint32_t place, uint32_t status) {
  constexpr uint32_t kCancel = 8;
  Place& here = places_[place];
  if (!here.half_closed) {
    AppendFrameHead(4, FrameType::kReset, 0, here.stream, socket_->out());
    AppendBig(kCancel, 4, socket_->out());
  }
  spots_[Spot(here.stream)] = kFree;
  here.stream = 0;
  listener_.OnEnd(place, here.partial.empty() ? status : kNoStatus);
}

const uint32_t* FrameConnection::PlaceOf(uint32_t stream) const {
  const uint32_t& place = spots_[Spot(stream)];
  return place != kFree && places_[place].stream == stream ? &place : nullptr;
}

}  // namespace objpool::load
