#include "tests/bench/rpc/report.h"

#include <cstdio>
#include <fstream>
#include <string_view>

namespace objpool::bench {

void PrintTables(const std::vector<Cell>& cells, const Contenders& contenders,
                 const Matrix& matrix) {
  for (const Cell& cell : cells) {
    bool titled = false;
    const Figure* const reference = matrix.Find(cell.reference, kRedisLua);
    for (const auto& contender : contenders) {
      const Figure* const figure = matrix.Find(cell.name, contender->name());
      if (figure == nullptr) continue;
      if (!titled) {
        std::printf("\n%-24s %12s %12s %10s %10s %12s\n", cell.name.c_str(), "cycles/s",
                    "server us", "p50 us", "p99 us", "x Redis Lua");
      }
      titled = true;
      std::printf("%-24s %12.0f %12.2f %10.1f %10.1f", contender->name().c_str(),
                  figure->cycles_per_s, figure->server_cpu_us, figure->p50_us, figure->p99_us);
      if (reference != nullptr) {
        std::printf(" %12.2f", figure->cycles_per_s / reference->cycles_per_s);
      }
      std::printf("\n");
    }
  }
}

bool WriteJson(const std::string& path, const std::vector<Cell>& cells,
               const Contenders& contenders, const Matrix& matrix) {
  std::ofstream file(path);
  const char* separator = "[\n";
  for (const Cell& cell : cells) {
    for (const auto& contender : contenders) {
      const Figure* const figure = matrix.Find(cell.name, contender->name());
      if (figure == nullptr) continue;
      file << separator << R"(  {"cell": ")" << cell.name << R"(", "contender": ")"
           << contender->name() << R"(", "cycles_per_s": )" << figure->cycles_per_s
           << R"(, "server_cpu_us_per_cycle": )" << figure->server_cpu_us << R"(, "p50_us": )"
           << figure->p50_us << R"(, "p99_us": )" << figure->p99_us << "}";
      separator = ",\n";
    }
  }
  file << (separator[0] == '[' ? "[]\n" : "\n]\n");
  file.close();
  return !file.fail();
}

}  // namespace objpool::bench
