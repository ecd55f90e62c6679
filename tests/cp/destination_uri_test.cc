#include <gtest/gtest.h>

#include <set>

#include "cp/dispatcher.h"
#include "tests/cp/golden_tsv.h"

namespace lb::cp {
namespace {

// Kamailio takes these; we do not, because their text would go into our messages or names no host.
const std::set<std::string> kRefusedByUs = {
    "sip:127.0.61.1 ", "sip:127.0.61.1 x", "sip:a b@127.0.61.1", "tel:+4912",
    "tel:1",           "urn:service:sos",
};
// Kamailio refused these for lack of an IPv6 listener.
const std::set<std::string> kTakenByUs = {"sip:[::1]", "sip:[::1]:99", "[::1]:5060", "sip:u@[::1]"};

TEST(DestinationUri, AsKamailioReadsThem) {
    std::size_t differing = 0;
    for (const auto& row : test::read_golden("uris.tsv")) {
        ASSERT_EQ(row.size(), 6u);
        SCOPED_TRACE("destination: " + row[0]);
        const auto uri = parse_destination_uri(row[0]);
        if (kRefusedByUs.contains(row[0]) || kTakenByUs.contains(row[0])) {
            EXPECT_EQ(row[1] == "ok", kRefusedByUs.contains(row[0]));
            EXPECT_EQ(uri.has_value(), kTakenByUs.contains(row[0]));
            ++differing;
            continue;
        }
        ASSERT_EQ(uri.has_value(), row[1] == "ok");
        if (!uri) continue;
        EXPECT_EQ(uri->uri, row[2]);
        EXPECT_EQ(uri->host, row[3]);
        EXPECT_EQ(std::to_string(uri->port), row[4]);
        EXPECT_EQ(std::to_string(uri->protocol), row[5]);
        EXPECT_EQ(uri->literal.has_value(), IpAddress::parse(row[3]).has_value());
    }
    EXPECT_EQ(differing, kRefusedByUs.size() + kTakenByUs.size());
}

TEST(DestinationUri, Ipv6) {
    const auto uri = parse_destination_uri("[2001:db8::1]:5070;transport=udp");
    ASSERT_TRUE(uri);
    EXPECT_EQ(uri->uri, "sip:[2001:db8::1]:5070;transport=udp");
    EXPECT_EQ(uri->host, "2001:db8::1");
    EXPECT_EQ(uri->port, 5070);
    EXPECT_EQ(uri->protocol, 1);
    EXPECT_EQ(uri->literal, IpAddress::parse("2001:db8::1"));
    EXPECT_FALSE(parse_destination_uri("sip:[1.2.3.4]"));
    EXPECT_FALSE(parse_destination_uri("sip:[2001:db8::1]x"));
    EXPECT_FALSE(parse_destination_uri("sip:[]"));
}

TEST(DestinationUri, Bounds) {
    EXPECT_TRUE(parse_destination_uri("sip:" + std::string(254, 'h')));
    EXPECT_FALSE(parse_destination_uri("sip:" + std::string(255, 'h')));
    // "sip:" is put in front of less than 500 characters only.
    const std::string tail = ";p=" + std::string(480, 'x');
    EXPECT_TRUE(parse_destination_uri("1.2.3.4" + tail));
    EXPECT_FALSE(parse_destination_uri("1.2.3.4" + tail + std::string(10, 'x')));
    EXPECT_TRUE(parse_destination_uri("sip:1.2.3.4" + tail + std::string(10, 'x')));
}

TEST(DestinationUri, NothingThatCouldForgeAHeaderLine) {
    EXPECT_FALSE(parse_destination_uri("sip:1.2.3.4\r\nX: y"));
    EXPECT_FALSE(parse_destination_uri("sip:1.2.3.4;a=\"b\""));
    EXPECT_FALSE(parse_destination_uri("sip:1.2.3.4>;tag=x"));
    EXPECT_FALSE(parse_destination_uri(std::string_view("sip:1.2\0.3", 10)));
}

TEST(DestinationUri, ErrorsNameTheText) {
    const auto uri = parse_destination_uri("sip:1.2.3.4:99999");
    ASSERT_FALSE(uri);
    EXPECT_EQ(uri.error().message, "destination \"sip:1.2.3.4:99999\": the port is above 65535");
}

TEST(Destination, OverUdp) {
    const auto over_udp = [](std::string uri, std::uint8_t protocol) {
        Destination d;
        d.uri = std::move(uri);
        d.protocol = protocol;
        return d.over_udp();
    };
    EXPECT_TRUE(over_udp("sip:1.2.3.4", 0));
    EXPECT_TRUE(over_udp("sip:1.2.3.4;transport=udp", 1));
    EXPECT_FALSE(over_udp("sip:1.2.3.4;transport=tcp", 2));
    EXPECT_FALSE(over_udp("SIPS:1.2.3.4", 0));
}

}  // namespace
}  // namespace lb::cp
