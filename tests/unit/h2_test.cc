// The parts of engine h2 that need no socket.
#include <gtest/gtest.h>
#include <zlib.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/rpc/byte_buffer.h"
#include "server/rpc/h2_flood_guard.h"
#include "server/rpc/h2_goaway.h"
#include "server/rpc/h2_limits.h"
#include "server/rpc/h2_message.h"
#include "server/rpc/h2_request_head.h"
#include "server/rpc/h2_text.h"
#include "server/rpc/h2_trailers.h"
#include "server/rpc/inflater.h"
#include "server/rpc/peer_seats.h"

namespace objpool::rpc {
namespace {

std::string Percent(std::string_view text) {
  std::string out;
  AppendPercentEncoded(text, out);
  return out;
}

std::string Base64(std::string_view bytes) {
  std::string out;
  AppendBase64(bytes, out);
  return out;
}

// The headers of a call as a client sends them.
RequestHead Head() {
  RequestHead head;
  head.Reset();
  EXPECT_TRUE(head.Add(":method", "POST"));
  EXPECT_TRUE(head.Add(":path", "/a.B/C"));
  EXPECT_TRUE(head.Add("content-type", "application/grpc"));
  EXPECT_TRUE(head.Add("te", "trailers"));
  return head;
}

TEST(GrpcTimeout, HasADigitStringAndAUnit) {
  EXPECT_EQ(ParseGrpcTimeout("1n"), 1U);
  EXPECT_EQ(ParseGrpcTimeout("2u"), 2'000U);
  EXPECT_EQ(ParseGrpcTimeout("250m"), 250'000'000U);
  EXPECT_EQ(ParseGrpcTimeout("0S"), 0U);
  EXPECT_EQ(ParseGrpcTimeout("3M"), 180'000'000'000U);
  EXPECT_EQ(ParseGrpcTimeout("1H"), 3'600'000'000'000U);
}

TEST(GrpcTimeout, OfAGeologicalAgeIsClamped) {
  const auto longest = ParseGrpcTimeout("99999999H");
  ASSERT_TRUE(longest.has_value());
  // Now and that together are still a time to come.
  EXPECT_GT(BootNow() + *longest, BootNow());
  EXPECT_GT(*longest, *ParseGrpcTimeout("99999999S"));
}

TEST(GrpcTimeout, IsNothingElse) {
  for (const char* text : {"", "m", "5", "5s", "-1m", "+1m", " 1m", "1 m", "1.5S", "123456789m",
                           "0x1m", "1mm", "1h"}) {
    EXPECT_FALSE(ParseGrpcTimeout(text).has_value()) << text;
  }
}

TEST(GrpcMessage, KeepsWhatIsPrintableAndEscapesTheRest) {
  EXPECT_EQ(Percent("no such pool: ids"), "no such pool: ids");
  EXPECT_EQ(Percent("100%"), "100%25");
  EXPECT_EQ(Percent("a\r\nb\t\x7f"), "a%0D%0Ab%09%7F");
  EXPECT_EQ(Percent("\xc3\xa4"), "%C3%A4");
  EXPECT_EQ(Percent(std::string_view("\0", 1)), "%00");
  EXPECT_EQ(Percent(" ~"), " ~");
}

TEST(BinaryHeader, IsBase64WithoutPadding) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg");
  EXPECT_EQ(Base64("fo"), "Zm8");
  EXPECT_EQ(Base64("foo"), "Zm9v");
  EXPECT_EQ(Base64("foob"), "Zm9vYg");
  EXPECT_EQ(Base64("\xff\xff\xfe"), "///+");
}

TEST(MessageHead, IsReadAsItIsWritten) {
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{1}, std::size_t{0x01020304}, std::size_t{0xffffffff}}) {
    std::array<uint8_t, kMessageHeadBytes> raw{};
    WriteMessageHead(bytes, raw.data());
    const std::string_view text(reinterpret_cast<const char*>(raw.data()), raw.size());
    const MessageHead head = ReadMessageHead(text);
    EXPECT_TRUE(head.whole);
    EXPECT_FALSE(head.compressed);
    EXPECT_EQ(head.bytes, bytes);
    EXPECT_FALSE(ReadMessageHead(text.substr(0, kMessageHeadBytes - 1)).whole);
  }
  EXPECT_TRUE(ReadMessageHead(std::string_view("\1\0\0\0\0", 5)).compressed);
}

TEST(RequestHead, OfACallIsAccepted) {
  const RequestHead head = Head();
  EXPECT_EQ(head.HttpRefusal(), nullptr);
  EXPECT_FALSE(head.Refusal().has_value());
  EXPECT_EQ(head.path(), "/a.B/C");
  EXPECT_FALSE(head.timeout().has_value());
}

TEST(RequestHead, ForgetsTheOneBefore) {
  RequestHead head = Head();
  EXPECT_TRUE(head.Add("grpc-timeout", "nonsense"));
  EXPECT_TRUE(head.Add("grpc-encoding", "gzip"));
  head.Reset();
  EXPECT_STREQ(head.HttpRefusal(), "405");
  EXPECT_FALSE(head.Refusal().has_value());
  EXPECT_EQ(head.path(), "");
}

TEST(RequestHead, OfOtherProtocolsIsRefusedInHttp) {
  for (const char* type : {"text/html", "application/grpc-web", "application/grpcx", ""}) {
    RequestHead head = Head();
    EXPECT_TRUE(head.Add("content-type", type));
    EXPECT_STREQ(head.HttpRefusal(), "415") << type;
  }
  for (const char* type : {"application/grpc+proto", "application/grpc;charset=utf-8"}) {
    RequestHead head = Head();
    EXPECT_TRUE(head.Add("content-type", type));
    EXPECT_EQ(head.HttpRefusal(), nullptr) << type;
  }
  RequestHead head = Head();
  EXPECT_TRUE(head.Add(":method", "GET"));
  EXPECT_STREQ(head.HttpRefusal(), "405");
}

TEST(RequestHead, SaysWhyNoMethodCanTakeIt) {
  RequestHead timeout = Head();
  EXPECT_TRUE(timeout.Add("grpc-timeout", "1 hour"));
  EXPECT_EQ(timeout.Refusal()->code, Code::kInvalidArgument);
  RequestHead encoding = Head();
  EXPECT_TRUE(encoding.Add("grpc-encoding", "identity"));
  EXPECT_FALSE(encoding.Refusal().has_value());
  EXPECT_FALSE(encoding.gzip());
  EXPECT_TRUE(encoding.Add("grpc-encoding", "gzip"));
  EXPECT_FALSE(encoding.Refusal().has_value());
  EXPECT_TRUE(encoding.gzip());
  EXPECT_TRUE(encoding.Add("grpc-encoding", "deflate"));
  EXPECT_EQ(encoding.Refusal()->code, Code::kUnimplemented);
  EXPECT_EQ(encoding.Refusal()->message, "grpc-encoding must be one of identity,gzip, got deflate");
}

TEST(RequestHead, MayHaveSoManyBytesAndNoMore) {
  RequestHead head = Head();
  const std::string value(1000, 'v');
  std::size_t bytes = 0;
  bool refused = false;
  while (head.Add("name", value)) {
    bytes += value.size();
    refused = refused || head.Refusal().has_value();
    EXPECT_EQ(head.Refusal().has_value(), bytes > h2_limits::kMaxHeaderBytes - 1200) << bytes;
    ASSERT_LT(bytes, h2_limits::kMaxInflatedBytes);
  }
  EXPECT_TRUE(refused);
  EXPECT_EQ(head.Refusal()->code, Code::kResourceExhausted);
}

TEST(RequestHead, KeepsLittleOfALongPath) {
  RequestHead head = Head();
  EXPECT_TRUE(head.Add(":path", "/" + std::string(10'000, 'p')));
  EXPECT_EQ(head.path().size(), h2_limits::kMaxPathBytes);
}

// The fields, as "name: value".
std::vector<std::string> Fields(const H2Trailers& trailers) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < trailers.count(); ++i) {
    const nghttp2_nv& field = trailers.fields()[i];
    lines.push_back(std::string(reinterpret_cast<const char*>(field.name), field.namelen) + ": " +
                    std::string(reinterpret_cast<const char*>(field.value), field.valuelen));
  }
  return lines;
}

TEST(H2Trailers, SayTheStatusAndWhatGoesWithIt) {
  using Lines = std::vector<std::string>;
  H2Trailers trailers;
  trailers.Make({}, false);
  EXPECT_EQ(Fields(trailers), Lines{"grpc-status: 0"});
  trailers.Make({Code::kUnauthenticated, "50% \xc3\xa4", std::string("\xff", 1), 250}, false);
  EXPECT_EQ(Fields(trailers),
            (Lines{"grpc-status: 16", "grpc-message: 50%25 %C3%A4", "grpc-status-details-bin: /w",
                   "grpc-retry-pushback-ms: 250"}));
  trailers.Make({Code::kUnimplemented, "", {}}, true);
  EXPECT_EQ(Fields(trailers), (Lines{":status: 200", "content-type: application/grpc",
                                     "grpc-accept-encoding: identity,gzip", "grpc-status: 12"}));
}

TEST(H2Trailers, AreNotLongerThanClientsTake) {
  H2Trailers trailers;
  std::string message = "x";
  while (message.size() < 2 * h2_limits::kMaxMessageBytes) message += "\xc3\xa4";
  trailers.Make({Code::kInternal, message, std::string(h2_limits::kMaxDetailsBytes + 1, 'd')},
                true);
  const std::vector<std::string> fields = Fields(trailers);
  ASSERT_EQ(fields.size(), 4U) << "without details";
  EXPECT_TRUE(fields[3].ends_with("%C3%A4")) << "whole characters";
  trailers.Make({Code::kInternal, "", std::string(h2_limits::kMaxDetailsBytes, 'd')}, true);
  ASSERT_EQ(Fields(trailers).size(), 4U);
  EXPECT_LT(Fields(trailers)[3].size(), 6200U);
}

TEST(FloodGuard, LetsABurstPassAndThenARate) {
  constexpr BootNs kSecond = 1'000'000'000;
  constexpr auto kPing = static_cast<std::size_t>(FloodKind::kPing);
  const FloodGuard::Allowance allowed = FloodGuard::kAllowances[kPing];
  BootNs now = 7 * kSecond;
  FloodGuard guard(now);
  for (uint32_t i = 0; i < allowed.burst; ++i) EXPECT_TRUE(guard.Spend(FloodKind::kPing, now));
  EXPECT_FALSE(guard.Spend(FloodKind::kPing, now));
  EXPECT_TRUE(guard.Spend(FloodKind::kReset, now)) << "each kind has its own";
  now += kSecond;
  for (uint32_t i = 0; i < allowed.per_s; ++i) EXPECT_TRUE(guard.Spend(FloodKind::kPing, now));
  EXPECT_FALSE(guard.Spend(FloodKind::kPing, now));
}

TEST(FloodGuard, CutsNobodyWhoKeepsToTheRate) {
  constexpr BootNs kSecond = 1'000'000'000;
  FloodGuard guard(0);
  for (std::size_t i = 0; i < FloodGuard::kGuarded; ++i) {
    const uint32_t per_s = FloodGuard::kAllowances[i].per_s;
    BootNs now = 0;
    for (uint32_t sent = 0; sent < 100 * per_s; ++sent, now += kSecond / per_s) {
      ASSERT_TRUE(guard.Spend(static_cast<FloodKind>(i), now)) << i << " after " << sent;
    }
  }
}

TEST(FloodGuard, PaysForAnswersThatAreSent) {
  FloodGuard guard(0);
  for (int i = 0; i < 100'000; ++i) {
    guard.EarnFrame();
    ASSERT_TRUE(guard.Spend(FloodKind::kPing, 1)) << i;
    ASSERT_TRUE(guard.Spend(FloodKind::kWindowUpdate, 1)) << i;
    ASSERT_TRUE(guard.Spend(FloodKind::kWindowUpdate, 1)) << i;
    guard.EarnEnd(true);
    ASSERT_TRUE(guard.Spend(FloodKind::kReset, 1, FloodGuard::kRapidReset)) << i;
    ASSERT_TRUE(guard.Spend(FloodKind::kVoid, 1, 64)) << i;
    guard.EarnCall();
    ASSERT_TRUE(guard.Spend(FloodKind::kWindowUpdate, 1, 4)) << i;
  }
}

uint32_t SpendAll(FloodGuard& guard, FloodKind kind, uint32_t count) {
  uint32_t spent = 0;
  while (guard.Spend(kind, 0, count)) ++spent;
  return spent;
}

TEST(FloodGuard, SavesNoMoreThanItsBurst) {
  FloodGuard guard(0);
  for (int i = 0; i < 100'000; ++i) {
    guard.EarnCall();
    guard.EarnFrame();
    guard.EarnEnd(true);
  }
  EXPECT_EQ(SpendAll(guard, FloodKind::kPing, 1), 100U);
  EXPECT_EQ(SpendAll(guard, FloodKind::kWindowUpdate, 1), 2000U);
  EXPECT_EQ(SpendAll(guard, FloodKind::kVoid, 1), 500U);
  EXPECT_EQ(SpendAll(guard, FloodKind::kReset, FloodGuard::kRapidReset), 1000U);
}

TEST(FloodGuard, CountsAResetOfACallThatWaitedAsAFiftieth) {
  FloodGuard rapid(0);
  FloodGuard slow(0);
  EXPECT_EQ(SpendAll(rapid, FloodKind::kReset, FloodGuard::kRapidReset), 1000U);
  EXPECT_EQ(SpendAll(slow, FloodKind::kReset, 1), 50'000U);
}

TEST(FloodGuard, AnswersAloneOfWholeRequestsPayForNoRestOfThem) {
  FloodGuard guard(0);
  EXPECT_EQ(SpendAll(guard, FloodKind::kVoid, 1), 500U);
  guard.EarnFrame();
  guard.EarnEnd(false);
  EXPECT_FALSE(guard.Spend(FloodKind::kVoid, 0));
}

std::string Gzip(std::string_view text) {
  z_stream stream{};
  EXPECT_EQ(
      deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
      Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  (void)deflateEnd(&stream);
  return out;
}

TEST(Inflater, GivesBackWhatWasCompressed) {
  Inflater inflater;
  for (const std::size_t bytes : {0U, 1U, 100U, 16'383U, 16'384U, 16'385U, 32'768U, 100'000U}) {
    std::string text;
    for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>((i * i) >> 3);
    const std::string gzip = Gzip(text);
    EXPECT_TRUE(Inflater::IsGzip(gzip));
    ByteBuffer plain;
    plain.Append("before", 6);
    EXPECT_TRUE(inflater.Inflate(gzip, bytes, plain).ok()) << bytes;
    EXPECT_EQ(plain.view(), "before" + text);
    if (bytes == 0) continue;
    ByteBuffer longer;
    EXPECT_EQ(inflater.Inflate(gzip, bytes - 1, longer).code, Code::kResourceExhausted) << bytes;
  }
}

TEST(Inflater, StopsAtTheLimitWhateverIsBehindIt) {
  const std::string bomb = Gzip(std::string(100'000'000, 'x'));
  EXPECT_LT(bomb.size(), 200'000u);
  Inflater inflater;
  ByteBuffer plain;
  EXPECT_EQ(inflater.Inflate(bomb, 1'000'000, plain).code, Code::kResourceExhausted);
  EXPECT_LE(plain.size(), 1'000'000u);
}

TEST(Inflater, TakesNothingThatIsNotWhole) {
  const std::string gzip = Gzip(std::string(1000, 'x') + "y");
  Inflater inflater;
  ByteBuffer plain;
  for (std::size_t bytes = 0; bytes < gzip.size(); ++bytes) {
    EXPECT_EQ(inflater.Inflate(gzip.substr(0, bytes), 10'000, plain).code, Code::kInternal);
  }
  EXPECT_EQ(inflater.Inflate(gzip + "z", 10'000, plain).code, Code::kInternal) << "more behind it";
  EXPECT_EQ(inflater.Inflate(gzip + gzip, 10'000, plain).code, Code::kInternal);
  std::string wrong = gzip;
  wrong[gzip.size() - 6] = static_cast<char>(wrong[gzip.size() - 6] + 1);  // of the checksum
  EXPECT_EQ(inflater.Inflate(wrong, 10'000, plain).code, Code::kInternal);
  EXPECT_EQ(inflater.Inflate("plain text", 10'000, plain).code, Code::kInternal);
  plain.Clear();
  EXPECT_TRUE(inflater.Inflate(gzip, 10'000, plain).ok()) << "after all of that";
}

TEST(PeerSeats, AreSoManyForEachAndComeBack) {
  PeerSeats seats(2);
  auto first = seats.Take("a");
  auto second = seats.Take("a");
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(seats.Take("a"));
  EXPECT_TRUE(seats.Take("b"));
  PeerSeats::Seat moved = *std::move(first);
  EXPECT_FALSE(seats.Take("a")) << "moved is not given back";
  moved = {};
  auto third = seats.Take("a");
  EXPECT_TRUE(third);
  EXPECT_FALSE(seats.Take("a"));
}

TEST(H2GoAway, SaysTheLastStreamTheErrorAndWhy) {
  const H2GoAway goaway(0x01020304, 11, "calm");
  EXPECT_EQ(std::string(goaway.data(), goaway.data() + goaway.size()),
            std::string("\0\0\x0c\x07\0\0\0\0\0\1\2\3\4\0\0\0\x0b"
                        "calm",
                        21));
  EXPECT_EQ(H2GoAway(0, 0, std::string(1000, 'x')).size(), 17 + H2GoAway::kMaxTextBytes);
}

TEST(ByteBuffer, GivesBackWhatWasAppendedInOrder) {
  ByteBuffer buffer;
  std::string expected;
  uint32_t seed = 1;
  for (int i = 0; i < 20'000; ++i) {
    seed = seed * 1664525 + 1013904223;
    const std::size_t count = (seed >> 16) % 97;
    if ((seed & 0x100) != 0) {
      const std::string piece(count, static_cast<char>('a' + i % 26));
      buffer.Append(piece.data(), piece.size());
      expected += piece;
    } else {
      const std::size_t taken = std::min(count, buffer.size());
      buffer.Consume(taken);
      expected.erase(0, taken);
    }
    ASSERT_EQ(buffer.view(), expected) << i;
  }
  buffer.Clear();
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.view(), "");
}

}  // namespace
}  // namespace objpool::rpc
