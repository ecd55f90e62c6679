#pragma once

// Rows of a recorded tab-separated file below tests/golden/dispatcher; lines with '#' in front are
// left out.

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

namespace lb::test {

inline std::vector<std::string> split_tabs(const std::string& line) {
    std::vector<std::string> cells(1);
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '\t') {
            cells.emplace_back();
        } else if (line[i] == '\\' && i + 1 < line.size()) {
            ++i;
            cells.back() += line[i] == 't' ? '\t' : line[i];
        } else {
            cells.back() += line[i];
        }
    }
    return cells;
}

inline std::vector<std::vector<std::string>> read_golden(const std::string& name) {
    std::vector<std::vector<std::string>> rows;
    std::ifstream file(std::string(SIPLANE_GOLDEN) + "/dispatcher/" + name);
    EXPECT_TRUE(file.is_open()) << name;
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with("# ")) rows.push_back(split_tabs(line));
    }
    EXPECT_GT(rows.size(), 50u) << name;
    return rows;
}

}  // namespace lb::test
