// Which piece of a buffer a request means: the checks of BufferService, without its calls.
#pragma once

#include <cstdint>

#include "objpool/v1/buffer_service.pb.h"
#include "server/service/errors.h"

namespace objpool::server {

inline constexpr uint32_t kMinChunkBytes = 1024;
inline constexpr uint32_t kMaxChunkBytes = 64 * 1024;
// Of one message of Write: half of what a request may be long.
inline constexpr uint32_t kMaxWriteBytes = 128 * 1024;

// offset + bytes is at most the size of the buffer.
struct Piece {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

// All that is to be read. Out of the buffer's bounds it adds to `bad`.
[[nodiscard]] Piece PieceToRead(const v1::ReadRequest& request, uint64_t size_bytes,
                                Violations& bad);
[[nodiscard]] uint32_t ChunkBytes(const v1::ReadRequest& request, Violations& bad);

// Where the data of one message goes, `next_offset` where it does not say. Likewise.
[[nodiscard]] Piece PieceToWrite(const v1::WriteRequest& request, uint64_t next_offset,
                                 uint64_t size_bytes, Violations& bad);

}  // namespace objpool::server
