#include <gtest/gtest.h>

#include "cp/dispatcher.h"
#include "tests/cp/golden_tsv.h"

namespace lb::cp {
namespace {

constexpr const char* kNull = "<null string>";

std::string shown(std::string_view text) { return std::string(text.empty() ? kNull : text); }
// An empty DUID is shown as "" by Kamailio where the attribute had a value; we do not tell them
// apart.
std::string recorded(const std::string& text) { return text.empty() ? kNull : text; }

TEST(Attributes, AsKamailioReadsThem) {
    for (const auto& row : test::read_golden("attributes.tsv")) {
        ASSERT_EQ(row.size(), 10u);
        SCOPED_TRACE("attrs: " + row[0]);
        const auto attrs = parse_attributes(row[0]);
        ASSERT_EQ(attrs.has_value(), row[1] == "ok");
        if (!attrs) {
            EXPECT_NE(attrs.error().message.find(row[0].substr(0, 3)), std::string::npos);
            continue;
        }
        EXPECT_EQ(attrs->body, row[2]);
        EXPECT_EQ(shown(attrs->duid()), recorded(row[3]));
        EXPECT_EQ(std::to_string(attrs->maxload), row[4]);
        EXPECT_EQ(std::to_string(attrs->weight), row[5]);
        EXPECT_EQ(std::to_string(attrs->rweight), row[6]);
        EXPECT_EQ(shown(attrs->socket()), row[7]);
        EXPECT_EQ(shown(attrs->obproxy()), row[8]);
        EXPECT_EQ(std::to_string(attrs->latency.value_or(0)), row[9]);
        EXPECT_TRUE(attrs->given);
    }
}

TEST(Attributes, EmptyTextIsNotGiven) {
    const auto attrs = parse_attributes("");
    ASSERT_TRUE(attrs);
    EXPECT_FALSE(attrs->given);
    EXPECT_EQ(attrs->body, "");
    EXPECT_EQ(attrs->ocmax, 100);
}

TEST(Attributes, EveryNameArrives) {
    const auto attrs = parse_attributes(
        "duid=d;maxload=3;weight=4;rweight=5;sockname=n;ping_socket=udp:1.2.3.4:5;ping_from=sip:f@"
        "h;"
        "obproxy=sip:o;latency=6;cc=1;ocmin=7;ocmax=8;ocrate=9");
    ASSERT_TRUE(attrs);
    EXPECT_EQ(attrs->sockname(), "n");
    EXPECT_EQ(attrs->ping_socket(), "udp:1.2.3.4:5");
    EXPECT_EQ(attrs->ping_from(), "sip:f@h");
    EXPECT_EQ(attrs->latency, 6);
    EXPECT_TRUE(attrs->cc);
    EXPECT_EQ(attrs->ocmin, 7);
    EXPECT_EQ(attrs->ocmax, 8);
    EXPECT_EQ(attrs->ocrate, 9);
    EXPECT_EQ(parse_attributes("ocmax=0")->ocmax, 100);
    EXPECT_EQ(parse_attributes("ocmax=101")->ocmax, 100);
}

TEST(Attributes, AnAddressInAngleBracketsStaysWhole) {
    const auto attrs = parse_attributes("ping_from=<sip:f@h>;obproxy=<sip:o>;duid=d");
    ASSERT_TRUE(attrs);
    EXPECT_EQ(attrs->ping_from(), "<sip:f@h>");
    EXPECT_EQ(attrs->obproxy(), "<sip:o>");
    EXPECT_EQ(attrs->duid(), "d");
}

TEST(Attributes, ValuesPutRightAreNamed) {
    std::vector<std::string> warnings;
    ASSERT_TRUE(parse_attributes("weight=101;rweight=0;ocrate=x", &warnings));
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_EQ(warnings[0], "weight=101 counts as 0: allowed is 1 to 100");
}

// A quoted value could otherwise carry a header line into every probe.
TEST(Attributes, ControlCharactersAreRefused) {
    EXPECT_FALSE(parse_attributes("ping_from=\"sip:a@b\r\nX: y\""));
    EXPECT_FALSE(parse_attributes("duid=a\x01z"));
    EXPECT_FALSE(parse_attributes(std::string_view("duid=a\0z", 8)));
}

TEST(Attributes, EveryPrefixIsSafe) {
    const std::string text =
        "duid=\"quoted;x\" ; weight = 2;'q'=1;a=b,c>d;socket=udp:1.2.3.4:5060;;";
    for (std::size_t n = 0; n <= text.size(); ++n) {
        const std::string prefix = text.substr(0, n);
        const auto attrs = parse_attributes(std::string_view(prefix.data(), prefix.size()));
        if (attrs) {
            EXPECT_TRUE(prefix.starts_with(attrs->body));
        } else {
            EXPECT_FALSE(attrs.error().message.empty());
        }
    }
}

}  // namespace
}  // namespace lb::cp
