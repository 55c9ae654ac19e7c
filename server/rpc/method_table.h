// MethodTable: what the server can be asked, by the path of the request. Filled before the engine
// starts, then only read, by all workers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "server/rpc/call.h"

namespace objpool::rpc {

struct Method {
  std::string service;  // "objpool.v1.LeaseService"
  std::string name;     // "Lease"
  std::variant<UnaryHandler, StreamFactory> handler;

  [[nodiscard]] bool unary() const { return std::holds_alternative<UnaryHandler>(handler); }
};

class MethodTable {
 public:
  // A method that was added already is a bug.
  void Add(std::string service, std::string name, UnaryHandler handler);
  void Add(std::string service, std::string name, StreamFactory factory);

  // The index of the method at "/service/name"; kUnknown when there is none.
  [[nodiscard]] std::size_t Find(std::string_view path) const;
  static constexpr std::size_t kUnknown = SIZE_MAX;

  [[nodiscard]] std::span<const Method> methods() const { return methods_; }
  // The names of all services, once each, in the order in which they were added.
  [[nodiscard]] std::vector<std::string> Services() const;

 private:
  struct PathHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view path) const {
      return std::hash<std::string_view>{}(path);
    }
  };
  void Add(Method method);

  std::vector<Method> methods_;
  std::unordered_map<std::string, std::size_t, PathHash, std::equal_to<>> index_;
};

}  // namespace objpool::rpc
