#include "server/rpc/method_table.h"

#include <algorithm>
#include <utility>

#include "pool/base/check.h"

namespace objpool::rpc {

void MethodTable::Add(Method method) {
  const std::string path = "/" + method.service + "/" + method.name;
  const bool added = index_.emplace(path, methods_.size()).second;
  OBJPOOL_CHECK(added, "a method is added once");
  methods_.push_back(std::move(method));
}

void MethodTable::Add(std::string service, std::string name, UnaryHandler handler) {
  Add(Method{std::move(service), std::move(name), std::move(handler)});
}

void MethodTable::Add(std::string service, std::string name, StreamFactory factory) {
  Add(Method{std::move(service), std::move(name), std::move(factory)});
}

std::size_t MethodTable::Find(std::string_view path) const {
  const auto at = index_.find(path);
  return at == index_.end() ? kUnknown : at->second;
}

std::vector<std::string> MethodTable::Services() const {
  std::vector<std::string> names;
  for (const Method& method : methods_) {
    if (std::ranges::find(names, method.service) == names.end()) names.push_back(method.service);
  }
  return names;
}

}  // namespace objpool::rpc
