#include "dp/core/loose_route.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>

#include "dp/base/keyed_hash.h"
#include "dp/core/checks.h"
#include "dp/core/next_hop.h"
#include "dp/sip/branch.h"
#include "dp/sip/parser.h"
#include "tests/support/appliance.h"

namespace lb::core {
namespace {

constexpr const char* kListeners[] = {"10.77.0.1:5060", "10.77.0.1:5070", "[fd77::1]:5060",
                                      "[fd77::1]:5061"};

class LooseRouteTest : public ::testing::Test {
protected:
    LooseRouteTest() {
        for (const char* const listener : kListeners) appliance_.listen(listener, 0);
        appliance_.dispatch.services[0].set = 1;
        appliance_.add_set(1, {"10.77.0.101:5060"});
        appliance_.build();
    }

    template <std::size_t N>
    std::string one_of(const char* const (&texts)[N]) {
        return texts[random_() % N];
    }
    // One in that many is odd.
    bool odd(unsigned many) { return random_() % many == 0; }

    std::string make_cookie(std::string_view call_id);
    std::string make_route(table::ListenerIndex listener, std::string_view call_id);
    std::string make_request(table::ListenerIndex listener);
    void compare(std::string_view text, table::ListenerIndex listener);

    test::Appliance appliance_;
    std::mt19937 random_{20251127};
    std::size_t usual_ = 0, forged_ = 0, recovered_ = 0;
};

std::string LooseRouteTest::make_cookie(std::string_view call_id) {
    char hex[16];
    write_hex64(sip::dialog_cookie(appliance_.tables.secret, call_id), hex);
    std::string cookie(hex, sizeof hex);
    if (odd(2)) cookie[random_() % 16] = one_of({"0", "f", "A", "F", "g", ">", " ", ";"})[0];
    if (odd(16)) cookie.pop_back();
    if (odd(16)) cookie += one_of({"0", ";x", ";sl=0", "?a=b"});
    return cookie;
}

std::string LooseRouteTest::make_route(table::ListenerIndex listener, std::string_view call_id) {
    if (odd(8)) listener = static_cast<table::ListenerIndex>(random_() % 4);
    std::string value = appliance_.dispatch.listeners[listener].record_route_uri;
    if (odd(16)) value = one_of({"<sip:10.77.0.101", "<sip:10.77.0.1:5071", "<sip:us.example.com"});
    if (odd(16)) value.insert(5, "user@");
    value += one_of({";lr", ";lr", ";lr", ";lr=on", ";r2=on;lr", ""});
    if (!odd(16)) value += ";sl=" + make_cookie(call_id);
    if (!odd(32)) value += '>';
    if (odd(16)) value += one_of({";x=1", " ", ","});
    return odd(16) ? "Us " + value : value;
}

std::string LooseRouteTest::make_request(table::ListenerIndex listener) {
    std::string uri = "sip:bob@";
    if (odd(2)) uri = one_of({"sip:", "sip:", "SIP:", "tel:"}) + one_of({"bob@", "@", "b:c@", ""});
    uri += odd(4) ? appliance_.dispatch.listeners[listener].record_route_uri.substr(5)
                  : one_of({"10.1.2.3", "10.77.0.101", "198.51.100.200:5060", "10.1.2.3:65536",
                            "10.1.2.3:0", "10.1.2.3:", "10.77.0.1:00005060", "10.77.0.1:0",
                            "example.com", "[fd77::2]:5060", "10.1.2", "::1"});
    uri += one_of({"", "", "", ";lr", ";ob", ";maddr=10.9.9.9", ";transport=tcp", "?a=b"});

    const std::string call_id(1 + random_() % 40, 'x');
    std::string text = "BYE " + uri + " SIP/2.0\r\nVia: SIP/2.0/UDP 9.8.7.6;branch=z9hG4bKb\r\n";
    text += "Route: " + make_route(listener, call_id);
    if (odd(8)) text += one_of({", ", "\r\nRoute: "}) + make_route(listener, call_id);
    return text + "\r\nFrom: <sip:a@example.com>;tag=f\r\nTo: <sip:b@example.com>;tag=t\r\n" +
           "Call-ID: " + call_id + "\r\nCSeq: 2 BYE\r\n\r\n";
}

// A Request-URI that is not known to be plain is parsed, and so is then the Route.
void LooseRouteTest::compare(std::string_view text, table::ListenerIndex listener) {
    test::FrameBuffer frame(test::at("9.8.7.6:5060"), test::at("10.77.0.1:5060"), text);
    Context context{frame.packet, appliance_.tables, *appliance_.scratch};
    ASSERT_EQ(net::parse_frame(frame.packet, context.scratch.frame, true), net::FrameError::kNone);
    context.interface = 0;
    context.listener = listener;
    if (sip::parse(context.scratch.frame.payload, context.message()) != sip::Error::kNone) return;
    ASSERT_TRUE(read_addresses(context.message()));

    const LooseRoute fast = loose_route(context);
    const bool plain = std::exchange(context.message().plain_uri, false);
    const LooseRoute full = loose_route(context);
    EXPECT_FALSE(full.host);
    EXPECT_EQ(fast.next, full.next);
    EXPECT_EQ(fast.request_uri.data(), full.request_uri.data());
    EXPECT_EQ(fast.request_uri, full.request_uri);
    EXPECT_EQ(fast.first, full.first);
    EXPECT_EQ(fast.end, full.end);
    EXPECT_EQ(fast.popped, full.popped);
    EXPECT_EQ(fast.outgoing, full.outgoing);
    EXPECT_EQ(fast.broken, full.broken);
    EXPECT_EQ(fast.cookie_present, full.cookie_present);
    EXPECT_EQ(fast.cookie_valid, full.cookie_valid);
    EXPECT_EQ(fast.next_is_strict, full.next_is_strict);
    EXPECT_EQ(fast.recovered, full.recovered);
    EXPECT_EQ(fast.leads_away, full.leads_away);
    const bool usual = fast.host && fast.leads_away;
    usual_ += usual;
    EXPECT_TRUE(!usual || fast.cookie_valid);
    forged_ += fast.cookie_present && !fast.cookie_valid;
    recovered_ += fast.recovered;
    if (fast.broken) return;

    const auto target = [&](const LooseRoute& route, bool plain_uri) {
        context.message().plain_uri = plain_uri;
        const NextHop next = find_next_hop(context, route);
        const std::string to = next.endpoint == nullptr ? "" : next.endpoint->text();
        return std::to_string(static_cast<int>(next.kind)) + ' ' + std::to_string(next.code) + ' ' +
               std::to_string(next.slot) + ' ' + to;
    };
    EXPECT_EQ(target(fast, plain), target(full, false));
}

TEST_F(LooseRouteTest, UsualRoutesAreFollowedAsByTheFullReader) {
    constexpr std::size_t kRounds = 40000;
    for (std::size_t round = 0; round < kRounds; ++round) {
        if (round % 1000 == 0) {
            appliance_.dispatch.services[0].enable_full_lr = odd(2);
            appliance_.build();
        }
        const auto listener = static_cast<table::ListenerIndex>(random_() % 4);
        const std::string text = make_request(listener);
        compare(text, listener);
        ASSERT_FALSE(HasFailure()) << text;
    }
    EXPECT_GT(usual_, kRounds / 200);
    EXPECT_LT(usual_, kRounds / 2);
    EXPECT_GT(forged_, kRounds / 2000);
    EXPECT_GT(recovered_, kRounds / 200);
}

}  // namespace
}  // namespace lb::core
