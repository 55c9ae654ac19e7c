// The text of gRPC's headers over HTTP/2: time limits, messages, binary values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/rpc/boot_clock.h"

namespace objpool::rpc {

// Of grpc-timeout: at most 8 digits and a unit, "250m". None for anything else.
[[nodiscard]] std::optional<BootNs> ParseGrpcTimeout(std::string_view text);

// As grpc-message carries it: printable ASCII without '%' as it is, the rest as "%0A".
void AppendPercentEncoded(std::string_view text, std::string& to);

// As headers whose names end in "-bin" carry it: without padding.
void AppendBase64(std::string_view bytes, std::string& to);

}  // namespace objpool::rpc
