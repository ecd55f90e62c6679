#pragma once

// Values as JSON text, in the layout that Kamailio's jsonrpcs writes: one tab per level,
// `"name":<tab>value`, arrays of plain values on one line; or without any space.
//
// Source: spec/jsonrpc.md.

#include <string>
#include <string_view>

#include "cp/rpc/value.h"

namespace lb::rpc {

struct JsonStyle {
    bool pretty = true;
    // Bytes that are no UTF-8 stay as they are, as in Kamailio's answers, which then are no JSON.
    // False: U+FFFD instead of each.
    bool raw_bytes = false;
};

// Appends `value` as it stands `depth` levels deep.
void append_json(std::string& out, const Value& value, JsonStyle style, unsigned depth = 0);
// Plain values as an array.
void append_json_array(std::string& out, const std::vector<Value>& values, JsonStyle style,
                       unsigned depth = 0);
// With its quotes.
void append_json_string(std::string& out, std::string_view text, JsonStyle style = {});
// Whole numbers without a fraction, others with six decimals.
void append_json_number(std::string& out, double number);

}  // namespace lb::rpc
