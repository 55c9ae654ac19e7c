#include "server/made_pools.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>

#include "server/config/file.h"
#include "server/whole_file.h"

namespace objpool::server {
namespace {

constexpr const char* kSuffix = ".config";

// One pool, as a configuration of its own.
std::optional<PoolSpec> Read(const std::string& path, const std::string& folder, std::string& why) {
  ConfigErrors errors;
  ConfigOverrides overrides;
  overrides.state_dir = folder;
  const auto config = LoadConfig(path, overrides, errors);
  if (config && config->pools.size() == 1) return config->pools.front();
  why = path + ": must be one pool; move it away to start without that pool";
  for (const std::string& line : errors.Lines()) why += "\n" + line;
  return std::nullopt;
}

}  // namespace

std::string MadePools::PathOf(const std::string& name) const {
  return folder_ + "/" + name + kSuffix;
}

bool MadePools::Load(std::vector<PoolSpec>& pools, std::string& why) const {
  if (folder_.empty()) return true;
  std::vector<std::string> paths;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    if (entry.path().extension() == kSuffix) paths.push_back(entry.path().string());
  }
  if (error) {
    why = folder_ + ": cannot read: " + error.message();
    return false;
  }
  std::ranges::sort(paths);
  for (const std::string& path : paths) {
    const std::optional<PoolSpec> pool = Read(path, folder_, why);
    if (!pool) return false;
    if (std::ranges::find(pools, pool->name, &PoolSpec::name) != pools.end()) {
      why = path +
            ": is a pool that was made while a server ran, but the configuration has one of "
            "that name too; move the file away, or give the other one another name";
      return false;
    }
    pools.push_back(*pool);
  }
  return true;
}

bool MadePools::Keep(const PoolSpec& pool, bool is_new, std::string& why) const {
  if (folder_.empty()) return true;
  const std::string path = PathOf(pool.name);
  if (!is_new && access(path.c_str(), F_OK) != 0) return true;
  return WriteFileWhole(path, PrintPool(pool), why) && SyncFolder(folder_, why);
}

void MadePools::Forget(const std::string& name) const {
  if (!folder_.empty()) (void)unlink(PathOf(name).c_str());
}

void MadePools::RemovePoolFile(const std::string& name) const {
  if (!folder_.empty()) (void)unlink((folder_ + "/" + name + ".pool").c_str());
}

}  // namespace objpool::server
