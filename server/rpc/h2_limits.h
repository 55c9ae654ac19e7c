// What a client of engine h2 may do, and what it is answered beyond that.
#pragma once

#include <cstddef>
#include <cstdint>

#include "server/rpc/boot_clock.h"

namespace objpool::rpc::h2_limits {

inline constexpr BootNs kMs = 1'000'000;
inline constexpr BootNs kSecond = 1000 * kMs;

// Connections of one worker; more are closed as they come. An idle one costs some 15 KB.
inline constexpr std::size_t kMaxConnections = 4096;
// Streams of one connection, announced in SETTINGS; more are reset with REFUSED_STREAM.
inline constexpr uint32_t kMaxStreams = 256;
// Calls of one worker, and streaming ones among them, which stay for long and must leave the others
// room; more are answered with RESOURCE_EXHAUSTED. Here and below, what a worker has in all is a
// bound for connections only that have more than their share: nobody can use up what is another's.
inline constexpr std::size_t kMaxCalls = 16'384;
inline constexpr std::size_t kMaxStreamCalls = 8192;
inline constexpr std::size_t kShareOfCalls = 4;
inline constexpr std::size_t kShareOfBytes = std::size_t{8} * 1024;

// The headers of one request, counted as HTTP/2 counts them: beyond that, RESOURCE_EXHAUSTED.
inline constexpr std::size_t kMaxHeaderBytes = std::size_t{16} * 1024;
// Beyond that, the connection is closed: somebody makes few bytes become many.
inline constexpr std::size_t kMaxInflatedBytes = 4 * kMaxHeaderBytes;

// What was received of requests and not yet handled, of one connection and of all: the call that
// goes beyond is answered with RESOURCE_EXHAUSTED. Room for 16 of the longest requests at a time on
// one connection.
inline constexpr std::size_t kMaxUnreadOfConnection = std::size_t{4} * 1024 * 1024;
inline constexpr std::size_t kMaxUnread = std::size_t{24} * 1024 * 1024;
// What was answered and not yet taken, by windows or by sockets: beyond that, streams are held up
// and new calls are answered with RESOURCE_EXHAUSTED.
inline constexpr std::size_t kMaxUnsentOfConnection = std::size_t{4} * 1024 * 1024;
inline constexpr std::size_t kMaxUnsent = std::size_t{16} * 1024 * 1024;
// Each worker has its part of what all may hold, but no less than this.
inline constexpr std::size_t kLeastOfWorker = std::size_t{4} * 1024 * 1024;
// What may wait for a client that does not read its stream, unless it is a single message.
inline constexpr std::size_t kMaxOutboxBytes = std::size_t{1024} * 1024;

// The most of one read, and about one send, of a connection's turn. While the socket does not take
// what was sent, nothing more is read.
inline constexpr std::size_t kReadBytes = std::size_t{64} * 1024;
// A read begins small. What takes longer than this to handle is read by halves from then on, what
// is done in half of it by more and more: the others of the worker wait for so long, whatever a
// client asks for.
inline constexpr std::size_t kFirstReadBytes = std::size_t{8} * 1024;
inline constexpr std::size_t kLeastReadBytes = std::size_t{1} * 1024;
inline constexpr BootNs kReadNs = 200'000;
inline constexpr std::size_t kSendBytes = std::size_t{256} * 1024;
// A read that brought nothing that anybody wants counts as one of its kind for each such piece.
inline constexpr std::size_t kVoidBytes = std::size_t{4} * 1024;
// Of TLS a little less is read at a time, because a record that was not whole may come with it.
inline constexpr std::size_t kTlsReadBytes = std::size_t{44} * 1024;

// The preface and the first SETTINGS, and all of TLS before, must have come after this; so must the
// rest of headers that have begun.
inline constexpr BootNs kHandshakeNs = 5 * kSecond;
// A reset of a call that is younger is a rapid one (FloodGuard). Clients whose calls reach their
// deadlines reset older ones by the thousand.
inline constexpr BootNs kRapidNs = 1 * kMs;
// A connection on which no frame came for this long is pinged, and closed when none has come after
// the second time.
inline constexpr BootNs kKeepaliveNs = 20 * kSecond;
inline constexpr BootNs kKeepaliveAnswerNs = 10 * kSecond;
// A connection without a call is asked to go (GOAWAY) after this.
inline constexpr BootNs kIdleNs = 1800 * kSecond;
// Who was asked to go may send calls for so long, because he may not have heard of it yet. Then he
// is told which was the last one (GOAWAY again), and is closed when he has none.
inline constexpr BootNs kLastCallNs = 1 * kSecond;
// While stopping: for clients that look, to leave by themselves.
inline constexpr BootNs kQuietNs = 100 * kMs;

// Text in trailers: a message is cut off, and details are left out, where they are longer. Clients
// take 8 KiB of headers.
inline constexpr std::size_t kMaxMessageBytes = 1024;
inline constexpr std::size_t kMaxDetailsBytes = 4608;
// Of the path, which is shown when there is no such method.
inline constexpr std::size_t kMaxPathBytes = 256;

}  // namespace objpool::rpc::h2_limits
