#include "tests/bench/pool/report.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <string_view>

namespace objpool::bench {
namespace {

constexpr double kManyFailed = 0.01;

// Three figures that count.
std::string Number(double value) {
  char text[32];
  const int decimals = value < 10 ? 2 : value < 100 ? 1 : 0;
  std::snprintf(text, sizeof(text), "%.*f", decimals, value);
  return text;
}

std::string_view UnitName(Unit unit) {
  switch (unit) {
    case Unit::kThreadTime:
      return "thread-ns";
    case Unit::kCpuTime:
      return "CPU-ns";
    case Unit::kWallTime:
      return "wall-ns";
  }
  return "";
}

// One table: settings side by side, contenders one below the other.
class Table {
 public:
  Table(const std::vector<Setting>& settings, const Contenders& contenders, const Matrix& matrix,
        std::vector<std::size_t> columns)
      : settings_(settings),
        contenders_(contenders),
        matrix_(matrix),
        columns_(std::move(columns)),
        kernel_(static_cast<std::size_t>(
            std::find_if(contenders.begin(), contenders.end(),
                         [](const auto& each) { return each->name() == kKernelName; }) -
            contenders.begin())) {}

  // A cell's text, or an empty one.
  template <typename Text>
  void Print(const std::string& title, Text text) const {
    std::printf("\n%s\n%-24s", title.c_str(), "");
    for (const std::size_t s : columns_) std::printf(" %19s", settings_[s].cell.name.c_str());
    std::printf("\n%-24s", "");
    for (const std::size_t s : columns_) {
      std::printf(" %19s", std::string(UnitName(settings_[s].cell.unit)).c_str());
    }
    std::printf("\n");
    for (std::size_t c = 0; c < contenders_.size(); ++c) {
      const auto ran = [&](std::size_t s) { return matrix_.Find(s, c) != nullptr; };
      if (std::none_of(columns_.begin(), columns_.end(), ran)) continue;
      std::printf("%-24s", contenders_[c]->name().c_str());
      for (const std::size_t s : columns_) {
        const Figure* const figure = matrix_.Find(s, c);
        std::printf(" %19s", figure == nullptr ? "-" : text(*figure, s).c_str());
      }
      std::printf("\n");
    }
  }

  void PrintBoth(const std::string& of) const {
    Print(of + ": median / minimum", [](const Figure& figure, std::size_t) {
      return Number(figure.median_ns) + " / " + Number(figure.min_ns) +
             (figure.failed_share > kManyFailed ? "*" : "");
    });
    Print(of + ": times as fast as " + std::string(kKernelName) + " (medians)",
          [this](const Figure& figure, std::size_t s) {
            const Figure* const kernel = matrix_.Find(s, kernel_);
            if (kernel == nullptr) return std::string("-");
            return Number(kernel->median_ns / figure.median_ns);
          });
  }

 private:
  const std::vector<Setting>& settings_;
  const Contenders& contenders_;
  const Matrix& matrix_;
  const std::vector<std::size_t> columns_;
  const std::size_t kernel_;
};

bool IsScarce(const Setting& setting) { return setting.cell.name.starts_with("scarce"); }

}  // namespace

void PrintTables(const std::vector<Setting>& settings, const Contenders& contenders,
                 const Matrix& matrix) {
  // Settings of one capacity follow one another; all scarce ones are the last.
  for (std::size_t first = 0; first < settings.size();) {
    const bool scarce = IsScarce(settings[first]);
    std::vector<std::size_t> columns;
    std::size_t s = first;
    for (; s < settings.size(); ++s) {
      const bool same = settings[s].capacity == settings[first].capacity;
      if (IsScarce(settings[s]) != scarce || (!scarce && !same)) break;
      for (std::size_t c = 0; c < contenders.size(); ++c) {
        if (matrix.Find(s, c) == nullptr) continue;
        columns.push_back(s);
        break;
      }
    }
    const std::string of =
        scarce ? "Scarce handles" : "Capacity " + std::to_string(settings[first].capacity);
    if (!columns.empty()) Table(settings, contenders, matrix, columns).PrintBoth(of);
    first = s;
  }
  std::printf("\n* more than 1 %% of the pops found nothing.\n");
}

bool WriteJson(const std::string& path, const std::vector<Setting>& settings,
               const Contenders& contenders, const Matrix& matrix) {
  std::ofstream file(path);
  const char* separator = "[\n";
  for (std::size_t s = 0; s < settings.size(); ++s) {
    for (std::size_t c = 0; c < contenders.size(); ++c) {
      const Figure* const figure = matrix.Find(s, c);
      if (figure == nullptr) continue;
      file << separator << R"(  {"cell": ")" << settings[s].cell.name << R"(", "capacity": )"
           << settings[s].capacity << R"(, "contender": ")" << contenders[c]->name()
           << R"(", "median_ns": )" << figure->median_ns << R"(, "min_ns": )" << figure->min_ns
           << "}";
      separator = ",\n";
    }
  }
  file << (separator[0] == '[' ? "[]\n" : "\n]\n");
  file.close();
  return !file.fail();
}

}  // namespace objpool::bench
