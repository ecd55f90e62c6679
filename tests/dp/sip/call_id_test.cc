#include "dp/sip/call_id.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "dp/sip/parser.h"
#include "tests/dp/sip/sample.h"
#include "tests/support/guarded_bytes.h"

namespace lb::sip {
namespace {

struct Row {
    const char* name;
    std::string_view text;
    std::string_view call_id;
};

constexpr Row kRows[] = {
    {"plain", "X sip:a SIP/2.0\r\nVia: v\r\nCall-ID: x@h\r\n\r\n", "x@h"},
    {"any_case", "X\r\ncALL-iD:x@h\r\n\r\n", "x@h"},
    {"compact", "X\r\ni: x@h\r\n\r\n", "x@h"},
    {"compact_upper", "X\r\nI :\t x@h \t\r\n\r\n", "x@h"},
    {"blanks_in_front_of_the_colon", "X\r\nCall-ID \t: x@h\r\n\r\n", "x@h"},
    {"lf_alone", "X\nCall-ID: x@h\n\n", "x@h"},
    {"the_first_of_two", "X\r\nCall-ID: a\r\nCall-ID: b\r\n\r\n", "a"},
    {"other_names", "X\r\nCall-Info: a\r\nCall-IDs: b\r\nin: c\r\ndet: d\r\n\r\n", ""},
    {"not_in_the_start_line", "Call-ID: x@h\r\nVia: v\r\n\r\n", ""},
    {"not_in_the_body", "X\r\nVia: v\r\n\r\nCall-ID: x@h\r\n", ""},
    {"not_on_a_folded_line", "X\r\nSubject: a\r\n Call-ID: b\r\nCall-ID: c\r\n\r\n", "c"},
    {"folded_value", "X\r\nCall-ID:\r\n x@h\r\n\r\n", ""},
    {"cut_in_the_value", "X\r\nCall-ID: x@", ""},
    {"cut_in_the_name", "X\r\nCall-", ""},
    {"no_colon", "X\r\nCall-ID x@h\r\n\r\n", ""},
    {"empty", "", ""},
    {"keep_alive", "\r\n\r\n", ""},
};

TEST(FindCallId, Rows) {
    for (const Row& row : kRows) EXPECT_EQ(find_call_id(row.text), row.call_id) << row.name;
}

TEST(FindCallId, IsWhatTheParserFinds) {
    Message message;
    ASSERT_EQ(parse(test::kTortuous, message), Error::kNone);
    EXPECT_EQ(find_call_id(test::kTortuous), message.call_id.value);
}

TEST(FindCallId, ReadsNothingBehindTheEnd) {
    const std::string text = "X sip:a SIP/2.0\r\nVia: v\r\nCall-ID: x@h\r\nTo: t\r\n\r\n";
    for (std::size_t size = 0; size <= text.size(); ++size) {
        const test::GuardedBytes guarded(text.substr(0, size));
        const std::string_view found = find_call_id(guarded.text());
        EXPECT_TRUE(found.empty() || found == "x@h") << size;
    }
}

TEST(FindCallId, TooManyLinesAreNotSearched) {
    std::string text = "X sip:a SIP/2.0\r\n";
    for (std::size_t i = 0; i < kHeaderLinesMax + 2; ++i) text += "A: b\r\n";
    EXPECT_EQ(find_call_id(text + "Call-ID: x\r\n\r\n"), "");
}

}  // namespace
}  // namespace lb::sip
