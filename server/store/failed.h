// The message for a file that the system refuses.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>

namespace objpool::store {

// "PATH: cannot WHAT: " and what errno says.
[[nodiscard]] inline std::string Failed(const std::string& path, const char* what) {
  return path + ": cannot " + what + ": " + std::strerror(errno);
}

}  // namespace objpool::store
