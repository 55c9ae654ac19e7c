// Small parsers of text and bytes: what they accept reads the same when it is written again, what
// they refuse they say why, and two that should agree do.
#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/ctl/selector.h"
#include "client/duration.h"
#include "client/load/frames.h"
#include "client/load/lease_messages.h"
#include "client/ref.h"
#include "client/text.h"
#include "pool/base/check.h"
#include "server/config/duration.h"
#include "server/config/endpoint.h"
#include "server/config/errors.h"
#include "server/config/label_text.h"
#include "server/config/utf8.h"
#include "server/metrics/exposition.h"
#include "server/rpc/h2_request_head.h"
#include "server/rpc/h2_text.h"
#include "server/rpc/peer.h"
#include "server/service/plain_wire.h"
#include "server/service/session_token.h"
#include "server/state_text.h"
#include "tests/fuzz/input.h"

namespace objpool::fuzz {
namespace {

bool IsShown(std::string_view text) {
  for (const char c : text) {
    if (c < ' ' || c > '~') return false;
  }
  return true;
}

void ReadRef(Input input) {
  const std::string_view text = input.Rest();
  std::string why;
  const auto ref = client::ParseRef(text, why);
  OBJPOOL_CHECK(ref.has_value() == why.empty(), "it says why not");
  if (ref) OBJPOOL_CHECK(client::ParseRef(client::FormatRef(*ref), why) == ref, "it reads again");
}

void ReadRefWithoutKey(Input input) {
  std::string why;
  const auto ref = client::ParseRefWithoutKey(input.Rest(), why);
  OBJPOOL_CHECK(ref.has_value() == why.empty(), "it says why not");
  if (!ref) return;
  OBJPOOL_CHECK(ref->key == 0, "the key is left out");
  OBJPOOL_CHECK(client::ParseRefWithoutKey(client::WithoutKey(*ref), why) == ref, "it reads again");
}

void ReadSelector(Input input) {
  std::string why;
  const auto terms = client::ParseSelector(input.Rest(), why);
  OBJPOOL_CHECK(terms.has_value() == why.empty(), "it says why not");
  if (!terms) return;
  OBJPOOL_CHECK(terms->size() <= client::kMaxSelectorTerms, "terms are few");
  for (const v1::SelectorTerm& term : *terms) {
    OBJPOOL_CHECK(server::IsLabelKey(term.key()), "the server takes its keys");
    OBJPOOL_CHECK(term.values_size() <= int{client::kMaxSelectorValues}, "values are few");
    for (const std::string& value : term.values()) {
      OBJPOOL_CHECK(server::IsLabelValue(value), "the server takes its values");
    }
  }
}

void ReadToken(Input input) {
  const std::string_view text = input.Rest();
  const auto token = server::ParseToken(text);
  if (!token) return;
  OBJPOOL_CHECK(server::ParseToken(server::TokenText(*token)) == token, "it reads again");
}

void ReadDuration(Input input) {
  const std::string_view text = input.Rest();
  if (const auto ms = server::ParseDurationMs(text)) {
    OBJPOOL_CHECK(server::ParseDurationMs(server::FormatDurationMs(*ms)) == ms, "it reads again");
  }
  std::string why;
  const auto time = client::ParseDuration(text, client::Milliseconds(0), client::kMaxDuration, why);
  OBJPOOL_CHECK(time.has_value() == why.empty(), "it says why not");
  if (!time) return;
  OBJPOOL_CHECK(*time <= client::kMaxDuration, "it is within what was asked for");
  OBJPOOL_CHECK(client::ParseDuration(client::FormatDuration(*time), client::Milliseconds(0),
                                      client::kMaxDuration, why) == time,
                "it reads again");
}

void ReadEndpoint(Input input) {
  std::string why;
  const auto endpoint = server::ParseEndpoint(input.Rest(), why);
  OBJPOOL_CHECK(endpoint.has_value() == why.empty(), "it says why not");
  if (!endpoint) return;
  (void)server::IsLoopback(endpoint->host);
  OBJPOOL_CHECK(server::ParseEndpoint(server::FormatEndpoint(*endpoint), why) == endpoint,
                "it reads again");
}

void ReadUtf8(Input input) {
  const std::string_view text = input.Rest();
  OBJPOOL_CHECK(server::IsUtf8(text) == client::IsUtf8(text), "both ends agree");
  OBJPOOL_CHECK(client::IsUtf8(client::Printable(text, SIZE_MAX)), "what is shown is UTF-8");
  OBJPOOL_CHECK(client::Printable(text, 100).size() <= 100 + 16 + 3, "it is cut");
  OBJPOOL_CHECK(IsShown(server::Quoted(text)), "a terminal can show it");
  OBJPOOL_CHECK(server::Quoted(text).size() <= 64 * 4 + 5, "it is cut");
  OBJPOOL_CHECK(IsShown(server::Escaped(text)), "a terminal can show it");
}

uint8_t DigitOf(char c) { return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'A' + 10); }

void WriteText(Input input) {
  const std::string_view text = input.Rest();
  std::string percent;
  rpc::AppendPercentEncoded(text, percent);
  OBJPOOL_CHECK(IsShown(percent), "it goes into a header");
  std::string back;
  for (std::size_t i = 0; i < percent.size(); ++i) {
    if (percent[i] != '%') {
      back += percent[i];
    } else {
      back += static_cast<char>(DigitOf(percent[i + 1]) << 4 | DigitOf(percent[i + 2]));
      i += 2;
    }
  }
  OBJPOOL_CHECK(back == text, "nothing is lost");
  std::string base64;
  rpc::AppendBase64(text, base64);
  OBJPOOL_CHECK(base64.size() == (text.size() * 4 + 2) / 3, "without padding");
}

void ReadHead(Input input) {
  rpc::RequestHead head;
  head.Reset();
  while (!input.empty()) {
    const std::string_view name = input.Piece();
    const std::string_view value = input.Piece();
    if (!head.Add(name, value)) return;
  }
  OBJPOOL_CHECK(head.path().size() <= 256, "little is kept");
  (void)head.HttpRefusal();
  if (const auto refusal = head.Refusal()) {
    OBJPOOL_CHECK(!refusal->ok() && !refusal->message.empty(), "it says why not");
  }
}

void ReadPeer(Input input) {
  const std::string_view text = input.Rest();
  OBJPOOL_CHECK(rpc::PeerHost(text).size() <= text.size() + 48, "a name is no longer");
}

void ReadAccept(Input input) { (void)metrics::WantsOpenMetrics(input.Rest()); }

// What a load does with what a server says.
void ReadFrames(Input input) {
  std::string_view bytes = input.Rest();
  bool too_long = false;
  while (auto frame = load::FirstFrame(bytes, too_long)) {
    bytes.remove_prefix(load::kFrameHeadBytes + frame->payload.size());
    (void)frame->Unwrap();
  }
}

void ReadResponse(Input input) {
  const std::string_view response = input.Rest();
  std::vector<load::GrantBytes> grants;
  if (load::ReadGrants(response, grants)) {
    std::string request;
    load::AppendReturnRequest("p", grants, request);
    load::AppendRenewRequest("p", grants, 5, request);
  }
  (void)load::ReadTtlMs(response);
  (void)load::SaysAllRenewed(response, 2);
  (void)load::SaysAllReturned(response, 2);
  (void)load::SaysAlreadyReturned(response);
}

bool IsSame(const server::PlainLease& plain, const v1::LeaseRequest& read) {
  return plain.pool == read.pool() && plain.holder == read.holder() &&
         plain.count == std::max(read.count(), 1u) &&
         (read.min_count() == 0 || read.min_count() == plain.count) &&
         plain.ttl.has_value() == read.has_ttl() &&
         (!plain.ttl ||
          (plain.ttl->seconds == read.ttl().seconds() && plain.ttl->nanos == read.ttl().nanos()));
}

bool IsSame(const server::PlainReturn& plain, const v1::ReturnRequest& read) {
  if (plain.pool != read.pool() || static_cast<int>(plain.refs.size()) != read.items_size()) {
    return false;
  }
  for (int i = 0; i < read.items_size(); ++i) {
    const lease::GrantRef& ref = plain.refs[static_cast<std::size_t>(i)];
    const v1::GrantRef& other = read.items(i).grant();
    if (ref.handle != other.handle() || ref.fence != other.fence() || ref.key != other.key() ||
        read.items(i).disposition() > v1::DISPOSITION_CLEAN) {
      return false;
    }
  }
  return true;
}

bool IsSame(const server::PlainOperation& plain, const v1::SessionOperation& read) {
  if (plain.id != read.id()) return false;
  return plain.is_lease
             ? plain.lease.count == 1 && IsSame(plain.lease, read.lease())
             : IsSame(server::PlainReturn{plain.pool, std::span(&plain.ref, 1)}, read.give_back());
}

template <typename Message>
Message Parse(std::string_view bytes) {
  Message message;
  OBJPOOL_CHECK(message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())), "it is read");
  return message;
}

// What the server reads without protobuf, protobuf reads likewise.
void ReadPlain(Input input) {
  const std::string_view bytes = input.Rest();
  server::PlainLease lease;
  if (server::ReadPlainLease(bytes, lease)) {
    OBJPOOL_CHECK(IsSame(lease, Parse<v1::LeaseRequest>(bytes)), "a Lease means the same");
  }
  lease::BatchRoom<lease::GrantRef> room;
  server::PlainReturn give_back;
  if (server::ReadPlainReturn(bytes, room, give_back)) {
    OBJPOOL_CHECK(IsSame(give_back, Parse<v1::ReturnRequest>(bytes)), "a Return means the same");
  }
  std::vector<server::PlainOperation> operations;
  if (!server::ReadPlainOperations(bytes, operations)) return;
  const auto request = Parse<v1::SessionRequest>(bytes);
  OBJPOOL_CHECK(static_cast<std::size_t>(request.operations_size()) == operations.size(),
                "all of it is read");
  for (std::size_t i = 0; i < operations.size(); ++i) {
    OBJPOOL_CHECK(IsSame(operations[i], request.operations(static_cast<int>(i))),
                  "an operation means the same");
  }
}

constexpr std::array kParsers = {&ReadRef,      &ReadRefWithoutKey, &ReadSelector, &ReadToken,
                                 &ReadDuration, &ReadEndpoint,      &ReadUtf8,     &WriteText,
                                 &ReadHead,     &ReadPeer,          &ReadAccept,   &ReadFrames,
                                 &ReadResponse, &ReadPlain};

}  // namespace
}  // namespace objpool::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, std::size_t count) {
  using objpool::fuzz::kParsers;
  objpool::fuzz::Input input(bytes, count);
  kParsers[input.Byte() % kParsers.size()](input);
  return 0;
}
