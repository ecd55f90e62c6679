#pragma once

// Destinations from a text file: "setid uri [flags [priority [attrs]]]", one a line
// (spec/dispatcher.md 3.6). Kamailio's limit of 1024 bytes a line is lifted, and flags may be
// written 0x... as newer versions allow.
//
// Errors: a line with nothing but a set id, or numbers that do not fit, refuse the file, naming
// file and line. Bounds: kListFileMax bytes.

#include <string>
#include <string_view>

#include "cp/row_table.h"
#include "dp/base/result.h"

namespace lb::cp {

inline constexpr std::size_t kListFileMax = 256u << 20;

Result<RowTable> load_list_file(const std::string& path);
// `name` stands for the file in messages and in the rows' origin.
Result<RowTable> parse_list(std::string_view text, const std::string& name);

}  // namespace lb::cp
