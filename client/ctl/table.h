// WriteTable: rows of words in columns that line up, for people and for awk.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace objpool::client {

using Row = std::vector<std::string>;

// The first row is the heading and says how many columns there are. Its first column is text and
// stands to the left; the others stand to the right, for numbers.
void WriteTable(std::ostream& out, const std::vector<Row>& rows);

}  // namespace objpool::client
