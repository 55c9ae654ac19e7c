#include "server/service/buffer_piece.h"

#include <string>

namespace objpool::server {
namespace {

bool CheckOffset(uint64_t offset, uint64_t size_bytes, Violations& bad) {
  if (offset <= size_bytes) return true;
  bad.Add("offset", OutOfRange(0, size_bytes, offset));
  return false;
}

}  // namespace

Piece PieceToRead(const v1::ReadRequest& request, uint64_t size_bytes, Violations& bad) {
  const uint64_t offset = request.offset();
  if (!CheckOffset(offset, size_bytes, bad)) return {};
  const uint64_t room = size_bytes - offset;
  if (request.length() > room) {
    bad.Add("length", OutOfRange(0, room, request.length()) + " at offset " +
                          std::to_string(offset) + " of " + std::to_string(size_bytes) + " bytes");
    return {};
  }
  return {.offset = offset, .bytes = request.length() == 0 ? room : request.length()};
}

uint32_t ChunkBytes(const v1::ReadRequest& request, Violations& bad) {
  const uint32_t asked = request.chunk_bytes();
  if (asked == 0) return kMaxChunkBytes;
  if (asked < kMinChunkBytes || asked > kMaxChunkBytes) {
    bad.Add("chunk_bytes", OutOfRange(kMinChunkBytes, kMaxChunkBytes, asked));
    return kMaxChunkBytes;
  }
  return asked;
}

Piece PieceToWrite(const v1::WriteRequest& request, uint64_t next_offset, uint64_t size_bytes,
                   Violations& bad) {
  const uint64_t offset = request.has_offset() ? request.offset() : next_offset;
  const uint64_t bytes = request.data().size();
  if (bytes > kMaxWriteBytes) {
    bad.Add("data", "must be at most " + std::to_string(kMaxWriteBytes) + " bytes, got " +
                        std::to_string(bytes));
  }
  if (!CheckOffset(offset, size_bytes, bad)) return {};
  const uint64_t room = size_bytes - offset;
  if (bytes > room) {
    bad.Add("data", "must be at most " + std::to_string(room) + " bytes at offset " +
                        std::to_string(offset) + " of " + std::to_string(size_bytes) +
                        " bytes, got " + std::to_string(bytes));
    return {};
  }
  return {.offset = offset, .bytes = bytes};
}

}  // namespace objpool::server
