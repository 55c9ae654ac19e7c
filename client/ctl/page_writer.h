// PageWriter: a list of a pool's that comes page by page; each is written and forgotten, so that a
// pool of millions takes no memory.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "client/ctl/console.h"
#include "client/ctl/json_writer.h"
#include "client/ctl/table.h"

namespace objpool::client {

class PageWriter {
 public:
  // `list` is its name in JSON, and `heading` the first row of its table.
  PageWriter(std::string_view list, std::string_view pool, Row heading, const Target& target,
             Console& console)
      : list_(list),
        pool_(BarePool(pool)),
        heading_({std::move(heading)}),
        as_json_(target.json),
        console_(console),
        json_(console.out),
        table_(console.out) {}

  // `ask` gives the page of a request, a Result; `items` those that are on a page; `fields` writes
  // one of them into an object, and `row` makes a row of it.
  template <typename Request, typename Ask, typename Items, typename Fields, typename MakeRow>
  [[nodiscard]] Exit Run(const Client& client, Request& request, Ask ask, Items items,
                         Fields fields, MakeRow row) {
    // Each page begins at least one handle further.
    for (uint64_t number = 0; number <= kMaxHandle; ++number) {
      const auto page = ask(request);
      if (!page.ok()) {
        End(false);
        return Fail(console_, page.error, client.options());
      }
      Begin();
      for (const auto& item : items(page.value)) {
        if (!as_json_) {
          rows_.push_back(row(item));
          continue;
        }
        json_.BeginObject();
        fields(item, json_);
        json_.EndObject();
      }
      WriteRows();
      const bool last = page.value.next_page_token().empty();
      if (last) End(true);
      const Exit exit = Flush(console_);
      if (last || exit != Exit::kOk) return exit;
      request.set_page_token(page.value.next_page_token());
    }
    End(false);
    return Fail(console_, Exit::kRefused, "the server's pages do not end");
  }

 private:
  void Begin() {
    if (!as_json_ || std::exchange(begun_, true)) return;
    json_.BeginObject();
    json_.Field("pool", pool_);
    json_.BeginArray(list_);
  }
  // The heading comes with the first rows, so that its columns are theirs.
  void WriteRows() {
    if (rows_.empty()) return;
    rows_.insert(rows_.begin(), heading_.begin(), heading_.end());
    heading_.clear();
    table_.Write(rows_);
    rows_.clear();
  }
  // `complete` where all pages were written. Where there was none, nothing is.
  void End(bool complete) {
    if (!as_json_ && complete) table_.Write(heading_);
    if (!begun_) return;
    json_.EndArray();
    json_.Field("complete", complete);
    json_.EndObject();
  }

  const std::string_view list_;
  const std::string_view pool_;
  std::vector<Row> heading_;  // until it is written
  const bool as_json_;
  Console& console_;
  JsonWriter json_;
  TableWriter table_;
  std::vector<Row> rows_;
  bool begun_ = false;  // a JSON document
};

}  // namespace objpool::client
