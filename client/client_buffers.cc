// The calls of Client that stream the bytes of a leased buffer.
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>

#include <chrono>
#include <string>

#include "client/client.h"

namespace objpool::client {
namespace {

// A call that is driven step by step by one thread, each with its own time limit: a whole buffer
// may take as long as it takes, as long as it gets on.
class Steps {
 public:
  explicit Steps(Milliseconds timeout) : timeout_(timeout) {}
  ~Steps() {
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) continue;
  }
  Steps(const Steps&) = delete;
  Steps& operator=(const Steps&) = delete;

  // Waits for the one step that was begun. False where it failed, or took too long, which ends the
  // call.
  [[nodiscard]] bool Wait() {
    void* tag = nullptr;
    bool ok = false;
    const auto deadline = std::chrono::system_clock::now() + timeout_;
    if (queue_.AsyncNext(&tag, &ok, deadline) == grpc::CompletionQueue::GOT_EVENT) return ok;
    late_ = true;
    context_.TryCancel();
    (void)queue_.Next(&tag, &ok);  // at once, as it was cancelled
    return false;
  }

  template <typename Stream>
  [[nodiscard]] Error Finish(Stream& stream, grpc::Channel& channel) {
    grpc::Status status;
    stream.Finish(&status, this);
    (void)Wait();
    if (late_) status = {grpc::StatusCode::DEADLINE_EXCEEDED, "no answer"};
    if (status.ok()) return {};
    return ErrorOf(status, channel.GetState(false) == GRPC_CHANNEL_READY);
  }

  [[nodiscard]] grpc::ClientContext& context() { return context_; }
  [[nodiscard]] grpc::CompletionQueue& queue() { return queue_; }

 private:
  const Milliseconds timeout_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  bool late_ = false;
};

Error Broken(const std::string& message) {
  Error error;
  error.code = grpc::StatusCode::INTERNAL;
  error.message = message;
  return error;
}

}  // namespace

Result<uint64_t> Client::ReadBuffer(const Ref& ref, uint64_t offset, uint64_t length,
                                    const TakeBytes& take) const {
  v1::ReadRequest request;
  request.set_pool(ref.pool);
  *request.mutable_grant() = GrantRefOf(ref);
  request.set_offset(offset);
  request.set_length(length);
  Steps steps(options_.timeout);
  const auto stream = buffers_->AsyncRead(&steps.context(), request, &steps.queue(), &steps);
  Result<uint64_t> result;
  v1::ReadResponse chunk;
  bool good = steps.Wait();
  bool wanted = true;
  while (good && wanted) {
    stream->Read(&chunk, &steps);
    good = steps.Wait();
    if (!good) break;
    if (chunk.offset() != offset + result.value) {
      result.error = Broken("the server's chunks are out of order");
    }
    wanted = result.ok() && take(chunk.data());
    if (wanted) result.value += chunk.data().size();
  }
  if (!wanted) steps.context().TryCancel();
  const Error end = steps.Finish(*stream, *channel_);
  if (!result.ok() || !wanted) return result;
  result.error = end;
  if (result.ok() && length != 0 && result.value != length) {
    result.error = Broken("the server sent too few bytes");
  }
  return result;
}

Result<v1::WriteResponse> Client::WriteBuffer(const Ref& ref, uint64_t offset,
                                              const GiveBytes& give) const {
  Steps steps(options_.timeout);
  Result<v1::WriteResponse> result;
  const auto stream = buffers_->AsyncWrite(&steps.context(), &result.value, &steps.queue(), &steps);
  v1::WriteRequest request;
  request.set_pool(ref.pool);
  *request.mutable_grant() = GrantRefOf(ref);
  request.set_offset(offset);
  bool good = steps.Wait();
  for (bool more = true; good && more;) {
    const std::string_view bytes = give();
    more = !bytes.empty();
    // Also where there is nothing to write, the server says what it thinks of the grant.
    if (!more && !request.has_grant()) break;
    request.set_data(bytes.data(), bytes.size());
    stream->Write(request, &steps);
    good = steps.Wait();
    request.Clear();
  }
  if (good) {
    stream->WritesDone(&steps);
    (void)steps.Wait();
  }
  result.error = steps.Finish(*stream, *channel_);
  return result;
}

}  // namespace objpool::client
