// Messages of RFC 4475, RFC 5118 and of real devices, read in place. What the table next to them
// expects of a proxy is held against what parse() alone can judge; the rest is route()'s (see
// kLeftToRoute).

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "dp/sip/parser.h"
#include "tests/support/guarded_bytes.h"
#include "tests/support/slow_parser.h"

namespace lb::sip {
namespace {

namespace fs = std::filesystem;
using Strings = std::vector<std::string>;

fs::path corpus() {
    const char* const given = std::getenv("SIPLANE_CORPUS");
    return given != nullptr ? fs::path(given)
                            : fs::path(SIPLANE_SOURCE_ROOT) / ".." / "shared" / "corpus";
}

std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Strings split(const std::string& text, char separator) {
    Strings parts(1);
    for (const char c : text) {
        if (c == separator) {
            parts.emplace_back();
        } else {
            parts.back() += c;
        }
    }
    return parts;
}

// The rows of a table as column name to cell.
std::vector<std::map<std::string, std::string>> table(const fs::path& path) {
    std::vector<std::map<std::string, std::string>> rows;
    Strings names;
    for (const std::string& line : split(read(path), '\n')) {
        const Strings cells = split(line, '\t');
        if (names.empty()) {
            names = cells;
        } else if (cells.size() >= 3) {
            rows.emplace_back();
            for (std::size_t i = 0; i < cells.size(); ++i) rows.back()[names[i]] = cells[i];
        }
    }
    return rows;
}

// Errors that stand in values parse() does not look into, or that are no matter of parsing.
constexpr std::string_view kLeftToRoute[] = {
    "rfc4475/bcast.dat",    // where the reply would go
    "rfc4475/unkscm.dat",   // 416: the Request-URI's scheme
    "rfc4475/zeromf.dat",   // 483: Max-Forwards used up
    "rfc4475/escruri.dat",  // headers in the Request-URI
};

// What parse() says, in the words of the tables.
std::string outcome(std::string_view datagram) {
    Message message;
    const Error error = parse(datagram, message);
    EXPECT_EQ(test::disagreement(datagram, error, message), "");
    if (error == Error::kNone) return "relay";
    if (!answerable(error, message)) return "drop";
    return "reply 400";
}

bool allows(const std::string& expected, const std::string& found) {
    std::string actions = expected;
    if (actions.starts_with("either ")) actions.erase(0, 7);
    const Strings list = split(actions, '|');
    return std::find(list.begin(), list.end(), found) != list.end();
}

void judge(const fs::path& file, const std::string& name, const std::string& expected) {
    ASSERT_TRUE(fs::is_regular_file(file)) << file;
    const test::GuardedBytes bytes(read(file));
    const std::string found = outcome(bytes.text());
    const bool left =
        std::find(std::begin(kLeftToRoute), std::end(kLeftToRoute), name) != std::end(kLeftToRoute);
    EXPECT_TRUE(allows(left ? "relay" : expected, found))
        << name << ": " << found << ", expected " << expected;
}

TEST(Corpus, Torture) {
    const fs::path folder = corpus() / "torture";
    if (!fs::exists(folder)) GTEST_SKIP() << "no corpus at " << folder;
    const auto rows = table(folder / "expect.tsv");
    ASSERT_FALSE(rows.empty());
    for (const auto& row : rows) judge(folder / row.at("name"), row.at("name"), row.at("expected"));
}

TEST(Corpus, RealWorld) {
    const fs::path folder = corpus() / "realworld";
    if (!fs::exists(folder)) GTEST_SKIP() << "no corpus at " << folder;
    const auto rows = table(folder / "index.tsv");
    ASSERT_FALSE(rows.empty());
    for (const auto& row : rows) judge(folder / row.at("file"), row.at("file"), row.at("expected"));
}

TEST(Corpus, FuzzSeedsAreSafe) {
    const fs::path folder = corpus() / "fuzz";
    if (!fs::exists(folder)) GTEST_SKIP() << "no corpus at " << folder;
    std::size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
        if (!entry.is_regular_file()) continue;
        for (const bool front : {false, true}) {
            const test::GuardedBytes bytes(read(entry.path()), front);
            Message message;
            const Error error = parse(bytes.text(), message);
            EXPECT_EQ(test::disagreement(bytes.text(), error, message), "") << entry.path();
        }
        ++count;
    }
    EXPECT_GT(count, 0u);
}

TEST(Corpus, RealMessagesHaveSecondViasAndAddresses) {
    const fs::path folder = corpus() / "realworld";
    if (!fs::exists(folder)) GTEST_SKIP() << "no corpus at " << folder;
    for (const auto& row : table(folder / "index.tsv")) {
        if (row.at("expected") != "relay") continue;
        const test::GuardedBytes bytes(read(folder / row.at("file")));
        Message message;
        ASSERT_EQ(parse(bytes.text(), message), Error::kNone) << row.at("file");
        EXPECT_TRUE(parse_from_to(message.from.value, message.from_addr)) << row.at("file");
        EXPECT_TRUE(parse_from_to(message.to.value, message.to_addr)) << row.at("file");
        Via second;
        EXPECT_EQ(find_second_via(message, second),
                  row.at("features").find("via-multi") != std::string::npos)
            << row.at("file");
    }
}

}  // namespace
}  // namespace lb::sip
