#include "dp/sip/uri.h"

#include <gtest/gtest.h>

#include "dp/sip/parser.h"
#include "tests/support/guarded_bytes.h"

namespace lb::sip {
namespace {

TEST(Uri, WholeForm) {
    Uri uri;
    ASSERT_TRUE(parse_uri("SIP:bob:pw@Example.com:5070;lr;user=phone?a=b", uri));
    EXPECT_EQ(uri.scheme, Scheme::kSip);
    EXPECT_EQ(uri.user, "bob");
    EXPECT_EQ(uri.password, "pw");
    EXPECT_EQ(uri.host, "Example.com");
    EXPECT_EQ(uri.port_text, "5070");
    EXPECT_EQ(uri.port, 5070);
    EXPECT_EQ(uri.host_port, "Example.com:5070");
    EXPECT_EQ(uri.params, ";lr;user=phone");
    EXPECT_EQ(uri.headers, "?a=b");
    EXPECT_TRUE(is_user_phone(uri));
    EXPECT_TRUE(uri.has_user);
}

struct Row {
    std::string_view text;
    bool good;
    std::string_view user, host_port;
    std::uint16_t port;
};

constexpr Row kRows[] = {
    {"sip:example.com", true, "", "example.com", 0},
    {"sips:a@b:5061", true, "a", "b:5061", 5061},
    {"sip:host:", true, "", "host:", 0},
    {"sip:@host", true, "", "host", 0},
    {"sip:[2001:db8::1]:5070;lr", true, "", "[2001:db8::1]:5070", 5070},
    {"sip:[2001:db8::10:5070]", true, "", "[2001:db8::10:5070]", 0},
    {"sip:[2001:db8:::192.0.2.1]", true, "", "[2001:db8:::192.0.2.1]", 0},
    {"sip:2001:db8::10", false, "", "", 0},
    {"sip:user;par=u%40example.net@example.com", true, "user;par=u%40example.net", "example.com",
     0},
    {"sip:sips%3Auser%40example.com@example.net", true, "sips%3Auser%40example.com", "example.net",
     0},
    {"sip:+1-2_3.4~(x)@h?x", true, "+1-2_3.4~(x)", "h", 0},
    {"tel:+12345;phone-context=x", true, "+12345", "", 0},
    {"tel:", false, "", "", 0},
    {"soap.beep://192.0.2.103:3002", true, "", "", 0},
    {"sip:", false, "", "", 0},
    {"sip:a@", false, "", "", 0},
    {"sip:a@b@c", false, "", "", 0},
    {"sip:a@b:65536", false, "", "", 0},
    {"sip:a@b:5x", false, "", "", 0},
    {"sip:a@[::1", false, "", "", 0},
    {"sip:a@[]", false, "", "", 0},
    {"sip:a@[::1]x", false, "", "", 0},
    {"sip:a@b c", false, "", "", 0},
    {"bob@example.com", false, "", "", 0},
    {"bob", false, "", "", 0},
    {"", false, "", "", 0},
    {":", false, "", "", 0},
};

TEST(Uri, Rows) {
    for (const Row& row : kRows) {
        const test::GuardedBytes bytes(row.text);
        Uri uri;
        EXPECT_EQ(parse_uri(bytes.text(), uri), row.good) << row.text;
        if (!row.good) continue;
        EXPECT_EQ(uri.user, row.user) << row.text;
        EXPECT_EQ(uri.host_port, row.host_port) << row.text;
        EXPECT_EQ(uri.port, row.port) << row.text;
    }
}

TEST(Uri, FindParam) {
    EXPECT_EQ(find_param(";lr;sl=1 ; x = \"a;lr=2\" ;y", "sl"), "1");
    EXPECT_EQ(find_param(";lr;sl=1 ; x = \"a;z=2\" ;y", "X"), "\"a;z=2\"");
    EXPECT_EQ(find_param(";lr;x=\"a;z=2\"", "z"), std::nullopt);
    EXPECT_EQ(find_param(";lr", "LR"), "");
    EXPECT_EQ(find_param(";;lr", "lr"), "");
    EXPECT_EQ(find_param("", "lr"), std::nullopt);
    EXPECT_EQ(find_param(";lrx", "lr"), std::nullopt);
    EXPECT_EQ(find_param(";a=\"open;lr", "lr"), std::nullopt);
}

TEST(Uri, LiteralHost) {
    EXPECT_EQ(literal_host("192.0.2.1"), IpAddress::parse("192.0.2.1"));
    EXPECT_EQ(literal_host("[2001:db8::1]"), IpAddress::parse("2001:db8::1"));
    EXPECT_EQ(literal_host("2001:db8::1"), IpAddress::parse("2001:db8::1"));
    EXPECT_EQ(literal_host("[192.0.2.1]"), std::nullopt);
    EXPECT_EQ(literal_host("example.com"), std::nullopt);
    EXPECT_EQ(literal_host("[::1"), std::nullopt);
    EXPECT_EQ(literal_host(""), std::nullopt);
}

struct AddressRow {
    std::string_view text;
    bool good;
    std::string_view uri, params, tag, rest;
};

constexpr AddressRow kAddressRows[] = {
    {"<sip:a@b;lr>", true, "sip:a@b;lr", "", "", ""},
    {" <sip:a>;x=1 , <sip:b>", true, "sip:a", ";x=1", "", " <sip:b>"},
    {"\"A, <b>\\\"\" <sip:a,b@c>;tag=7,sip:x", true, "sip:a,b@c", ";tag=7", "7", "sip:x"},
    {"sip:a@b;tag=1;x, sip:c", true, "sip:a@b", ";tag=1;x", "1", " sip:c"},
    {"Bob<sip:b@c>", true, "sip:b@c", "", "", ""},
    {"< sip:t@x >", true, "sip:t@x", "", "", ""},
    {"<sip:a@b;tag=5>", true, "sip:a@b;tag=5", "", "", ""},
    {"<sip:a>;tag = 9 ;y", true, "sip:a", ";tag = 9 ;y", "9", ""},
    {"<sip:a>;x=\"1,2\",<sip:b>", true, "sip:a", ";x=\"1,2\"", "", "<sip:b>"},
    {"\"Mr. J. User <sip:j@x>", false, "", "", "", ""},
    {"<sip:a", false, "", "", "", ""},
    {"<>", false, "", "", "", ""},
    {"<sip:a> x", false, "", "", "", ""},
    {"", false, "", "", "", ""},
    {",", false, "", "", "", ""},
};

TEST(NameAddr, Rows) {
    for (const AddressRow& row : kAddressRows) {
        const test::GuardedBytes bytes(row.text);
        NameAddr value;
        std::string_view rest;
        EXPECT_EQ(parse_name_addr(bytes.text(), value, rest), row.good) << row.text;
        if (!row.good) continue;
        EXPECT_EQ(value.uri, row.uri) << row.text;
        EXPECT_EQ(value.params, row.params) << row.text;
        EXPECT_EQ(value.tag, row.tag) << row.text;
        EXPECT_EQ(rest, row.rest) << row.text;
    }
}

TEST(NameAddr, FromAndToKeepCommas) {
    NameAddr from;
    ASSERT_TRUE(parse_from_to("Bell, Alexander <sip:a@b>;tag=43", from));
    EXPECT_EQ(from.uri, "sip:a@b");
    EXPECT_EQ(from.tag, "43");
    ASSERT_TRUE(parse_from_to("sip:a@b;tag=43", from));
    EXPECT_EQ(from.uri, "sip:a@b");
    EXPECT_EQ(from.whole, "sip:a@b;tag=43");
    ASSERT_TRUE(parse_from_to("\\\"arik\\\" <sip:a@b>;tag=6", from));
    EXPECT_EQ(from.uri, "sip:a@b");
}

}  // namespace
}  // namespace lb::sip
