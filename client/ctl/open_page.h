// The result of `bench --rate` as one page of HTML that needs nothing else: no script, no font, no
// network. It is well-formed as XML too, and has the JSON of the result in it.
#pragma once

#include <iosfwd>

#include "client/ctl/open_report.h"

namespace objpool::client {

void WritePage(const OpenReport& report, std::ostream& out);

}  // namespace objpool::client
