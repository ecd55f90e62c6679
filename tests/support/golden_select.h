#pragma once

// Reads tests/golden/select: one JSON object a line, what a real dispatcher chose
// (tests/golden/README.md).

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dp/table/tables.h"

namespace lb::test {

inline std::vector<nlohmann::json> golden_lines(const std::string& name) {
    std::ifstream file(std::string(SIPLANE_SOURCE_ROOT) + "/tests/golden/select/" + name);
    std::vector<nlohmann::json> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
}

// A set as the control plane would hand it over: rows sorted by priority downwards, equal ones in
// reverse order (spec 3.4).
table::Set set_from_rows(const nlohmann::json& rows, std::int32_t id = 1);

// What a test that needs no golden data makes: `count` usable members 10.0.x.y, weight and rweight
// 0.
table::Set plain_set(std::size_t count, std::int32_t id = 1);

// One set, one service that uses it with `algorithm`.
table::Dispatch::Input input_for(table::Set set, table::Algorithm algorithm);

}  // namespace lb::test
