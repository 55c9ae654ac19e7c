// The ready file: there, and whole, for as long as the server serves.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace objpool::server {

// {"pid": N, "listen": "HOST:PORT", "metrics": "HOST:PORT"} and a newline. An empty `metrics` is
// written as "off".
[[nodiscard]] std::string ReadyFileJson(pid_t pid, std::string_view listen,
                                        std::string_view metrics);

// Puts it there, whole. False, with `why`, when it cannot.
[[nodiscard]] bool WriteReadyFile(const std::string& path, std::string_view json, std::string& why);

// True also when there is none.
[[nodiscard]] bool RemoveReadyFile(const std::string& path, std::string& why);

// The same, but only of a file that holds `json`: after a restart that overlapped, the file at
// `path` may be the next server's.
[[nodiscard]] bool RemoveOwnReadyFile(const std::string& path, std::string_view json,
                                      std::string& why);

}  // namespace objpool::server
