#include "client/ctl/table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <ostream>

namespace objpool::client {

std::string Decimal(double number, int digits) {
  std::array<char, 400> text;  // the largest double has 309 digits before the point
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number,
                                          std::chars_format::fixed, digits);
  return {text.data(), end};
}

void WriteTable(std::ostream& out, const std::vector<Row>& rows) { TableWriter(out).Write(rows); }

void TableWriter::Write(const std::vector<Row>& rows) {
  if (rows.empty()) return;
  widths_.resize(rows[0].size(), 0);
  for (const Row& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) widths_[c] = std::max(widths_[c], row[c].size());
  }
  for (const Row& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string pad(widths_[c] - row[c].size(), ' ');
      out_ << (c == 0 ? row[c] + pad : "  " + pad + row[c]);
    }
    out_ << '\n';
  }
}

}  // namespace objpool::client
