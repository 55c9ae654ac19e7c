// Anonymous memory of the system, kept for the next who wants as much: to map it, touch it and give
// it back costs more than most inputs. In between nobody may touch it, which a sanitizer sees to.
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

extern "C" {
void* __real_mmap(void* at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_munmap(void* at, size_t bytes);
int __real_madvise(void* at, size_t bytes, int advice);
}

namespace {

constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
constexpr std::size_t kMostBytes = std::size_t{128} << 10;
constexpr std::size_t kMostOfASize = 64;

std::mutex& lock() {
  static std::mutex one;
  return one;
}
std::map<std::size_t, std::vector<void*>>& kept() {
  static auto* const by_size = new std::map<std::size_t, std::vector<void*>>;
  return *by_size;
}
std::map<void*, std::size_t>& given() {
  static auto* const all = new std::map<void*, std::size_t>;
  return *all;
}

}  // namespace

extern "C" {

void* __wrap_mmap(void* at, size_t bytes, int protection, int flags, int fd, off_t offset) {
  if (at != nullptr || flags != kFlags || bytes > kMostBytes) {
    return __real_mmap(at, bytes, protection, flags, fd, offset);
  }
  const std::scoped_lock guard(lock());
  std::vector<void*>& of_this_size = kept()[bytes];
  void* memory = MAP_FAILED;
  if (of_this_size.empty()) {
    memory = __real_mmap(at, bytes, protection, flags, fd, offset);
    if (memory == MAP_FAILED) return memory;
  } else {
    memory = of_this_size.back();
    of_this_size.pop_back();
    ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
    std::memset(memory, 0, bytes);
  }
  given()[memory] = bytes;
  return memory;
}

int __wrap_munmap(void* at, size_t bytes) {
  const std::scoped_lock guard(lock());
  const auto found = given().find(at);
  if (found == given().end() || found->second != bytes) return __real_munmap(at, bytes);
  given().erase(found);
  std::vector<void*>& of_this_size = kept()[bytes];
  if (of_this_size.size() >= kMostOfASize) return __real_munmap(at, bytes);
  ASAN_POISON_MEMORY_REGION(at, bytes);
  of_this_size.push_back(at);
  return 0;
}

// What is kept is there already.
int __wrap_madvise(void* at, size_t bytes, int advice) {
  if (advice == MADV_NOHUGEPAGE || advice == MADV_POPULATE_WRITE) return 0;
  return __real_madvise(at, bytes, advice);
}

}  // extern "C"
