#include "client/channel.h"

#include <absl/base/internal/sysinfo.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

namespace objpool::client {
namespace {

// The most that is read of one answer: 1024 grants of labels take 0.4 MB, a page of pools 0.2 MB.
constexpr int kMaxAnswerBytes = 4 << 20;

std::shared_ptr<grpc::ChannelCredentials> CredentialsOf(const std::optional<TlsOptions>& tls) {
  if (!tls) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = tls->root_certificates;
  options.pem_cert_chain = tls->certificate_chain;
  options.pem_private_key = tls->private_key;
  return grpc::SslCredentials(options);
}

}  // namespace

std::shared_ptr<grpc::Channel> MakeChannel(const ClientOptions& options,
                                           Milliseconds connect_limit) {
  // Now, because Abseil looks for it when three threads first want one lock, in a file that most
  // machines do not have, which sets errno; and gRPC 1.51 takes such locks between its connect()
  // and a look at errno: a connection that was in progress then failed with "No such file". Once
  // in a process; Abseil has no public name for it.
  (void)absl::base_internal::NominalCPUFrequency();
  grpc::ChannelArguments arguments;
  // Of two values of one argument gRPC takes the first.
  if (options.adjust_channel) options.adjust_channel(arguments);
  // A connection that the network swallowed looks alive for a quarter of an hour; and so long
  // nothing on it is answered.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 15'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  if (connect_limit.count() != 0) {
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, static_cast<int>(connect_limit.count()));
  }
  arguments.SetMaxReceiveMessageSize(kMaxAnswerBytes);
  if (options.own_connection) arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A proxy from the environment must not come between a client and the server that it names.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // After a restart of the server the next call should find it, not a back-off of two minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // gRPC would resend a call whose stream was refused; whether to is the caller's decision.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  if (options.tls && !options.tls->server_name.empty()) {
    arguments.SetSslTargetNameOverride(options.tls->server_name);
  }
  return grpc::CreateCustomChannel(options.address, CredentialsOf(options.tls), arguments);
}

}  // namespace objpool::client
