#include "server/ready_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <fstream>

#include "server/whole_file.h"

namespace objpool::server {

std::string ReadyFileJson(pid_t pid, std::string_view listen, std::string_view metrics) {
  // Endpoints hold nothing that JSON would want escaped.
  return "{\"pid\": " + std::to_string(pid) + ", \"listen\": \"" + std::string(listen) +
         "\", \"metrics\": \"" + std::string(metrics.empty() ? "off" : metrics) + "\"}\n";
}

bool WriteReadyFile(const std::string& path, std::string_view json, std::string& why) {
  return WriteFileWhole(path, json, why);
}

bool RemoveOwnReadyFile(const std::string& path, std::string_view json, std::string& why) {
  std::ifstream file(path, std::ios::binary);
  std::string text(json.size() + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text != json || RemoveReadyFile(path, why);
}

bool RemoveReadyFile(const std::string& path, std::string& why) {
  return unlink(path.c_str()) == 0 || errno == ENOENT || FailAt("cannot remove", path, why);
}

}  // namespace objpool::server
