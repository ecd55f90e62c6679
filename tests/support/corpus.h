#pragma once

// The corpus of other people's SIP messages beside the project (../shared/corpus, or
// $SIPLANE_CORPUS): read in place, never copied. Tests skip, saying so, where it is absent.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace lb::test {

inline std::filesystem::path corpus_folder() {
    if (const char* named = std::getenv("SIPLANE_CORPUS")) return named;
    return std::filesystem::path(SIPLANE_SOURCE_ROOT) / ".." / "shared" / "corpus";
}

inline std::string read_bytes(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

struct CorpusRow {
    std::string file;      // relative to the folder of its table
    std::string expected;  // see the corpus' README
    std::string reason;
    std::string bytes;
};

// The rows of a table with columns `file` or `name`, `expected` and `reason`; empty where it is
// absent.
inline std::vector<CorpusRow> corpus_rows(const std::string& folder, const std::string& table) {
    const std::filesystem::path base = corpus_folder() / folder;
    std::ifstream in(base / table);
    std::vector<CorpusRow> rows;
    std::vector<std::string> names;
    for (std::string line; std::getline(in, line);) {
        std::vector<std::string> cells;
        std::stringstream cut(line);
        for (std::string cell; std::getline(cut, cell, '\t');) cells.push_back(cell);
        if (names.empty()) {
            names = cells;
            continue;
        }
        CorpusRow row;
        for (std::size_t i = 0; i < cells.size() && i < names.size(); ++i) {
            if (names[i] == "file" || names[i] == "name") row.file = cells[i];
            if (names[i] == "expected") row.expected = cells[i];
            if (names[i] == "reason") row.reason = cells[i];
        }
        row.bytes = read_bytes(base / row.file);
        rows.push_back(row);
    }
    return rows;
}

}  // namespace lb::test
