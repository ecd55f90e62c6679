#include "cp/list_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace lb::cp {
namespace {

struct Row {
    const char* line;
    std::int64_t setid;
    const char* destination;
    std::int64_t flags, priority;
    const char* attrs;
};

constexpr Row kRows[] = {
    {"1 sip:h", 1, "sip:h", 0, 0, ""},
    {"  2\tsip:h:5060  8  5 duid=a;weight=3 ignored", 2, "sip:h:5060", 8, 5, "duid=a;weight=3"},
    {"sip:1.2.3.4", 0, "sip:1.2.3.4", 0, 0, ""},   // no set id: 0
    {"1 sip:h#x 8 5", 1, "sip:h", 0, 0, ""},       // '#' ends the record
    {"1 sip:h 8 5 a#b", 1, "sip:h", 8, 5, "a#b"},  // but not in attrs
    {"1 sip:h # x", 1, "sip:h", 0, 0, ""},         // and a comment behind a record
    {"1 sip:h 8# x", 1, "sip:h", 8, 0, ""},
    {"1 sip:h 8 5 #x=y", 1, "sip:h", 8, 5, ""},
    {"1 sip:h 8 5 a=b # x", 1, "sip:h", 8, 5, "a=b"},
    {"1 sip:h 10 rweight=50", 1, "sip:h", 10, 0, "rweight=50"},  // digits are optional
    {"1 sip:h rweight=30", 1, "sip:h", 0, 0, "rweight=30"},
    {"1 sip:h 0x18 7", 1, "sip:h", 24, 7, ""},  // as newer versions read it
    {"1 sip:h 0xg", 1, "sip:h", 0, 0, "xg"},
    {"007 sip:h\r", 7, "sip:h", 0, 0, ""},
    {"1sip:h", 1, "sip:h", 0, 0, ""},
};

TEST(ListFile, Lines) {
    for (const Row& row : kRows) {
        SCOPED_TRACE(row.line);
        const auto rows = parse_list(row.line, "f");
        ASSERT_TRUE(rows);
        ASSERT_EQ(rows->size(), 1u);
        const RowView got = (*rows)[0];
        EXPECT_EQ(got.setid, row.setid);
        EXPECT_EQ(got.destination, row.destination);
        EXPECT_EQ(got.flags, row.flags);
        EXPECT_EQ(got.priority, row.priority);
        EXPECT_EQ(got.attrs, row.attrs);
        EXPECT_EQ(rows->origin(0), "f:1");
    }
}

TEST(ListFile, CommentsAndEmptyLines) {
    const auto rows = parse_list("# one\n\n   \n\t# two\n3 sip:a\n4 sip:b", "f");
    ASSERT_TRUE(rows);
    ASSERT_EQ(rows->size(), 2u);
    EXPECT_EQ(rows->origin(0), "f:5");
    EXPECT_EQ((*rows)[1].destination, "sip:b");
    EXPECT_TRUE(parse_list("", "f")->empty());
}

TEST(ListFile, ASetIdAloneRefusesTheFile) {
    const auto rows = parse_list("1 sip:a\n2\n3 sip:b\n", "/etc/d.list");
    ASSERT_FALSE(rows);
    EXPECT_EQ(rows.error().message, "/etc/d.list:2: a set id without a destination");
    EXPECT_FALSE(parse_list("2 # comment", "f"));
}

TEST(ListFile, NumbersThatDoNotFit) {
    EXPECT_FALSE(parse_list("2147483648 sip:a", "f"));
    EXPECT_TRUE(parse_list("2147483647 sip:a", "f"));
    EXPECT_FALSE(parse_list("1 sip:a 99999999999999999999999", "f"));
    EXPECT_FALSE(parse_list("1 sip:a 0xffffffffffff", "f"));
    EXPECT_FALSE(parse_list("1 sip:a 0 4294967296", "f"));
}

TEST(ListFile, LongLinesAreOneLine) {
    const std::string attrs = "a=" + std::string(5000, 'x');
    const auto rows = parse_list("1 sip:h 0 0 " + attrs, "f");
    ASSERT_TRUE(rows);
    EXPECT_EQ((*rows)[0].attrs, attrs);
}

TEST(ListFile, FromDisk) {
    const auto path =
        std::filesystem::temp_directory_path() / ("cpmodel-list-" + std::to_string(getpid()));
    std::ofstream(path) << "1 sip:a 8\n2 sip:b\n";
    const auto rows = load_list_file(path.string());
    std::filesystem::remove(path);
    ASSERT_TRUE(rows);
    EXPECT_EQ(rows->size(), 2u);

    const auto missing = load_list_file(path.string());
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().message,
              "list_file " + path.string() + ": No such file or directory");
    EXPECT_FALSE(load_list_file("/"));
}

}  // namespace
}  // namespace lb::cp
