// Blocks for the models: two handles each, in an array that BlockStack indexes from 1 on.
#pragma once

#include "tests/model/model_sync.h"

#include <array>
#include <cstddef>
#include <cstdint>

#include "pool/block_stack.h"

namespace objpool::model {

inline constexpr uint32_t kBatch = 2;

template <typename Sync>
struct ModelBlock {
  Block<Sync> block;
  std::array<typename Sync::template Plain<uint32_t>, kBatch> handles;  // where Block expects them
};

template <typename Sync, std::size_t kBlocks>
class ModelBlocks {
 public:
  Block<Sync>& operator[](uint32_t index) const {
    RL_ASSERT(index >= 1 && index <= kBlocks);
    return blocks_[index - 1].block;
  }
  void Prefetch(uint32_t) const {}

 private:
  static_assert(offsetof(ModelBlock<Sync>, handles) == sizeof(Block<Sync>));

  mutable std::array<ModelBlock<Sync>, kBlocks> blocks_;
};

}  // namespace objpool::model
