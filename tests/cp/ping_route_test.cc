#include "cp/ping_route.h"

#include <gtest/gtest.h>

namespace lb::cp {
namespace {

Endpoint endpoint(const char* text) { return *Endpoint::parse(text); }

PingRoute::Options listeners() {
    PingRoute::Options options;
    options.listeners = {{endpoint("127.0.60.1:5060"), "first"},
                         {endpoint("127.0.60.1:5080"), "second"},
                         {endpoint("[2001:db8::1]:5060"), "six"},
                         {endpoint("[2001:db8::1]:5080"), ""}};
    return options;
}

std::string local(const PingRoute::Options& options, const Attributes& attrs,
                  Family family = Family::kIpv4) {
    Destination destination;
    destination.attrs = attrs;
    const char* const remote = family == Family::kIpv4 ? "127.0.61.1" : "2001:db8::61";
    const auto found = PingRoute(options).local(destination, *IpAddress::parse(remote));
    return found ? found->text() : "none";
}

// golden/relay/ping-02-attrs and ping-04-default-socket, and the order of spec/dispatcher.md 5.1.
TEST(PingRoute, ChoosesWhereToSendFrom) {
    PingRoute::Options options = listeners();
    Attributes attrs;
    EXPECT_EQ(local(options, attrs), "127.0.60.1:5060");
    EXPECT_EQ(local(options, attrs, Family::kIpv6), "[2001:db8::1]:5060");
    EXPECT_EQ(local({}, attrs), "none");

    options.ds_default_socket = "udp:127.0.60.1:5080";
    EXPECT_EQ(local(options, attrs), "127.0.60.1:5080");
    EXPECT_EQ(local(options, attrs, Family::kIpv6), "[2001:db8::1]:5060") << "not of this family";
    options.ds_default_sockname = "first";
    EXPECT_EQ(local(options, attrs), "127.0.60.1:5060");
    EXPECT_EQ(local(options, attrs, Family::kIpv6), "[2001:db8::1]:5060") << "nor is that";
    options.ds_ping_socket = "127.0.60.1:5080";
    EXPECT_EQ(local(options, attrs), "127.0.60.1:5080");

    attrs = *parse_attributes("socket=udp:127.0.60.1:5060");
    EXPECT_EQ(local(options, attrs), "127.0.60.1:5060");
    attrs = *parse_attributes("socket=udp:127.0.60.1:5060;sockname=second");
    EXPECT_EQ(local(options, attrs), "127.0.60.1:5080");
    attrs = *parse_attributes("socket=udp:127.0.60.1:5060;sockname=Second");
    EXPECT_EQ(local(options, attrs), "127.0.60.1:5080") << "in any case";
    attrs = *parse_attributes("sockname=second;ping_socket=udp:127.0.60.1");
    EXPECT_EQ(local(options, attrs), "127.0.60.1:5060");
    attrs = *parse_attributes("sockname=second;ping_socket=UDP:127.0.60.1");
    EXPECT_EQ(local(options, attrs), "127.0.60.1:5060") << "as the table reads it for relaying";
    attrs = *parse_attributes("sockname=second;ping_socket=udp:127.0.60.9:5060");
    EXPECT_EQ(local(options, attrs), "127.0.60.1:5080") << "nobody listens there: the next choice";

    attrs = *parse_attributes("socket=udp:[2001:db8::1]:5080");
    EXPECT_EQ(local(options, attrs, Family::kIpv6), "[2001:db8::1]:5080");
}

TEST(PingRoute, LeavesByTheListenerOnTheWay) {
    PingRoute::Options options = listeners();
    options.listeners.push_back({endpoint("127.0.61.254:5060"), "near"});
    options.on_the_way = [](const IpAddress& ours, const IpAddress& remote) {
        return ours.text() == "127.0.61.254" && remote.text() == "127.0.61.1";
    };
    Attributes attrs;
    EXPECT_EQ(local(options, attrs), "127.0.61.254:5060");
    attrs = *parse_attributes("sockname=second");
    EXPECT_EQ(local(options, attrs), "127.0.60.1:5080") << "what the row says comes first";
}

TEST(PingRoute, ChoosesTheNextHop) {
    PingRoute::Options options = listeners();
    Destination destination;
    EXPECT_EQ(PingRoute(options).remote(destination), PingHop{}) << "not resolved";
    destination.endpoints = {endpoint("10.0.0.9:5070"), endpoint("10.0.0.10:5070")};
    EXPECT_EQ(PingRoute(options).remote(destination).endpoint, endpoint("10.0.0.9:5070"));

    options.outbound_proxy = "sip:127.0.64.8";
    EXPECT_EQ(PingRoute(options).remote(destination).endpoint, endpoint("127.0.64.8:5060"));
    struct Row {
        const char* obproxy;
        const char* hop;
    };
    constexpr Row kRows[] = {
        {"sip:127.0.64.9:5060;lr", "127.0.64.9:5060"},   {"sip:127.0.64.9:5070", "127.0.64.9:5070"},
        {"<sip:127.0.64.9:5070;lr>", "127.0.64.9:5070"}, {"127.0.64.9:5071", "127.0.64.9:5071"},
        {"sip:[2001:db8::9];lr", "[2001:db8::9]:5060"},
    };
    for (const Row& row : kRows) {
        const std::string text = "obproxy=\"" + std::string(row.obproxy) + '"';
        destination.attrs = *parse_attributes(text);
        EXPECT_EQ(PingRoute(options).remote(destination).endpoint, endpoint(row.hop))
            << row.obproxy;
    }
    for (const char* bad : {"sip:", "<", "sip:proxy.example.net", "tel:+1"}) {
        const std::string text = "obproxy=\"" + std::string(bad) + '"';
        destination.attrs = *parse_attributes(text);
        EXPECT_EQ(PingRoute(options).remote(destination), PingHop{}) << bad;
    }
    options.resolve = [](std::string_view host, std::uint16_t port) -> PingHop {
        EXPECT_EQ(host, "proxy.example.net");
        if (port == 0) return {std::nullopt, true};
        return {Endpoint{*IpAddress::parse("10.9.9.9"), port}, false};
    };
    destination.attrs = *parse_attributes("obproxy=sip:proxy.example.net:5090");
    EXPECT_EQ(PingRoute(options).remote(destination).endpoint, endpoint("10.9.9.9:5090"));
    destination.attrs = *parse_attributes("obproxy=sip:proxy.example.net");
    EXPECT_TRUE(PingRoute(options).remote(destination).asking);
}

}  // namespace
}  // namespace lb::cp
