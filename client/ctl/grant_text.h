// A grant as text and as fields of a JSON object, for all commands that show one.
#pragma once

#include <string>

#include "client/ctl/json_writer.h"
#include "objpool/v1/grant.pb.h"

namespace objpool::client {

// What the handle stands for.
[[nodiscard]] std::string ValueText(const v1::Grant& grant);
void ValueFields(const v1::Grant& grant, JsonWriter& json);

// A running grant, without its key. Fences are strings: many readers of JSON round numbers beyond
// 2^53.
void GrantFields(const v1::Grant& grant, JsonWriter& json);

}  // namespace objpool::client
