// BufferStream: what Read and Write of BufferService share: one call that holds on to one grant.
//
//   I1  Bytes are copied only between a look at the grant (key, fence, deadline) that found it
//       running and a second look. Once a look finds it over, the call ends with that verdict, also
//       while no message comes.
//   I2  A call holds at most kChunksAhead chunks that its client has not taken, and a worker serves
//       at most kMaxStreams such calls, so they take some 64 MiB a worker at the most.
//   I3  A pool may go while a call runs: it is found anew for each look, and used until the end of
//       the turn only (pool_set.h). A key is of one pool, also where another one got its name.
//   I4  A call whose client neither reads nor writes for kIdleNs ends.
//
// What the two looks prove. Whoever gives the buffer to somebody else has changed the handle's word
// first, for good: a grant that a fence and then the second look finds running ran all the while,
// whatever clock that look goes by, so what was read is the holder's. A write cannot be taken back:
// where the second look fails, one message may have reached the next holder. A reuse_delay of the
// pool longer than a copy takes keeps the next holder away meanwhile.
//
// Threads: the worker of its call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "objpool/v1/buffer_service.pb.h"
#include "pool/base/cache_line.h"
#include "server/rpc/call.h"
#include "server/service/errors.h"
#include "server/service/gate.h"
#include "server/service/pool_set.h"

namespace objpool::server {

// What the calls of one worker share: how many there are, and messages that are used again.
struct alignas(base::kCacheLineBytes) BufferDesk {
  uint32_t streams = 0;
  v1::ReadRequest read_request;
  v1::ReadResponse read_response;
  v1::WriteRequest write_request;
  std::string bytes;  // of a message to be sent
};

class BufferStream : public rpc::StreamHandler {
 public:
  // One that the engine sends, and one behind it.
  static constexpr uint32_t kChunksAhead = 2;
  static constexpr uint32_t kMaxStreams = 512;
  static constexpr rpc::BootNs kIdleNs = 30'000'000'000;
  // Once the server stops, for a call that gets on may end by itself.
  static constexpr rpc::BootNs kIdleAtStopNs = 100'000'000;

  ~BufferStream() override;
  BufferStream(const BufferStream&) = delete;
  BufferStream& operator=(const BufferStream&) = delete;

  void OnTick() override;
  void OnGone() override { finished_ = true; }
  void OnShutdown() override { stopping_ = true; }

 protected:
  BufferStream(PoolSet& pools, BufferDesk& desk, const Door& door, rpc::StreamCall& call);

  // Finds the pool and keeps the grant, null where the request has none. False when that ended the
  // call.
  [[nodiscard]] bool Open(const std::string& pool, const v1::GrantRef* grant);
  [[nodiscard]] bool opened() const { return !name_.empty(); }
  // The look at the grant, in each turn before anything else of the pool is used. False when that
  // ended the call.
  [[nodiscard]] bool GrantRuns();

  void GetOn() { progress_at_ = call_.now(); }
  void Finish(const rpc::Status& status);
  void Fail(const google::rpc::Status& error) { Finish(ToCallStatus(Told(error))); }
  [[nodiscard]] bool finished() const { return finished_; }
  // An error as the client gets it.
  [[nodiscard]] virtual google::rpc::Status Told(google::rpc::Status error) const { return error; }

  [[nodiscard]] std::byte* at(uint64_t offset) const;
  [[nodiscard]] uint64_t size_bytes() const { return pool_->memory->size_bytes(); }
  [[nodiscard]] BufferCell& cell() const { return pool_->transfers[call_.worker()]; }
  [[nodiscard]] BufferDesk& desk() const { return desk_; }
  [[nodiscard]] rpc::StreamCall& call() const { return call_; }

 private:
  // Whether the client may, of this pool. False when that ended the call.
  [[nodiscard]] bool Enter(std::string_view pool);

  PoolSet& pools_;
  BufferDesk& desk_;
  const Door door_;
  rpc::StreamCall& call_;
  const std::string peer_;
  std::string name_;           // of the pool; set by Open
  NamedPool* pool_ = nullptr;  // likewise; of this turn
  lease::GrantRef grant_;
  rpc::BootNs progress_at_;
  bool stopping_ = false;
  bool finished_ = false;
};

}  // namespace objpool::server
