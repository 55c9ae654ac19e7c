#include "client/ctl/table.h"

#include <algorithm>
#include <cstddef>
#include <ostream>

namespace objpool::client {

void WriteTable(std::ostream& out, const std::vector<Row>& rows) {
  if (rows.empty()) return;
  std::vector<std::size_t> widths(rows[0].size(), 0);
  for (const Row& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  for (const Row& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string pad(widths[c] - row[c].size(), ' ');
      out << (c == 0 ? row[c] + pad : "  " + pad + row[c]);
    }
    out << '\n';
  }
}

}  // namespace objpool::client
