// StubMethods: a method of each shape for engine h2, quick, and each a judge of how it is called.
#pragma once

#include <cstddef>
#include <vector>

#include "server/rpc/call.h"
#include "server/rpc/method_table.h"

namespace objpool::fuzz {

class StubMethods {
 public:
  // /f.F/Echo, Later (answers some turns later), Error (its request says which), Big (an answer of
  // as many bytes as the first two of the request say), and the streams Talk and Pour.
  void AddTo(rpc::MethodTable& methods);
  // At the end of each of the worker's turns.
  void Turn();
  // Calls and streams that nobody has ended yet.
  [[nodiscard]] std::size_t alive() const { return later_.size() + streams_; }

 private:
  friend class StubStream;
  struct Waiting {
    rpc::UnaryCall* call;
    int turns;  // to go
  };

  std::vector<Waiting> later_;
  std::size_t streams_ = 0;
};

}  // namespace objpool::fuzz
