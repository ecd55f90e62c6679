#pragma once

// What the commands of this folder print alike for scripts.

#include <string>
#include <string_view>
#include <vector>

#include "cp/rpc/value.h"

namespace lb::cp {

// A text as a field of --tsv: newline, tab and backslash are written \n, \t and \\, so that one
// line stays one line and a tab stands between fields only.
std::string tsv_field(std::string_view text);

// An array, each value on a line of its own.
std::string json_lines(const std::vector<rpc::Value>& values);

}  // namespace lb::cp
