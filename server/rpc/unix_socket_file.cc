#include "server/rpc/unix_socket_file.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>

#include "server/rpc/port_claim.h"

namespace objpool::rpc {
namespace {

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, UnixSocketFile::kMaxPathBytes);
  return address;
}

// 0, or what errno says of it.
template <typename Call>
int At(int fd, const std::string& path, Call call) {
  const sockaddr_un address = AddressOf(path);
  return call(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
}

// The folder by its number, so that all ways to write the path are one.
std::string ClaimNameOf(const std::string& path, const struct stat& folder) {
  return "objpoold/unix/" + std::to_string(folder.st_dev) + "/" + std::to_string(folder.st_ino) +
         "/" + std::filesystem::path(path).filename().string();
}

// Empty when nobody listens at the path, and no file is there any more; else why not.
std::string MakeFree(const std::string& path) {
  struct stat there {};
  if (lstat(path.c_str(), &there) != 0) return errno == ENOENT ? "" : std::strerror(errno);
  if (!S_ISSOCK(there.st_mode)) return "there is a file that is no socket";
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return std::strerror(errno);
  const int error = At(fd, path, connect);
  close(fd);
  if (error != ECONNREFUSED) return "another server listens there";
  return unlink(path.c_str()) == 0 ? "" : std::strerror(errno);
}

}  // namespace

std::unique_ptr<UnixSocketFile> UnixSocketFile::Claim(const std::string& path, std::string& why) {
  const std::string what = "cannot listen on unix:" + path + ": ";
  struct stat folder {};
  const auto parent = std::filesystem::path(path).parent_path();
  if (stat(parent.empty() ? "." : parent.c_str(), &folder) != 0) {
    why = what + std::strerror(errno);
    return nullptr;
  }
  const int claim = TakeAbstractName(ClaimNameOf(path, folder));
  if (claim == kNameTaken) {
    why = what + "another server is about to listen there";
    return nullptr;
  }
  std::unique_ptr<UnixSocketFile> file(new UnixSocketFile(path, claim));
  why = MakeFree(path);
  if (why.empty()) return file;
  why = what + why;
  return nullptr;
}

UnixSocketFile::~UnixSocketFile() {
  struct stat there {};
  if (inode_ != 0 && lstat(path_.c_str(), &there) == 0 && there.st_dev == device_ &&
      there.st_ino == inode_) {
    (void)unlink(path_.c_str());
  }
  if (claim_ >= 0) close(claim_);
}

int UnixSocketFile::Listen(std::string& why) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  // The file has the socket's mode less the umask: at no time more than it should.
  if (fd >= 0 && fchmod(fd, kMode) == 0 && At(fd, path_, bind) == 0) {
    if (Adopt(why) && listen(fd, kBacklog) == 0) return fd;
  }
  if (why.empty()) why = "cannot listen on unix:" + path_ + ": " + std::strerror(errno);
  if (fd >= 0) close(fd);
  return -1;
}

bool UnixSocketFile::Adopt(std::string& why) {
  struct stat there {};
  if (chmod(path_.c_str(), kMode) != 0 || lstat(path_.c_str(), &there) != 0) {
    why = "cannot listen on unix:" + path_ + ": " + std::strerror(errno);
    return false;
  }
  device_ = there.st_dev;
  inode_ = there.st_ino;
  return true;
}

}  // namespace objpool::rpc
