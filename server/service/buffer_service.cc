#include "server/service/buffer_service.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <utility>

#include "server/service/buffer_piece.h"

namespace objpool::server {
namespace {

using google::rpc::Status;

constexpr const char* kBufferService = "objpool.v1.BufferService";

// Sends a piece, chunk by chunk, as fast as the client takes them.
class ReadStream final : public BufferStream {
 public:
  ReadStream(PoolSet& pools, BufferDesk& desk, const Door& door, rpc::StreamCall& call)
      : BufferStream(pools, desk, door, call) {}

  void OnMessage(std::string_view message) override {
    if (finished()) return;
    v1::ReadRequest& request = desk().read_request;
    if (opened()) {
      Violations bad;
      bad.Add("pool", "comes once: there is one request in a call");
      Fail(bad.ToError());
    } else if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      Fail(Malformed(v1::ReadRequest::descriptor()->full_name()));
    } else if (Begin(request)) {
      SendMore();
    }
  }
  void OnHalfClose() override {
    if (!finished() && !opened()) Fail(Malformed(v1::ReadRequest::descriptor()->full_name()));
  }
  void OnSent() override {
    GetOn();
    ahead_ = 0;
    SendMore();
  }

 private:
  bool Begin(const v1::ReadRequest& request) {
    if (!Open(request.pool(), request.has_grant() ? &request.grant() : nullptr)) return false;
    Violations bad;
    left_ = PieceToRead(request, size_bytes(), bad);
    chunk_bytes_ = ChunkBytes(request, bad);
    if (bad.empty()) return GrantRuns();
    Fail(bad.ToError());
    return false;
  }

  void SendMore() {
    while (left_.bytes != 0 && ahead_ < kChunksAhead && SendChunk()) continue;
    if (!finished() && left_.bytes == 0) Finish({});
  }

  // False when there is no room yet, or the call is over.
  bool SendChunk() {
    if (!GrantRuns()) return false;
    const std::size_t bytes = std::min<uint64_t>(left_.bytes, chunk_bytes_);
    v1::ReadResponse& reply = desk().read_response;
    reply.set_offset(left_.offset);
    reply.set_data(at(left_.offset), bytes);
    std::atomic_thread_fence(std::memory_order_acquire);  // the second look is after the copy
    if (!GrantRuns()) return false;
    reply.SerializeToString(&desk().bytes);
    if (!call().Send(desk().bytes)) return false;
    ++ahead_;
    left_ = {.offset = left_.offset + bytes, .bytes = left_.bytes - bytes};
    cell().read_bytes.Add(bytes);
    return true;
  }

  Piece left_;
  uint32_t chunk_bytes_ = 0;
  uint32_t ahead_ = 0;  // chunks that the client has not taken
};

// Writes each message where it belongs, and answers at the end.
class WriteStream final : public BufferStream {
 public:
  WriteStream(PoolSet& pools, BufferDesk& desk, const Door& door, rpc::StreamCall& call)
      : BufferStream(pools, desk, door, call) {}

  void OnMessage(std::string_view message) override {
    if (finished()) return;
    GetOn();
    v1::WriteRequest& request = desk().write_request;
    if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      Fail(Malformed(v1::WriteRequest::descriptor()->full_name()));
    } else if (Begin(request)) {
      Write(request);
    }
  }
  void OnHalfClose() override {
    if (finished()) return;
    if (!opened()) {
      Fail(Malformed(v1::WriteRequest::descriptor()->full_name()));
      return;
    }
    v1::WriteResponse reply;
    reply.set_bytes_written(written_bytes_);
    reply.set_first_offset(first_offset_);
    reply.set_end_offset(end_offset_);
    (void)call().Send(reply.SerializeAsString());  // the first message: there is room
    Finish({});
  }

 private:
  // The first message opens the call; the others say no more whose it is.
  bool Begin(const v1::WriteRequest& request) {
    if (!opened()) {
      return Open(request.pool(), request.has_grant() ? &request.grant() : nullptr);
    }
    Violations bad;
    if (!request.pool().empty()) bad.Add("pool", "must be in the first message only");
    if (request.has_grant()) bad.Add("grant", "must be in the first message only");
    if (!bad.empty()) Fail(bad.ToError());
    return bad.empty();
  }

  void Write(const v1::WriteRequest& request) {
    if (!GrantRuns()) return;
    Violations bad;
    const Piece piece = PieceToWrite(request, next_offset_, size_bytes(), bad);
    if (!bad.empty()) {
      Fail(bad.ToError());
      return;
    }
    next_offset_ = piece.offset + piece.bytes;
    if (piece.bytes == 0) return;
    std::memcpy(at(piece.offset), request.data().data(), piece.bytes);
    Note(piece);
    std::atomic_thread_fence(std::memory_order_seq_cst);  // the second look is after the copy
    uncertain_bytes_ = piece.bytes;
    if (GrantRuns()) uncertain_bytes_ = 0;
  }

  void Note(const Piece& piece) {
    const bool first = written_bytes_ == 0;
    first_offset_ = first ? piece.offset : std::min(first_offset_, piece.offset);
    end_offset_ = std::max(end_offset_, next_offset_);
    written_bytes_ += piece.bytes;
    cell().written_bytes.Add(piece.bytes);
  }

  [[nodiscard]] Status Told(Status error) const override {
    return WithWritten(std::move(error), written_bytes_, uncertain_bytes_);
  }

  uint64_t next_offset_ = 0;
  uint64_t written_bytes_ = 0;
  uint64_t uncertain_bytes_ = 0;  // of these, the last ones, which the grant's end overtook
  uint64_t first_offset_ = 0;
  uint64_t end_offset_ = 0;
};

}  // namespace

void BufferService::AddTo(rpc::MethodTable& methods, uint32_t workers, Gate& gate) {
  desks_ = std::vector<BufferDesk>(workers);
  const Door read{gate, settings::Method::kRead};
  const Door write{gate, settings::Method::kWrite};
  methods.Add(kBufferService, "Read", GuardedStream(read, [this, read](rpc::StreamCall& call) {
                return std::make_unique<ReadStream>(pools_, desks_[call.worker()], read, call);
              }));
  methods.Add(kBufferService, "Write", GuardedStream(write, [this, write](rpc::StreamCall& call) {
                return std::make_unique<WriteStream>(pools_, desks_[call.worker()], write, call);
              }));
}

}  // namespace objpool::server
