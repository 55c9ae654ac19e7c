// Tables: rows of words in columns that line up, for people and for awk.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

namespace objpool::client {

// With so many digits behind the point.
[[nodiscard]] std::string Decimal(double number, int digits);

using Row = std::vector<std::string>;

// The first row is the heading and says how many columns there are. Its first column is text and
// stands to the left; the others stand to the right, for numbers.
void WriteTable(std::ostream& out, const std::vector<Row>& rows);

// The same for rows that come in parts, the heading first: a column is as wide as what has come so
// far.
class TableWriter {
 public:
  // `out` must outlive the writer.
  explicit TableWriter(std::ostream& out) : out_(out) {}
  void Write(const std::vector<Row>& rows);

 private:
  std::ostream& out_;
  std::vector<std::size_t> widths_;
};

}  // namespace objpool::client
