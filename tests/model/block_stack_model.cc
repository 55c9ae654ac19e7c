// BlockStack: three threads push, pop and take half of one stack.
//
// Watched: data races on what is in the blocks, that nobody gets a block that another one has,
// and that all blocks are there at the end, each once.
#include "tests/model/model_blocks.h"

#include <array>
#include <cstdint>
#include <iostream>

namespace objpool::model {
namespace {

constexpr uint32_t kBlocks = 4;

template <int kThreads>
struct Stack : rl::test_suite<Stack<kThreads>, kThreads> {
  using Blocks = ModelBlocks<FencedSync, kBlocks>;

  Blocks blocks;
  BlockStack<FencedSync, Blocks> stack;

  void before() {
    for (uint32_t index = 1; index < kBlocks; ++index) Put(index, index);
  }

  void thread(unsigned index) {
    switch (index) {
      case 0: {  // the one who sleeps while a block goes and comes back
        const uint32_t block = stack.Pop(blocks);
        if (block != 0) Put(block, 10);
        break;
      }
      case 1: {  // out of two, the first goes back: a head that looks as if nothing had happened
        const uint32_t first = stack.Pop(blocks);
        const uint32_t second = stack.Pop(blocks);
        if (first != 0) Put(first, 20);
        if (second != 0) Put(second, 21);
        break;
      }
      default: {
        Put(kBlocks, 30);
        const Chain chain = stack.PopHalf(blocks, 2);
        if (chain.length != 0) PutChain(chain);
      }
    }
  }

  // A block of ours: we write into it, and put it back.
  void Put(uint32_t index, uint32_t mark) {
    Use(index, mark);
    stack.Push(blocks, index);
  }
  void PutChain(Chain chain) {
    uint32_t length = 1;
    for (uint32_t at = chain.first; at != chain.last; ++length) {
      Use(at, 31);
      at = blocks[at].next.load(std::memory_order_relaxed);
    }
    Use(chain.last, 32);
    RL_ASSERT(length == chain.length);
    stack.Push(blocks, chain);
  }
  void Use(uint32_t index, uint32_t mark) {
    Block<FencedSync>& block = blocks[index];
    block.count = 1;
    block.handles()[0] = mark;
    RL_ASSERT(block.count == 1 && block.handles()[0] == mark);
  }

  void after() {
    uint32_t found = 0;
    std::array<bool, kBlocks + 1> there{};
    for (uint32_t block; (block = stack.Pop(blocks)) != 0; ++found) {
      RL_ASSERT(!there[block]);
      there[block] = true;
    }
    RL_ASSERT(found == (kThreads == 3 ? kBlocks : kBlocks - 1));
    RL_ASSERT(stack.empty());
  }
};

#ifndef OBJPOOL_MODEL_LONG
bool Run() { return CheckRandom<Stack<3>>("three threads", 100000); }
#else
bool Run() {
  return CheckRandom<Stack<3>>("three threads", 3000000) &&
         CheckAll<Stack<2>>("two threads, all of 3 switches", 3) &&
         CheckAll<Stack<3>>("three threads, all of 2 switches", 2);
}
#endif

}  // namespace
}  // namespace objpool::model

int main() { return objpool::model::Run() ? 0 : 1; }
