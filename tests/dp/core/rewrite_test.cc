#include "dp/core/rewrite.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <random>
#include <string>

#include "dp/core/checks.h"
#include "dp/core/rewrite_usual.h"
#include "dp/core/route.h"
#include "dp/sip/branch.h"
#include "dp/sip/parser.h"
#include "tests/support/appliance.h"

namespace lb::core {
namespace {

constexpr std::string_view kService = "10.77.0.1:5060";

struct Rewritten {
    std::string text;  // empty: it did not fit
    bool usual = false;
};

class RewriteTest : public ::testing::Test {
protected:
    RewriteTest() {
        appliance_.listen(kService, 0);
        appliance_.dispatch.services[0].set = 1;
        appliance_.add_set(1, {"10.77.0.101:5060"});
        appliance_.add_neighbour("10.77.0.101");
    }

    // What route() does before it asks whether it is a request.
    Context take_in(net::Packet& packet, std::string_view text) {
        Scratch& scratch = *appliance_.scratch;
        Context context{packet, appliance_.tables, scratch};
        scratch.edits.clear();
        EXPECT_EQ(net::parse_frame(packet, scratch.frame, true), net::FrameError::kNone);
        context.interface = 0;
        context.listener = 0;
        EXPECT_EQ(sip::parse(scratch.frame.payload, scratch.message), sip::Error::kNone) << text;
        return context;
    }

    // The steps of route(); `listed`: by the edit list whatever the plan is.
    Rewritten rewrite(std::string_view text, const Endpoint& source, std::uint32_t headroom,
                      bool listed) {
        test::FrameBuffer frame(source, test::at(kService), text);
        frame.packet.headroom = std::min(frame.packet.headroom, headroom);
        Context context = take_in(frame.packet, text);
        Scratch& scratch = context.scratch;
        sip::Message& message = scratch.message;
        EXPECT_TRUE(read_addresses(message)) << text;
        context.transaction = sip::transaction_number(context.tables.secret, message);
        const LooseRoute route = loose_route(context);
        const NextHop next = find_next_hop(context, route);
        EXPECT_EQ(next.kind, NextHop::Kind::kSend) << text;

        RequestPlan plan = plan_request(context, route, next, 0);
        const bool usual = plan.usual;
        if (usual && plan.pops_route) ++popping_;
        if (listed && usual) list_request_edits(context, route, next, plan);
        EXPECT_TRUE(scratch.edits.ok());
        return {std::string(as_text(rewrite_request(context, plan))), usual};
    }

    // What route() sends, which does all of it in line for most; nothing: it sends nothing on.
    std::optional<std::string> relayed(std::string_view text, const Endpoint& source,
                                       std::uint32_t headroom) {
        test::FrameBuffer frame(source, test::at(kService), text);
        frame.packet.headroom = std::min(frame.packet.headroom, headroom);
        const Verdict verdict = route(frame.packet, appliance_.tables, *appliance_.scratch);
        if (verdict.action != Action::kForward && verdict.action != Action::kSlowPath)
            return std::nullopt;
        net::FrameView sent;
        EXPECT_EQ(net::parse_frame(frame.packet, sent, true), net::FrameError::kNone) << text;
        return std::string(sent.payload);
    }

    Rewritten rewrite_reply_of(std::string_view text, const Endpoint& source, bool listed) {
        test::FrameBuffer frame(source, test::at(kService), text);
        Context context = take_in(frame.packet, text);
        const std::string_view via = own_via(context.message());
        const bool usual = is_usual_reply(context, via);
        const Bytes rewritten =
            usual && !listed ? rewrite_usual_reply(context, via) : rewrite_reply(context, via);
        return {std::string(as_text(rewritten)), usual};
    }

    test::Appliance appliance_;
    std::mt19937 random_{20251122};

    bool coin() { return random_() % 2 == 0; }
    template <std::size_t N>
    std::string one_of(const char* const (&texts)[N]) {
        return texts[random_() % N];
    }
    std::string letters(std::size_t max) { return std::string(1 + random_() % max, 'x'); }
    std::string make_request(const std::string& source);
    std::string make_reply(const std::string& source);
    std::size_t popping_ = 0;  // usual requests whose Route went
};

std::string RewriteTest::make_request(const std::string& source) {
    const std::string host = coin() ? source : one_of({"192.168.1.5", "phone.example.com"});
    const std::string method = one_of({"INVITE", "INVITE", "MESSAGE", "REGISTER", "SUBSCRIBE"});
    std::string via = "SIP/2.0/UDP " + host + one_of({"", ":5060", ":1", ":65535"});
    std::string params[] = {";branch=z9hG4bK" + letters(70),
                            one_of({";rport", ";rport", ";rport", ";rport=7", ";rport=40000", ""}),
                            one_of({"", "", "", ";received=192.0.2.1", ";alias"})};
    std::shuffle(std::begin(params), std::end(params), random_);
    for (const std::string& param : params) via += param;
    if (random_() % 8 == 0) via += ", SIP/2.0/UDP 10.1.2.3;branch=z9hG4bKother";

    // A destination is led by the Request-URI.
    const std::string to = source == "10.77.0.101" ? "203.0.113.5" : "example.com";
    std::string text = method + " sip:" + letters(90) + "@" + to + " SIP/2.0\r\n";
    if (coin()) text += "Subject: " + letters(40) + "\r\n";
    if (random_() % 8 == 0) text += "Route: <sip:10.77.0.1;lr>\r\n";
    text += one_of({"Via: ", "v:", "VIA :  "}) + via + "\r\n";
    if (coin()) text += "Max-Forwards: " + one_of({"70", "1", "300"}) + "\r\n";
    if (random_() % 3 == 0) {
        text += one_of({"Route: <sip:10.77.0.1;lr>\r\n", "Route: <sip:10.77.0.1:5060;lr;x=1>\r\n",
                        "Route: <sip:10.77.0.1;lr>, <sip:10.77.0.101;lr>\r\n",
                        "Route: <sip:10.77.0.1;lr>\r\nRoute: <sip:10.77.0.1;lr>\r\n"});
        if (random_() % 8 == 0) text.insert(text.size() - 3, ";long=" + letters(90));
    }
    text +=
        "From: <sip:a@example.com>;tag=f\r\nTo: <sip:b@example.com>\r\nCall-ID: " + letters(60) +
        "\r\nCSeq: 1 " + method + "\r\n";
    const std::string user = "Contact: <sip:" + letters(20) + "@";
    if (coin()) text += user + source + one_of({":5060>\r\n", ">\r\n", ";ob>\r\n"});
    if (random_() % 4 == 0) text += user + "192.168.1.5:5060>\r\n";
    return text + "Content-Length: 3\r\n\r\nabc";
}

std::string RewriteTest::make_reply(const std::string& source) {
    std::string text = "SIP/2.0 200 " + letters(80) + "\r\n";
    if (random_() % 4 == 0) text += "Subject: " + letters(40) + "\r\n";
    text += one_of({"Via: ", "v:", "VIA :  "});
    std::array<char, sip::kBranchSize> branch;
    sip::write_relay_branch(appliance_.tables.secret, random_(), test::at("10.77.0.9:5060"),
                            table::listener_mark(test::at("10.77.0.1:5060")), branch.data());
    text += "SIP/2.0/UDP 10.77.0.1;branch=" + std::string(branch.data(), branch.size());
    if (random_() % 16 == 0) text += ";x=1";
    text += one_of({", ", "\r\nVia: ", "\r\nVia: ", "\r\n \r\nVia: ", "\r\n ,"});
    text += "SIP/2.0/UDP 10.77.0.9;branch=z9hG4bK" + letters(40) + "\r\n";
    if (coin()) text += "Contact: <sip:b@" + std::string(one_of({"10.1.1.1", "9.8.7.6"})) + ">\r\n";
    text += "From: <sip:a@example.com>;tag=f\r\nTo: <sip:b@example.com>;tag=t\r\nCall-ID: " +
            letters(60) + "\r\nCSeq: 1 INVITE\r\n";
    const std::string user = "Contact: <sip:" + letters(20) + "@";
    if (coin()) text += user + source + one_of({":5060>\r\n", ">\r\n", ";ob>\r\n"});
    return text + "Content-Length: 3\r\n\r\nabc";
}

TEST_F(RewriteTest, UsualRequestsComeOutAsByTheEditList) {
    std::size_t usual = 0, fitting = 0;
    constexpr std::size_t kRounds = 20000;
    for (std::size_t round = 0; round < kRounds; ++round) {
        if (round % 100 == 0) {
            table::Service& service = appliance_.dispatch.services[0];
            service.nat = static_cast<table::Nat>(round / 100 % 3);
            service.record_route = coin();
            service.enable_full_lr = coin();
            service.path = coin();
            service.set_host = random_() % 8 == 0;
            appliance_.build();
        }
        const std::string host =
            one_of({"9.8.7.6", "198.51.100.17", "192.168.100.200", "10.77.0.101"});
        const Endpoint source =
            test::at(host + one_of({":1", ":80", ":999", ":5060", ":12345", ":65535"}));
        const std::string text = make_request(host);
        const std::uint32_t headroom =
            random_() % 4 == 0 ? static_cast<std::uint32_t>(random_() % 300) : 1024;
        const Rewritten fast = rewrite(text, source, headroom, false);
        const Rewritten slow = rewrite(text, source, headroom, true);
        ASSERT_EQ(fast.text, slow.text) << text;
        const std::optional<std::string> sent = relayed(text, source, headroom);
        if (sent) {
            ASSERT_EQ(*sent, slow.text) << text;
        } else {  // there is no room for it, or no route to where a destination sends it
            ASSERT_TRUE(slow.text.empty() || host == "10.77.0.101") << text;
        }
        usual += fast.usual;
        fitting += !fast.text.empty();
        if (HasFailure()) return;
    }
    EXPECT_GT(usual, kRounds / 20);
    EXPECT_LT(usual, kRounds * 19 / 20);
    EXPECT_GT(fitting, kRounds / 2);
    EXPECT_LT(fitting, kRounds);
    EXPECT_GT(popping_, kRounds / 40);
}

TEST_F(RewriteTest, UsualRepliesComeOutAsByTheEditList) {
    std::size_t usual = 0;
    constexpr std::size_t kRounds = 10000;
    for (std::size_t round = 0; round < kRounds; ++round) {
        if (round % 100 == 0) {
            appliance_.dispatch.services[0].nat = static_cast<table::Nat>(round / 100 % 3);
            appliance_.build();
        }
        const std::string host = one_of({"9.8.7.6", "192.168.100.200", "10.77.0.101"});
        const std::string text = make_reply(host);
        const Rewritten fast = rewrite_reply_of(text, test::at(host + ":5060"), false);
        const Rewritten slow = rewrite_reply_of(text, test::at(host + ":5060"), true);
        ASSERT_EQ(fast.text, slow.text) << text;
        ASSERT_EQ(relayed(text, test::at(host + ":5060"), 1024), slow.text) << text;
        usual += fast.usual;
        if (HasFailure()) return;
    }
    EXPECT_GT(usual, kRounds / 20);
    EXPECT_LT(usual, kRounds * 19 / 20);
}

TEST(rport_text, is_what_every_port_is_printed_as) {
    for (unsigned port = 0; port <= 65535; ++port) {
        const RportText text(static_cast<std::uint16_t>(port));
        std::array<char, RportText::kRoom> room{};
        text.write(room.data());
        ASSERT_EQ(std::string_view(room.data(), text.size), ";rport=" + std::to_string(port));
    }
}

}  // namespace
}  // namespace lb::core
