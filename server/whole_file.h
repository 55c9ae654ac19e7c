// Files that are whole whenever they are there.
#pragma once

#include <string>
#include <string_view>

namespace objpool::server {

// Puts a file with `text` at `path` in one step: who reads it sees what was there before or all of
// it. False, with `why`, when it cannot.
[[nodiscard]] bool WriteFileWhole(const std::string& path, std::string_view text, std::string& why);

// Says, by errno, what failed at what; false.
bool FailAt(std::string_view what, const std::string& path, std::string& why);

// What was put into the folder, and taken out of it, stays so when the power fails from now on.
[[nodiscard]] bool SyncFolder(const std::string& path, std::string& why);

}  // namespace objpool::server
