#include "dp/core/route.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "dp/net/packet_too_big.h"
#include "dp/sip/branch.h"
#include "dp/sip/parser.h"
#include "dp/table/call_load.h"
#include "tests/support/appliance.h"
#include "tests/support/frames.h"

namespace lb::core {
namespace {

using test::Appliance;
using test::FrameBuffer;
using test::FrameSpec;
using test::kApplianceMac;
using test::Octets;
using test::Outcome;

constexpr std::string_view kClient = "10.77.0.9:5060";
constexpr std::string_view kService = "10.77.0.1:5060";
constexpr std::string_view kBackend = "10.77.0.101:5060";

// A request with the usual headers; `headers` replaces or adds whole lines.
std::string request(std::string_view start, std::string_view headers, std::string_view body = {}) {
    std::string text(start);
    text += " SIP/2.0\r\n";
    text += headers;
    text += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    text += body;
    return text;
}

std::string usual(std::string_view method, std::string_view more = {},
                  std::string_view via = "SIP/2.0/UDP 10.77.0.9:5060;branch=z9hG4bKa1;rport",
                  std::string_view to = "<sip:bob@example.com>") {
    std::string text = "Via: " + std::string(via) + "\r\n";
    text += "Max-Forwards: 70\r\n";
    text += "From: \"Alice\" <sip:alice@example.com>;tag=ft\r\n";
    text += "To: " + std::string(to) + "\r\n";
    text += "Call-ID: call-1@10.77.0.9\r\n";
    text += "CSeq: 1 " + std::string(method) + "\r\n";
    return text + std::string(more);
}

std::string invite(std::string_view more = {}) {
    return request("INVITE sip:bob@example.com", usual("INVITE", more), "v=0\r\n");
}

class RouteTest : public ::testing::Test {
protected:
    RouteTest() {
        appliance.listen(kService, 0);
        appliance.listen("[fd77::1]:5060", 0);
        appliance.dispatch.services[0].set = 1;
        appliance.dispatch.services[0].nat = table::Nat::kOff;
        appliance.add_set(1, {std::string(kBackend)});
        for (const char* peer :
             {"10.77.0.9", "10.77.0.101", "10.77.0.102", "fd77::9", "fd77::101"}) {
            appliance.add_neighbour(peer);
        }
    }

    // The value of the first header line with this name in what was sent.
    static std::string header(const Outcome& outcome, std::string_view name, int nth = 0) {
        std::size_t from = 0;
        for (;;) {
            const std::size_t line = outcome.text.find("\r\n" + std::string(name) + ": ", from);
            if (line == std::string::npos) return "(absent)";
            const std::size_t value = line + name.size() + 4;
            if (nth-- == 0)
                return outcome.text.substr(value, outcome.text.find("\r\n", value) - value);
            from = value;
        }
    }

    static std::string start_line(const Outcome& outcome) {
        return outcome.text.substr(0, outcome.text.find("\r\n"));
    }

    // The reply that a backend makes to a forwarded request: all Vias and Record-Routes, a To tag.
    static std::string reply_to(const Outcome& forwarded, std::string_view status,
                                std::string_view more = {}) {
        sip::Message message;
        EXPECT_EQ(sip::parse(forwarded.text, message), sip::Error::kNone);
        std::string text = "SIP/2.0 " + std::string(status) + "\r\n";
        for (const char* name : {"Record-Route", "Via"}) {
            for (int i = 0; header(forwarded, name, i) != "(absent)"; ++i) {
                text += std::string(name) + ": " + header(forwarded, name, i) + "\r\n";
            }
        }
        text += "From: " + header(forwarded, "From") + "\r\nTo: " + header(forwarded, "To") +
                ";tag=tt\r\n";
        text += "Call-ID: " + header(forwarded, "Call-ID") +
                "\r\nCSeq: " + header(forwarded, "CSeq") + "\r\n";
        return text + std::string(more) + "Content-Length: 0\r\n\r\n";
    }

    Appliance appliance;
};

TEST_F(RouteTest, CountsWhatADestinationGetsAndSends) {
    appliance.dispatch.sets[0].members[0].slot = 3;
    Traffic& traffic = appliance.scratch->state.traffic;
    const auto counts = [&traffic] {
        const TrafficValues values = traffic.read(3);
        return std::array{values.calls, values.requests, values.sent};
    };
    EXPECT_TRUE(appliance.receive(kClient, kService, invite()).sent());
    EXPECT_EQ(counts(), (std::array<std::uint64_t, 3>{0, 0, 0}));  // no rows: nobody counts

    traffic.reserve(8);
    const Outcome sent = appliance.receive(kClient, kService, invite());
    EXPECT_EQ(counts(), (std::array<std::uint64_t, 3>{1, 1, 0}));
    const std::string route = "Route: " + header(sent, "Record-Route") + "\r\n";

    // Led by its Route, not chosen.
    const Outcome bye = appliance.receive(
        kClient, kService,
        request("BYE sip:10.77.0.101", usual("BYE", route, "SIP/2.0/UDP 10.77.0.9;branch=z9hG4bKb",
                                             "<sip:bob@example.com>;tag=tt")));
    ASSERT_TRUE(bye.sent());
    EXPECT_EQ(counts(), (std::array<std::uint64_t, 3>{1, 2, 0}));

    const Outcome from_it =
        appliance.receive(kBackend, kService,
                          request("BYE sip:alice@10.77.0.9",
                                  usual("BYE", route, "SIP/2.0/UDP 10.77.0.101;branch=z9hG4bKc")));
    ASSERT_TRUE(from_it.sent());
    EXPECT_EQ(counts(), (std::array<std::uint64_t, 3>{1, 2, 1}));

    // What has a To tag is no new call, though it is dispatched for want of a Route.
    EXPECT_TRUE(appliance
                    .receive(kClient, kService,
                             request("INVITE sip:bob@example.com",
                                     usual("INVITE", {}, "SIP/2.0/UDP 10.77.0.9;branch=z9hG4bKd",
                                           "<sip:bob@example.com>;tag=tt")))
                    .sent());
    EXPECT_EQ(counts(), (std::array<std::uint64_t, 3>{1, 3, 1}));
    EXPECT_EQ(traffic.read(2).requests + traffic.read(4).requests, 0U);
}

// Algorithm 10 counts what passes by: the call begins with its INVITE and ends by a refusal, a
// CANCEL or a BYE, whichever way through the appliance the message takes.
TEST_F(RouteTest, CountsACallUntilItEnds) {
    const auto calls = table::CallLoad::create({.hash_size = 4});
    appliance.dispatch.calls = calls;
    appliance.dispatch.services[0].algorithm = table::Algorithm::kCallLoad;
    appliance.dispatch.sets[0].texts = {};
    appliance.dispatch.sets[0].texts.push_back({"sip:10.77.0.101", "duid=a", "a", "10.77.0.101"});
    int number = 0;
    const auto via = [&] {
        return "SIP/2.0/UDP 10.77.0.9:5060;rport;branch=z9hG4bKcall" + std::to_string(number);
    };
    const auto begin = [&] {
        ++number;
        const Outcome sent = appliance.receive(
            kClient, kService, request("INVITE sip:bob@example.com", usual("INVITE", {}, via())));
        EXPECT_TRUE(sent.sent());
        EXPECT_EQ(calls->calls(), 1U);
        return sent;
    };

    const Outcome refused = begin();
    appliance.receive(kBackend, kService, reply_to(refused, "180 Ringing"));
    EXPECT_EQ(calls->calls(), 1U);
    appliance.receive(kBackend, kService, reply_to(refused, "486 Busy Here"));
    EXPECT_EQ(calls->calls(), 0U);

    begin();
    appliance.receive(kClient, kService,
                      request("CANCEL sip:bob@example.com", usual("CANCEL", {}, via())));
    EXPECT_EQ(calls->calls(), 0U);

    for (const bool behind_via : {true, false}) {
        const Outcome sent = begin();
        appliance.receive(kBackend, kService, reply_to(sent, "200 OK"));
        EXPECT_EQ(calls->calls(), 1U);
        const std::string route = "Route: " + header(sent, "Record-Route");
        std::string bye_via = "SIP/2.0/UDP 10.77.0.9;branch=z9hG4bKb;rport";
        if (behind_via) bye_via += "\r\n" + route;
        const Outcome bye = appliance.receive(
            kClient, kService,
            request("BYE sip:10.77.0.101", usual("BYE", behind_via ? "" : route + "\r\n", bye_via,
                                                 "<sip:bob@example.com>;tag=tt")));
        EXPECT_TRUE(bye.sent()) << behind_via;
        EXPECT_EQ(calls->calls(), 0U) << behind_via;
    }
}

TEST_F(RouteTest, RelaysAnInviteWithViaRecordRouteAndRport) {
    const Outcome sent = appliance.receive(kClient, kService, invite());
    ASSERT_EQ(sent.verdict.action, Action::kForward);
    EXPECT_EQ(sent.source, test::at(kService));
    EXPECT_EQ(sent.target, test::at(kBackend));
    EXPECT_EQ(start_line(sent), "INVITE sip:bob@example.com SIP/2.0");
    EXPECT_EQ(header(sent, "Record-Route").rfind("<sip:10.77.0.1;lr;sl=", 0), 0U);
    EXPECT_EQ(header(sent, "Via").rfind("SIP/2.0/UDP 10.77.0.1;branch=z9hG4bKsl", 0), 0U);
    EXPECT_EQ(header(sent, "Via", 1),
              "SIP/2.0/UDP 10.77.0.9:5060;received=10.77.0.9;branch=z9hG4bKa1;rport=5060");
    EXPECT_EQ(header(sent, "Max-Forwards"), "69");
    EXPECT_EQ(sent.text.substr(sent.text.size() - 9), "\r\n\r\nv=0\r\n");
}

TEST_F(RouteTest, GivesRetransmissionCancelAndAckTheSameBranch) {
    const std::string branch = header(appliance.receive(kClient, kService, invite()), "Via");
    EXPECT_EQ(header(appliance.receive(kClient, kService, invite()), "Via"), branch);
    for (const char* method : {"CANCEL", "ACK"}) {
        const Outcome sent =
            appliance.receive(kClient, kService,
                              request(std::string(method) + " sip:bob@example.com", usual(method)));
        EXPECT_EQ(header(sent, "Via"), branch) << method;
    }
    const std::string other =
        usual("INVITE", {}, "SIP/2.0/UDP 10.77.0.9:5060;branch=z9hG4bKa2;rport");
    EXPECT_NE(
        header(appliance.receive(kClient, kService, request("INVITE sip:bob@example.com", other)),
               "Via"),
        branch);
}

TEST_F(RouteTest, RelaysTheReplyToWhereTheRequestCameFrom) {
    const Outcome sent = appliance.receive("10.77.0.9:40000", kService, invite());
    const Outcome reply = appliance.receive(kBackend, kService, reply_to(sent, "180 Ringing"));
    ASSERT_EQ(reply.verdict.action, Action::kForward);
    EXPECT_EQ(reply.target, test::at("10.77.0.9:40000"));
    EXPECT_EQ(reply.source, test::at(kService));
    EXPECT_EQ(header(reply, "Via"),
              "SIP/2.0/UDP 10.77.0.9:5060;received=10.77.0.9;branch=z9hG4bKa1;rport=40000");
    EXPECT_EQ(header(reply, "Via", 1), "(absent)");
}

// All of the line of our Via goes, folded lines as well, though nothing is in them.
TEST_F(RouteTest, TakesItsViaOutOfAReplyWithItsWholeLine) {
    appliance.dispatch.services[0].record_route = false;
    const std::string good =
        reply_to(appliance.receive(kClient, kService, invite()), "180 Ringing");
    const std::size_t via_end = good.find("\r\n", good.find("Via: ")) + 2;
    const std::size_t first_end = good.find("\r\n") + 2;
    const std::string expected = good.substr(0, first_end) + good.substr(via_end);
    for (const char* more : {"", " \r\n", "\t\r\n", " \r\n \r\n"}) {
        std::string text = good;
        const Outcome sent = appliance.receive(kBackend, kService, text.insert(via_end, more));
        ASSERT_TRUE(sent.sent());
        EXPECT_EQ(sent.text, expected);
    }
}

// RFC 3581 4: whatever port of ours the request came to, whichever interface it left by.
TEST_F(RouteTest, RepliesLeaveFromWhereTheRequestCameTo) {
    const auto core = appliance.add_interface("core", {"10.88.0.1/24", "fd88::1/64"});
    appliance.listen("10.77.0.1:5070", 0);
    appliance.listen("10.88.0.1:5060", 0);
    const table::ListenerIndex forced = appliance.listen("10.77.0.1:5090", 0);
    appliance.add_neighbour("10.88.0.101", core);
    appliance.dispatch.sets.clear();
    for (const bool same_interface : {false, true}) {
        SCOPED_TRACE(same_interface);
        const std::string backend = same_interface ? std::string(kBackend) : "10.88.0.101:5060";
        appliance.dispatch.sets.clear();
        appliance.add_set(1, {backend});
        if (same_interface) appliance.dispatch.sets[0].members[0].listener = forced;
        appliance.build();
        for (const char* service : {"10.77.0.1:5060", "10.77.0.1:5070"}) {
            const Outcome sent = appliance.receive("10.77.0.9:40000", service, invite());
            ASSERT_EQ(sent.verdict.action, Action::kForward);
            EXPECT_EQ(sent.source, test::at(same_interface ? "10.77.0.1:5090" : "10.88.0.1:5060"));
            const Outcome reply =
                appliance.receive(backend, sent.source.text(), reply_to(sent, "180 Ringing"));
            ASSERT_EQ(reply.verdict.action, Action::kForward) << service;
            EXPECT_EQ(reply.source, test::at(service));
            EXPECT_EQ(reply.target, test::at("10.77.0.9:40000"));
        }
    }
    // Of a listener that is no more.
    const Outcome sent = appliance.receive("10.77.0.9:40000", "10.77.0.1:5070", invite());
    appliance.dispatch.listeners[2].endpoint.port = 5071;
    appliance.build();
    const Outcome late = appliance.receive(kBackend, "10.77.0.1:5090", reply_to(sent, "200 OK"));
    EXPECT_EQ(late.verdict.action, Action::kDrop);
    EXPECT_EQ(late.verdict.reason, DropReason::kBadBranch);
}

// The forced socket, else what it came to, else one of the service's: the first that has the family
// of the target, with those on the way out in front.
TEST_F(RouteTest, LeavesByAnAddressOfTheTargetsFamily) {
    const auto core = appliance.add_interface("core", {"10.88.0.1/24", "fd88::1/64"});
    const table::ListenerIndex other_port = appliance.listen("10.77.0.1:5070", 0);
    constexpr table::ListenerIndex kIpv6 = 1;
    for (const char* peer : {"10.88.0.101", "fd88::101"}) appliance.add_neighbour(peer, core);
    struct Row {
        const char* name;
        const char* came_to;
        const char* target;
        table::ListenerIndex forced;
        const char* source;
    };
    const Row rows[] = {
        {"forced", "10.77.0.1:5060", "10.77.0.101:5060", other_port, "10.77.0.1:5070"},
        {"forced, other family", "10.77.0.1:5070", "10.77.0.101:5060", kIpv6, "10.77.0.1:5070"},
        {"forced, to IPv6", "10.77.0.1:5060", "[fd77::101]:5060", other_port, "[fd77::1]:5060"},
        {"none on the way out", "10.77.0.1:5070", "10.88.0.101:5060", table::kNoListener,
         "10.77.0.1:5070"},
        {"none there, to IPv6", "10.77.0.1:5070", "[fd88::101]:5060", table::kNoListener,
         "[fd77::1]:5060"},
    };
    for (const Row& row : rows) {
        appliance.dispatch.sets.clear();
        appliance.add_set(1, {row.target});
        appliance.dispatch.sets[0].members[0].listener = row.forced;
        appliance.build();
        const Outcome sent = appliance.receive(kClient, row.came_to, invite());
        ASSERT_EQ(sent.verdict.action, Action::kForward) << row.name;
        EXPECT_EQ(sent.source, test::at(row.source)) << row.name;
        EXPECT_EQ(sent.target, test::at(row.target)) << row.name;
    }
    appliance.dispatch.services[0].listeners = {0, other_port};
    appliance.build();
    EXPECT_EQ(start_line(appliance.receive(kClient, kService, invite())),
              "SIP/2.0 477 No address of that family");
}

// Behind a gateway a link may take less than ours: what is too large for it is cut there.
TEST_F(RouteTest, LargeMessagesMayBeCutBehindAGateway) {
    appliance.network.routes.push_back(
        {*Prefix::parse("198.51.100.0/24"), 0, *IpAddress::parse("10.77.0.102"), 0});
    appliance.dispatch.sets.clear();
    appliance.add_set(1, {"198.51.100.7:5060"});
    appliance.add_set(2, {std::string(kBackend)});
    std::uint16_t last = 0;
    std::size_t cut = 0;
    for (const std::int32_t set : {1, 2}) {
        appliance.dispatch.services[0].set = set;
        appliance.build();
        for (std::size_t padding = 700; padding < 1400; ++padding) {
            const Outcome sent = appliance.receive(
                kClient, kService, invite("X: " + std::string(padding, 'x') + "\r\n"));
            ASSERT_TRUE(sent.sent());
            const bool may_be_cut =
                set == 1 && sent.text.size() + net::kIpv4Header + net::kUdpHeader > 1280;
            ASSERT_EQ(sent.dont_fragment, !may_be_cut) << sent.text.size();
            if (!may_be_cut) {
                ASSERT_EQ(sent.ip_id, 0);
                continue;
            }
            ++cut;
            ASSERT_NE(sent.ip_id, last);
            ASSERT_NE(sent.ip_id, 0);
            last = sent.ip_id;
        }
    }
    EXPECT_GT(cut, 100u);
    appliance.dispatch.services[0].set = 1;
    appliance.build();
    appliance.scratch->datagram_id = 0xffff;  // 0 says that nobody may cut it
    const Outcome sent =
        appliance.receive(kClient, kService, invite("X: " + std::string(1400, 'x') + "\r\n"));
    EXPECT_EQ(sent.ip_id, 1);
}

// Over IPv6 a router says so, and from then on it is cut here: for that target, by all workers.
TEST_F(RouteTest, LargeMessagesFollowWhatRoutersSayOverIpv6) {
    constexpr const char* kFar = "[2001:db8:2::7]:5060";
    appliance.network.routes.push_back(
        {*Prefix::parse("2001:db8::/32"), 0, *IpAddress::parse("fd77::102"), 0});
    appliance.add_neighbour("fd77::102");
    appliance.dispatch.sets.clear();
    appliance.add_set(1, {kFar});
    appliance.add_set(2, {"[fd77::103]:5060"});
    appliance.add_neighbour("fd77::103");
    appliance.build();
    core::PathMtus paths;
    appliance.scratch->path_mtus = &paths;

    // The MTU that route() found for an INVITE of this many bytes of UDP payload more or less.
    const auto mtu_for = [&](std::size_t padding, std::size_t& payload) {
        FrameBuffer frame(test::at("[fd77::9]:5060"), test::at("[fd77::1]:5060"),
                          invite("X: " + std::string(padding, 'x') + "\r\n"));
        const Outcome sent = appliance.receive(frame);
        EXPECT_EQ(sent.verdict.action, Action::kForward);
        payload = sent.text.size();
        return frame.packet.path_mtu;
    };
    const auto hear = [&](const char* sender, std::uint16_t port, const char* target,
                          std::uint16_t mtu = 1400) {
        FrameSpec sent;
        sent.source = sender;
        sent.source_port = port;
        sent.target = target;
        const Octets packet = test::udp_frame(sent, Octets(1400, 'x'));
        FrameSpec router;
        router.source = "2001:db8:1::1";
        router.target = "fd77::1";
        Octets octets = test::packet_too_big(router, mtu, ConstBytes(packet).subspan(14));
        std::copy_n(kApplianceMac.bytes.begin(), 6, octets.begin());
        net::Packet heard = test::packet_of(octets);
        // The kernel hears it too.
        EXPECT_EQ(core::route(heard, appliance.tables, *appliance.scratch).action, Action::kPunt);
    };

    std::size_t payload = 0;
    EXPECT_EQ(mtu_for(1000, payload), 0);
    hear("fd77::1", 5999, "2001:db8:2::7");  // no listener of ours
    hear("fd77::5", 5060, "2001:db8:2::7");  // nor this
    EXPECT_EQ(paths.learned(), 0U);
    hear("fd77::1", 5060, "2001:db8:2::8");  // another target
    EXPECT_EQ(mtu_for(1000, payload), 0);
    hear("fd77::1", 5060, "2001:db8:2::7");
    EXPECT_EQ(paths.learned(), 2U);
    std::size_t large = 0;
    for (std::size_t padding = 600; padding < 1300; ++padding) {
        const std::uint16_t mtu = mtu_for(padding, payload);
        const bool asked = payload + net::kIpv6Header + net::kUdpHeader > net::kIpv6MtuMin;
        ASSERT_EQ(mtu, asked ? 1400 : 0) << payload;
        large += asked;
    }
    EXPECT_GT(large, 100U);
    appliance.scratch->state.now_ms += core::PathMtus::kLifeSeconds * 1000;
    EXPECT_EQ(mtu_for(1000, payload), 0);

    // Our own link takes no more than it does: what is cut there has its checksum from us.
    hear("fd77::1", 5060, "2001:db8:2::7", 9000);
    appliance.scratch->checksum_mode = net::ChecksumMode::kOffload;
    for (const std::size_t padding : {std::size_t{500}, std::size_t{2000}}) {
        FrameBuffer frame(test::at("[fd77::9]:5060"), test::at("[fd77::1]:5060"),
                          invite("X: " + std::string(padding, 'x') + "\r\n"));
        ASSERT_EQ(appliance.receive(frame).verdict.action, Action::kForward);
        EXPECT_EQ(frame.packet.path_mtu, 0);
        EXPECT_EQ(frame.packet.unsummed_udp != 0, padding == 500);
    }
    appliance.scratch->checksum_mode = net::ChecksumMode::kSoftware;

    // A neighbour is on our own link, whatever is said about it.
    hear("fd77::1", 5060, "fd77::103");
    appliance.dispatch.services[0].set = 2;
    appliance.build();
    EXPECT_EQ(mtu_for(1000, payload), 0);
}

TEST_F(RouteTest, DropsForgedReplies) {
    const Outcome sent = appliance.receive(kClient, kService, invite());
    const std::string good = reply_to(sent, "200 OK");
    ASSERT_EQ(appliance.receive(kBackend, kService, good).verdict.action, Action::kForward);

    const auto with = [&](std::string_view from, std::string_view to) {
        std::string text = good;
        const std::size_t place = text.find(from);
        EXPECT_NE(place, std::string::npos) << from;
        return text.replace(place, from.size(), to);
    };
    const auto reason = [&](const std::string& text) {
        const Outcome outcome = appliance.receive(kBackend, kService, text);
        EXPECT_EQ(outcome.verdict.action, Action::kDrop);
        return outcome.verdict.reason;
    };
    // Another way back than the one the branch was made for: not with our branch.
    EXPECT_EQ(reason(with("received=10.77.0.9", "received=10.77.0.99")), DropReason::kBadBranch);
    EXPECT_EQ(reason(with("rport=5060", "rport=5061")), DropReason::kBadBranch);
    EXPECT_EQ(reason(with("z9hG4bKsl", "z9hG4bKsl0")), DropReason::kBadBranch);
    EXPECT_EQ(reason(with("10.77.0.1;branch", "10.77.0.5;branch")), DropReason::kNotOurVia);
    EXPECT_EQ(reason(with("received=10.77.0.9", "received=239.1.1.1")), DropReason::kBadNextHop);
    EXPECT_EQ(
        reason("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.77.0.1;branch=z9hG4bKsl1\r\nFrom: "
               "<sip:a@b>;tag=1\r\n"
               "To: <sip:b@c>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"),
        DropReason::kNoReplyRoute);
}

TEST_F(RouteTest, LetsADialogReachThePhoneAndBack) {
    const Outcome sent =
        appliance.receive(kClient, kService, invite("Contact: <sip:alice@10.77.0.9:5060>\r\n"));
    const std::string route = "Route: " + header(sent, "Record-Route") + "\r\n";

    // The backend's BYE goes to the phone's Contact, because it comes from a destination.
    const std::string from_backend =
        request("BYE sip:alice@10.77.0.9:5060",
                usual("BYE", route, "SIP/2.0/UDP 10.77.0.101:5060;branch=z9hG4bKb1",
                      "<sip:alice@example.com>;tag=ft"));
    const Outcome bye = appliance.receive(kBackend, kService, from_backend);
    ASSERT_EQ(bye.verdict.action, Action::kForward);
    EXPECT_EQ(bye.target, test::at(kClient));
    EXPECT_EQ(header(bye, "Route"), "(absent)");

    // The phone's ACK goes to the backend's Contact, because it carries the dialog's cookie.
    const auto ack = [&](const std::string& with_route, std::string_view uri) {
        return request("ACK " + std::string(uri),
                       usual("ACK", with_route, "SIP/2.0/UDP 10.77.0.9:5060;branch=z9hG4bKa9",
                             "<sip:bob@example.com>;tag=tt"));
    };
    EXPECT_EQ(appliance.receive(kClient, kService, ack(route, "sip:srv@10.77.0.102:5080")).target,
              test::at("10.77.0.102:5080"));
}

TEST_F(RouteTest, ARouteMayStandInFrontOfTheVia) {
    const std::string text = "INVITE sip:bob@example.com SIP/2.0\r\nRoute: <sip:10.77.0.1;lr>\r\n" +
                             usual("INVITE", {}, "SIP/2.0/UDP 10.77.0.9;branch=z9hG4bKa1;rport") +
                             "Content-Length: 0\r\n\r\n";
    const Outcome sent = appliance.receive(kClient, kService, text);
    ASSERT_TRUE(sent.sent());
    EXPECT_EQ(header(sent, "Route"), "(absent)");
    EXPECT_EQ(header(sent, "Via", 1),
              "SIP/2.0/UDP 10.77.0.9;received=10.77.0.9;branch=z9hG4bKa1;rport=5060");
    EXPECT_EQ(header(sent, "To"), "<sip:bob@example.com>");
    EXPECT_TRUE(appliance.receive(kBackend, kService, reply_to(sent, "200 OK")).sent());
}

// RFC 3261 16.10 and 16.11, whatever chose the INVITE's destination.
TEST_F(RouteTest, CancelAndAckFollowTheRuleOfTheirInvite) {
    appliance.add_set(2, {"10.77.0.102:5060"});
    table::Rule rule;
    rule.methods = {"INVITE"};
    rule.set = 2;
    appliance.dispatch.services[0].rules = {rule};
    for (const char* method : {"INVITE", "CANCEL", "ACK"}) {
        const Outcome sent =
            appliance.receive(kClient, kService,
                              request(std::string(method) + " sip:bob@example.com", usual(method)));
        ASSERT_TRUE(sent.sent()) << method;
        EXPECT_EQ(sent.target, test::at("10.77.0.102:5060")) << method;
    }
    const Outcome other = appliance.receive(
        kClient, kService, request("MESSAGE sip:bob@example.com", usual("MESSAGE")));
    EXPECT_EQ(other.target, test::at(kBackend));
}

// Also if a header field decides that they lack.
TEST_F(RouteTest, CancelAndAckFollowAnInviteThatAHeaderFieldLed) {
    appliance.add_set(2, {"10.77.0.102:5060", "10.77.0.103:5060"});
    appliance.add_set(3, {"10.77.0.104:5060"});
    table::Rule gold, silver;
    gold.header = "X-Gold";
    gold.set = 2;
    silver.ruri_host = "example.com";
    silver.set = 3;
    appliance.dispatch.services[0].rules = {gold, silver};
    const auto send = [&](const char* method, const char* branch, const char* more) {
        const std::string via =
            "SIP/2.0/UDP 10.77.0.9:5060;rport;branch=z9hG4bK" + std::string(branch);
        return appliance
            .receive(
                kClient, kService,
                request(std::string(method) + " sip:bob@example.com", usual(method, more, via)))
            .target;
    };
    const Endpoint first = send("INVITE", "g", "X-Gold: yes\r\n");
    EXPECT_TRUE(first == test::at("10.77.0.102:5060") || first == test::at("10.77.0.103:5060"));
    const Endpoint plain = send("INVITE", "s", "");
    EXPECT_EQ(plain, test::at("10.77.0.104:5060"));
    for (const char* method : {"CANCEL", "ACK"}) {
        EXPECT_EQ(send(method, "g", ""), first) << method;
        EXPECT_EQ(send(method, "s", ""), plain) << method;
        EXPECT_EQ(send(method, "s", "X-Gold: yes\r\n"), plain) << method;
        EXPECT_EQ(send(method, "unknown", ""), plain) << method;  // by the rules
    }
    EXPECT_EQ(send("INVITE", "g", "X-Gold: yes\r\n"), first);
    EXPECT_EQ(send("MESSAGE", "g2", ""), plain);
}

// Of a dialog that came by here more than once.
TEST_F(RouteTest, TakesAllOfItsOwnRoutesOffTheTop) {
    const Outcome sent = appliance.receive(kClient, kService, invite());
    const std::string own = "Route: " + header(sent, "Record-Route") + "\r\n";
    for (const char* method : {"ACK", "BYE"}) {
        const Outcome led =
            appliance.receive(kClient, kService,
                              request(std::string(method) + " sip:bob@10.77.0.101",
                                      usual(method, own + own + own + own,
                                            "SIP/2.0/UDP 10.77.0.9:5060;branch=z9hG4bKa9;rport",
                                            "<sip:bob@example.com>;tag=tt")));
        ASSERT_EQ(led.verdict.action, Action::kForward) << method;
        EXPECT_EQ(led.target, test::at(kBackend)) << method;
        EXPECT_EQ(header(led, "Route"), "(absent)") << method;
    }
}

TEST_F(RouteTest, ManyForeignRoutesStay) {
    const Outcome sent = appliance.receive(kClient, kService, invite());
    std::string routes = "Route: " + header(sent, "Record-Route") + "\r\n";
    for (int i = 0; i < 31; ++i) routes += "Route: <sip:10.77.0.101;lr>\r\n";
    const Outcome led = appliance.receive(
        kClient, kService,
        request("BYE sip:bob@10.77.0.101",
                usual("BYE", routes, "SIP/2.0/UDP 10.77.0.9:5060;branch=z9hG4bKa9;rport",
                      "<sip:bob@example.com>;tag=tt")));
    ASSERT_EQ(led.verdict.action, Action::kForward);
    EXPECT_EQ(header(led, "Route", 30), "<sip:10.77.0.101;lr>");
    EXPECT_EQ(header(led, "Route", 31), "(absent)");
}

// RFC 3261 26.2.2: TLS on every hop.
TEST_F(RouteTest, DoesNotLeadSipsAnywhere) {
    const Outcome refused =
        appliance.receive(kBackend, kService,
                          request("BYE sips:alice@10.77.0.9",
                                  usual("BYE", {}, "SIP/2.0/UDP 10.77.0.101:5060;branch=z9hG4bKb1",
                                        "<sip:alice@example.com>;tag=ft")));
    EXPECT_EQ(start_line(refused), "SIP/2.0 477 Transport not supported");
}

// RFC 3261 8.2.2.3.
TEST_F(RouteTest, AnAckIsNotRefusedForWhatItRequires) {
    const std::string more = "Proxy-Require: foo\r\n";
    EXPECT_TRUE(
        appliance.receive(kClient, kService, request("ACK sip:bob@example.com", usual("ACK", more)))
            .sent());
    EXPECT_EQ(start_line(appliance.receive(kClient, kService,
                                           request("BYE sip:bob@example.com", usual("BYE", more)))),
              "SIP/2.0 420 Bad Extension");
}

// A phone behind NAT that does not ask for rport gets answers of ours where it gets relayed ones.
TEST_F(RouteTest, AnswersGoThroughNatAsReplies) {
    const std::string via = "SIP/2.0/UDP 192.168.1.5:5062;branch=z9hG4bKn1";
    const std::string text = request("OPTIONS sip:10.77.0.1", usual("OPTIONS", {}, via));
    struct Row {
        table::Nat nat;
        const char* target;
        const char* via;
    };
    const Row rows[] = {
        {table::Nat::kOff, "10.77.0.9:5062", ";received=10.77.0.9"},
        {table::Nat::kAuto, "10.77.0.9:40001", ";received=10.77.0.9;rport=40001"},
        {table::Nat::kAlways, "10.77.0.9:40001", ";received=10.77.0.9;rport=40001"},
    };
    for (const Row& row : rows) {
        appliance.dispatch.services[0].nat = row.nat;
        appliance.build();
        const Outcome reply = appliance.receive("10.77.0.9:40001", kService, text);
        ASSERT_EQ(reply.verdict.action, Action::kReply);
        EXPECT_EQ(reply.target, test::at(row.target));
        EXPECT_EQ(header(reply, "Via"), via + row.via);
    }
}

TEST_F(RouteTest, IsNoOpenRelay) {
    const auto bye = [&](std::string_view uri, std::string_view more) {
        return request("BYE " + std::string(uri),
                       usual("BYE", more, "SIP/2.0/UDP 10.77.0.9:5060;branch=z9hG4bKa9;rport",
                             "<sip:bob@example.com>;tag=tt"));
    };
    struct Row {
        const char* name;
        std::string text;
        const char* first_line;
    };
    const Row rows[] = {
        {"no_cookie", bye("sip:victim@10.77.0.102", "Route: <sip:10.77.0.1;lr>\r\n"),
         "SIP/2.0 403 Forbidden"},
        {"wrong_cookie",
         bye("sip:victim@10.77.0.102", "Route: <sip:10.77.0.1;lr;sl=0123456789abcdef>\r\n"),
         "SIP/2.0 403 Forbidden"},
        {"short_cookie", bye("sip:victim@10.77.0.102", "Route: <sip:10.77.0.1;lr;sl=>\r\n"),
         "SIP/2.0 403 Forbidden"},
        {"second_route",
         bye("sip:x@10.77.0.1", "Route: <sip:10.77.0.1;lr>, <sip:10.77.0.102;lr>\r\n"),
         "SIP/2.0 403 Forbidden"},
        {"strict", bye("sip:10.77.0.1;lr", "Route: <sip:victim@10.77.0.102>\r\n"),
         "SIP/2.0 403 Forbidden"},
        {"to_a_destination", bye("sip:srv@10.77.0.101:5060", "Route: <sip:10.77.0.1;lr>\r\n"),
         "BYE sip:srv@10.77.0.101:5060 SIP/2.0"},
        // Not led by a Route of ours: the dispatcher chooses, whatever the Request-URI or Route
        // says.
        {"foreign_route", bye("sip:victim@10.77.0.102", "Route: <sip:10.77.0.102;lr>\r\n"),
         "BYE sip:victim@10.77.0.102 SIP/2.0"},
    };
    for (const Row& row : rows) {
        const Outcome outcome = appliance.receive(kClient, kService, row.text);
        EXPECT_EQ(start_line(outcome), row.first_line) << row.name;
        EXPECT_NE(outcome.target, test::at("10.77.0.102:5060")) << row.name;
    }
}

// The ACK for a failure has the Route and Request-URI of its INVITE, and the To tag of the reply:
// it goes where the INVITE went.
TEST_F(RouteTest, TheAckForAFailureFollowsTheInviteOfAPhoneWithUsAsOutboundProxy) {
    const std::string route = "Route: <sip:10.77.0.1;lr>\r\n";
    const std::string via = "SIP/2.0/UDP 10.77.0.9:5060;branch=z9hG4bKo;rport";
    const Outcome invited = appliance.receive(
        kClient, kService, request("INVITE sip:bob@sip.example.com", usual("INVITE", route, via)));
    ASSERT_EQ(invited.verdict.action, Action::kForward);
    const Outcome ack =
        appliance.receive(kClient, kService,
                          request("ACK sip:bob@sip.example.com",
                                  usual("ACK", route, via, "<sip:bob@example.com>;tag=busy")));
    EXPECT_EQ(ack.verdict.action, Action::kForward);
    EXPECT_EQ(ack.target, invited.target);
    EXPECT_EQ(header(ack, "Via"), header(invited, "Via"));
    // Nobody is led elsewhere by it.
    const Outcome away = appliance.receive(
        kClient, kService,
        request("ACK sip:bob@203.0.113.5",
                usual("ACK", "Route: <sip:10.77.0.1;lr>, <sip:203.0.113.5;lr>\r\n", via,
                      "<sip:bob@example.com>;tag=busy")));
    EXPECT_EQ(away.verdict.action, Action::kDrop);
}

// A service instead of an address, as of an emergency call (RFC 5031).
TEST_F(RouteTest, DispatchesACallToAServiceByName) {
    for (const char* uri : {"urn:service:sos", "URN:service:sos.police"}) {
        const Outcome sent = appliance.receive(
            kClient, kService, request("INVITE " + std::string(uri), usual("INVITE")));
        EXPECT_EQ(sent.verdict.action, Action::kForward);
        EXPECT_EQ(sent.target, test::at(kBackend));
        EXPECT_EQ(start_line(sent), "INVITE " + std::string(uri) + " SIP/2.0");
    }
    // From a destination it leads nowhere.
    EXPECT_EQ(start_line(appliance.receive(
                  kBackend, kService,
                  request("INVITE urn:service:sos",
                          usual("INVITE", {}, "SIP/2.0/UDP 10.77.0.101:5060;branch=z9hG4bKu")))),
              "SIP/2.0 478 Unresolvable destination");
}

// A Route of ours on what begins something: without a cookie we are a phone's outbound proxy and
// choose; with one the sender says where it goes, and has to be allowed to.
TEST_F(RouteTest, ACookieOnWhatBeginsSomethingIsChecked) {
    const std::string good = header(appliance.receive(kClient, kService, invite()), "Record-Route");
    std::string forged = good;
    forged.replace(forged.find(";sl=") + 4, 16, "0123456789abcdef");
    const auto receive = [&](const std::string& route) {
        return appliance.receive(kClient, kService,
                                 request("INVITE sip:alice@10.77.0.102:5070",
                                         usual("INVITE", "Route: " + route + "\r\n")));
    };
    EXPECT_EQ(receive("<sip:10.77.0.1;lr>").target, test::at(kBackend));
    EXPECT_EQ(receive(good).target, test::at("10.77.0.102:5070"));
    EXPECT_EQ(start_line(receive(forged)), "SIP/2.0 403 Forbidden");

    // A strict router in front of us puts it into the Request-URI.
    for (const bool allowed : {true, false}) {
        std::string uri = allowed ? good : forged;
        uri = uri.substr(1, uri.size() - 2);
        const Outcome led = appliance.receive(
            kClient, kService,
            request("BYE " + uri, usual("BYE", "Route: <sip:alice@10.77.0.102:5070>\r\n",
                                        "SIP/2.0/UDP 10.77.0.9:5060;branch=z9hG4bKs",
                                        "<sip:bob@example.com>;tag=tt")));
        EXPECT_EQ(start_line(led),
                  allowed ? "BYE sip:alice@10.77.0.102:5070 SIP/2.0" : "SIP/2.0 403 Forbidden");
    }
}

TEST_F(RouteTest, GetsAlongWithStrictRouters) {
    const auto bye = [](std::string_view uri, std::string_view more) {
        return request("BYE " + std::string(uri),
                       usual("BYE", more, "SIP/2.0/UDP 10.77.0.101:5060;branch=z9hG4bKb1",
                             "<sip:alice@example.com>;tag=ft"));
    };
    // The next hop is a strict router: it gets its own URI as Request-URI, the real one as the last
    // Route.
    const Outcome ahead = appliance.receive(
        kBackend, kService,
        bye("sip:alice@10.77.0.9",
            "Route: <sip:10.77.0.1;lr>\r\nRoute: <sip:10.77.0.102>, <sip:10.77.0.103;lr>\r\n"));
    EXPECT_EQ(start_line(ahead), "BYE sip:10.77.0.102 SIP/2.0");
    EXPECT_EQ(ahead.target, test::at("10.77.0.102:5060"));
    EXPECT_EQ(header(ahead, "Route"), "<sip:10.77.0.103;lr>");
    EXPECT_EQ(header(ahead, "Route", 1), "<sip:alice@10.77.0.9>");

    // The hop before us was one: our own URI is the Request-URI, the real one the last Route.
    const Outcome behind = appliance.receive(
        kBackend, kService,
        bye("sip:10.77.0.1;lr", "Route: <sip:10.77.0.102;lr>, <sip:alice@10.77.0.9:5070>\r\n"));
    EXPECT_EQ(start_line(behind), "BYE sip:alice@10.77.0.9:5070 SIP/2.0");
    EXPECT_EQ(behind.target, test::at("10.77.0.102:5060"));
    EXPECT_EQ(header(behind, "Route"), "<sip:10.77.0.102;lr>");

    // Our URI without ;lr is none of our Record-Route: nothing was put into its place.
    const Outcome plain = appliance.receive(
        kBackend, kService,
        bye("sip:10.77.0.1", "Route: <sip:10.77.0.102;lr>, <sip:alice@10.77.0.9:5070;lr>\r\n"));
    EXPECT_EQ(start_line(plain), "BYE sip:10.77.0.1 SIP/2.0");
    EXPECT_EQ(plain.target, test::at("10.77.0.102:5060"));
    EXPECT_EQ(header(plain, "Route"), "<sip:10.77.0.102;lr>, <sip:alice@10.77.0.9:5070;lr>");
}

// A URI of a Route that a request line cannot hold does not become its Request-URI.
TEST_F(RouteTest, NoRouteWritesTheRequestLine) {
    for (const char* odd : {"sip:al ice@10.77.0.102", "sip:a@10.77.0.102;x=\r\n y"}) {
        const std::string value = "<" + std::string(odd) + ">";
        struct Row {
            const char* uri;
            std::string routes;
        };
        const Row rows[] = {
            {"sip:10.77.0.1;lr", value},                              // from a strict router
            {"sip:alice@10.77.0.9", "<sip:10.77.0.1;lr>, " + value},  // to one
        };
        for (const Row& row : rows) {
            const Outcome outcome =
                appliance.receive(kBackend, kService,
                                  request("BYE " + std::string(row.uri),
                                          usual("BYE", "Route: " + row.routes + "\r\n",
                                                "SIP/2.0/UDP 10.77.0.101:5060;branch=z9hG4bKb1")));
            EXPECT_EQ(start_line(outcome), "SIP/2.0 400 Bad Request") << row.uri << odd;
        }
    }
}

TEST_F(RouteTest, NeverSendsToItselfOrToMany) {
    for (const char* uri : {"sip:a@10.77.0.1:5061", "sip:a@239.1.1.1", "sip:a@255.255.255.255",
                            "sip:a@0.0.0.0", "sip:a@10.77.0.9;maddr=239.1.1.1"}) {
        const std::string text =
            request(std::string("INVITE ") + uri,
                    usual("INVITE", {}, "SIP/2.0/UDP 10.77.0.101:5060;branch=z9hG4bKb1"));
        const Outcome outcome = appliance.receive(kBackend, kService, text);
        EXPECT_EQ(outcome.verdict.action, Action::kReply) << uri;
        EXPECT_EQ(outcome.target, test::at(kBackend)) << uri;
    }
}

TEST_F(RouteTest, AnswersWhatAProxyMustAnswer) {
    struct Row {
        const char* name;
        std::string text;
        const char* first_line;  // empty: nothing is sent
    };
    const std::string options = request("OPTIONS sip:10.77.0.1", usual("OPTIONS"));
    const auto hops = [](std::string_view value, std::string_view method) {
        std::string text = request(std::string(method) + " sip:bob@example.com", usual(method));
        return text.replace(text.find("Max-Forwards: 70"), 16,
                            "Max-Forwards: " + std::string(value));
    };
    const Row rows[] = {
        {"options_to_us", options, "SIP/2.0 200 Keepalive"},
        {"options_to_a_user", request("OPTIONS sip:bob@10.77.0.1", usual("OPTIONS")),
         "OPTIONS sip:bob@10.77.0.1 SIP/2.0"},
        {"hops_used_up", hops("0", "INVITE"), "SIP/2.0 483 Too Many Hops"},
        {"hops_used_up_ack", hops("0", "ACK"), ""},
        {"last_hop", hops("1", "INVITE"), "INVITE sip:bob@example.com SIP/2.0"},
        {"unknown_scheme", request("INVITE foo:bar", usual("INVITE")),
         "SIP/2.0 416 Unsupported URI Scheme"},
        {"uri_headers", request("INVITE sip:bob@example.com?Route=x", usual("INVITE")),
         "SIP/2.0 400 Bad Request"},
        {"proxy_require",
         request("INVITE sip:bob@example.com", usual("INVITE", "Proxy-Require: foo\r\n")),
         "SIP/2.0 420 Bad Extension"},
        {"to_with_white_space",
         request("INVITE sip:bob@example.com",
                 "Via: SIP/2.0/UDP 10.77.0.9;branch=z9hG4bKw\r\nFrom: <sip:a@b>;tag=1\r\n"
                 "To: <sip:al ice@example.com>\r\nCall-ID: w\r\nCSeq: 1 INVITE\r\n"),
         "SIP/2.0 400 Bad Request"},
        {"tel", request("INVITE tel:+15551234", usual("INVITE")), "INVITE tel:+15551234 SIP/2.0"},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(start_line(appliance.receive(kClient, kService, row.text)), row.first_line)
            << row.name;
    }
    const Outcome refused = appliance.receive(kClient, kService, rows[7].text);
    EXPECT_EQ(header(refused, "Unsupported"), "foo");
}

TEST_F(RouteTest, CountsDownMaxForwardsInPlace) {
    struct Row {
        const char* given;
        const char* sent;
    };
    for (const Row& row :
         {Row{"70", "69"}, Row{"10", " 9"}, Row{"255", " 70"}, Row{"1", "0"}, Row{"300", " 70"}}) {
        std::string text = invite();
        text.replace(text.find("Max-Forwards: 70"), 16, std::string("Max-Forwards: ") + row.given);
        EXPECT_EQ(header(appliance.receive(kClient, kService, text), "Max-Forwards"), row.sent);
    }
    for (int value = 1; value <= 300; ++value) {  // as many characters as there were
        for (const std::size_t width : {std::size_t{1}, std::size_t{2}, std::size_t{5}}) {
            std::string given = std::to_string(value);
            given.insert(0, width - std::min(width, given.size()), '0');
            const std::string left = std::to_string(value > 70 ? 70 : value - 1);
            std::string text = invite();
            text.replace(text.find("Max-Forwards: 70"), 16, "Max-Forwards: " + given);
            ASSERT_EQ(header(appliance.receive(kClient, kService, text), "Max-Forwards"),
                      std::string(given.size() - left.size(), ' ') + left)
                << given;
        }
    }
    std::string text = invite();
    text.erase(text.find("Max-Forwards: 70\r\n"), 18);
    EXPECT_EQ(header(appliance.receive(kClient, kService, text), "Max-Forwards"), "70");
}

TEST_F(RouteTest, WritesTheSourceIntoTheViaWhateverItsLength) {
    for (const char* host : {"9.8.7.6", "10.77.0.9", "198.51.100.10", "198.151.100.255"}) {
        for (const char* port : {"1", "9", "10", "99", "100", "999", "1000", "5060", "9999",
                                 "10000", "12005", "65535"}) {
            const Outcome sent =
                appliance.receive(std::string(host) + ":" + port, kService, invite());
            ASSERT_TRUE(sent.sent());
            EXPECT_EQ(header(sent, "Via", 1),
                      "SIP/2.0/UDP 10.77.0.9:5060;received=" + std::string(host) +
                          ";branch=z9hG4bKa1;rport=" + port);
        }
    }
}

// All that can stand in front of a relayed request, in all combinations.
TEST_F(RouteTest, PutsItsHeaderFieldsOnTopInOrder) {
    for (unsigned bits = 0; bits < 64; ++bits) {
        const auto has = [bits](unsigned bit) { return (bits >> bit & 1) != 0; };
        const bool twin = has(0), full_lr = has(1), path = has(2), max_forwards = has(3);
        const bool record_route = has(4), registers = has(5);
        appliance.tables.dispatch = nullptr;  // to be built anew
        appliance.dispatch.sets.clear();
        appliance.add_set(1, {twin ? "[fd77::101]:5060" : "10.77.0.101:5060"});
        appliance.dispatch.services[0].enable_full_lr = full_lr;
        appliance.dispatch.services[0].path = path;
        appliance.dispatch.services[0].record_route = record_route;
        const char* const method = registers ? "REGISTER" : "INVITE";
        std::string text = request(std::string(method) + " sip:bob@example.com", usual(method));
        if (max_forwards) text.erase(text.find("Max-Forwards: 70\r\n"), 18);
        const Outcome sent = appliance.receive(kClient, kService, text);
        ASSERT_TRUE(sent.sent());

        std::string expected = max_forwards ? "Max-Forwards: 70\r\n" : "";
        const auto add_routes = [&](const char* name) {
            const std::string params =
                std::string(twin ? ";r2=on" : "") + (full_lr ? ";lr=on" : ";lr") + ";sl=";
            std::string cookie =
                header(sent, std::string(name).substr(0, std::strlen(name) - 2).c_str());
            cookie = cookie.substr(cookie.size() - 17, 16);
            if (twin) expected += std::string(name) + "<sip:[fd77::1]" + params + cookie + ">\r\n";
            expected += std::string(name) + "<sip:10.77.0.1" + params + cookie + ">\r\n";
        };
        if (record_route && !registers) add_routes("Record-Route: ");
        if (path && registers) add_routes("Path: ");
        expected += std::string("Via: SIP/2.0/UDP ") + (twin ? "[fd77::1]" : "10.77.0.1") +
                    ";branch=z9hG4bKsl";
        const std::string behind_start_line = sent.text.substr(sent.text.find("\r\n") + 2);
        EXPECT_EQ(behind_start_line.substr(0, expected.size()), expected) << bits;
        EXPECT_EQ(behind_start_line.substr(expected.size() + 32, 7), "\r\nVia: ") << bits;
    }
}

TEST_F(RouteTest, AbsorbsTheAckToItsOwnReply) {
    appliance.dispatch.services[0].set = 99;
    const Outcome refused = appliance.receive(kClient, kService, invite());
    ASSERT_EQ(start_line(refused), "SIP/2.0 404 No destination");
    const std::string ack =
        request("ACK sip:bob@example.com",
                usual("ACK", {}, "SIP/2.0/UDP 10.77.0.9:5060;branch=z9hG4bKa1;rport",
                      header(refused, "To")));
    EXPECT_EQ(appliance.receive(kClient, kService, ack).verdict.reason, DropReason::kOurAck);
}

// Who begins a dialog stays in its Route set, by whatever method that begins.
TEST_F(RouteTest, RecordsItsRouteWhereADialogBegins) {
    struct Row {
        const char* method;
        bool recorded;
        bool within = false;  // a dialog as well: a NOTIFY may be the first that a subscriber hears
    };
    for (const Row& row : {Row{"INVITE", true}, Row{"SUBSCRIBE", true}, Row{"REFER", true},
                           Row{"MESSAGE", false}, Row{"NOTIFY", true, true}, Row{"REGISTER", false},
                           Row{"CANCEL", false}, Row{"ACK", false}, Row{"FOO", false}}) {
        const std::string via = "SIP/2.0/UDP 10.77.0.9:5060;branch=z9hG4bKd;rport";
        for (const bool within : {false, true}) {
            const std::string to =
                within ? "<sip:bob@example.com>;tag=tt" : "<sip:bob@example.com>";
            const Outcome sent =
                appliance.receive(kClient, kService,
                                  request(std::string(row.method) + " sip:bob@example.com",
                                          usual(row.method, {}, via, to)));
            ASSERT_TRUE(sent.sent()) << row.method;
            EXPECT_EQ(header(sent, "Record-Route") != "(absent)",
                      within ? row.within : row.recorded)
                << row.method << within;
        }
    }
}

// A bad checksum says that a line or a driver spoils frames, a bad length that somebody made them.
TEST_F(RouteTest, TellsSpoiltFramesFromBadOnes) {
    appliance.build();
    struct Row {
        const char* name;
        std::size_t at;  // in the frame
        DropReason reason;
    };
    for (const Row& row : {Row{"IP checksum", 14 + 10, DropReason::kBadChecksum},
                           Row{"UDP checksum", 14 + 20 + 6, DropReason::kBadChecksum},
                           Row{"UDP length", 14 + 20 + 4, DropReason::kBadFrame}}) {
        FrameBuffer frame(test::at(kClient), test::at(kService), invite());
        frame.packet.data[row.at] ^= 0x40;
        EXPECT_EQ(appliance.receive(frame).verdict.reason, row.reason) << row.name;
    }
}

TEST_F(RouteTest, LeavesWhatIsNotItsBusinessToTheKernel) {
    EXPECT_EQ(appliance.receive(kClient, "10.77.0.1:22", "x").verdict.action, Action::kPunt);
    EXPECT_EQ(appliance.receive(kClient, "10.77.0.55:5060", invite()).verdict.action,
              Action::kPunt);
    EXPECT_EQ(appliance.receive(kClient, kService, invite(), 7).verdict.reason,
              DropReason::kForeignVlan);
    EXPECT_EQ(appliance.receive(kClient, kService, "\r\n\r\n").verdict.reason,
              DropReason::kKeepalive);
    EXPECT_EQ(appliance.receive(kClient, kService, "hello").verdict.reason, DropReason::kBadSip);
    for (std::size_t byte = 0; byte < 6; ++byte) {  // to another MAC
        FrameBuffer frame(test::at(kClient), test::at(kService), invite());
        frame.packet.data[byte] ^= 0x40;
        EXPECT_EQ(appliance.receive(frame).verdict.action, Action::kPunt) << byte;
    }
    FrameBuffer empty(test::at(kClient), test::at(kService), {});
    empty.packet.data[empty.packet.length] = 'x';  // is not part of it
    EXPECT_EQ(appliance.receive(empty).verdict.reason, DropReason::kKeepalive);
}

// A fragment of anything but UDP as well: it cannot be a message.
TEST_F(RouteTest, ReassemblesUdpAlone) {
    appliance.build();
    struct Row {
        std::uint8_t protocol;
        Action action;
    };
    for (const Row& row : {Row{net::kProtocolUdp, Action::kReassemble}, Row{6, Action::kPunt},
                           Row{1, Action::kPunt}}) {
        for (const std::size_t offset : {0U, 64U}) {
            FrameSpec spec;
            spec.source = "10.77.0.9";
            spec.target = "10.77.0.1";
            spec.protocol = row.protocol;
            Octets octets = test::ip_frame(spec, Octets(64, 'x'), offset, true);
            std::copy_n(kApplianceMac.bytes.begin(), 6, octets.begin());
            net::Packet packet = test::packet_of(octets);
            EXPECT_EQ(core::route(packet, appliance.tables, *appliance.scratch).action, row.action)
                << int{row.protocol} << " " << offset;
        }
    }
}

TEST_F(RouteTest, CrossesFamiliesWithADoubleRecordRoute) {
    appliance.dispatch.sets.clear();
    appliance.add_set(1, {"[fd77::101]:5060"});
    const Outcome sent = appliance.receive(kClient, kService, invite());
    ASSERT_EQ(sent.verdict.action, Action::kForward);
    EXPECT_EQ(sent.source, test::at("[fd77::1]:5060"));
    EXPECT_EQ(header(sent, "Record-Route").rfind("<sip:[fd77::1];r2=on;lr;sl=", 0), 0U);
    EXPECT_EQ(header(sent, "Record-Route", 1).rfind("<sip:10.77.0.1;r2=on;lr;sl=", 0), 0U);
    EXPECT_EQ(header(sent, "Via").rfind("SIP/2.0/UDP [fd77::1];branch=", 0), 0U);

    const Outcome reply =
        appliance.receive("[fd77::101]:5060", "[fd77::1]:5060", reply_to(sent, "200 OK"));
    ASSERT_EQ(reply.verdict.action, Action::kForward);
    EXPECT_EQ(reply.target, test::at(kClient));
    EXPECT_EQ(reply.source, test::at(kService));
    const std::string both =
        "Route: " + header(sent, "Record-Route", 1) + ", " + header(sent, "Record-Route") + "\r\n";
    const Outcome bye =
        appliance.receive(kClient, kService,
                          request("BYE sip:srv@[fd77::101]",
                                  usual("BYE", both, "SIP/2.0/UDP 10.77.0.9:5060;branch=z9hG4bKa7",
                                        "<sip:bob@example.com>;tag=tt")));
    EXPECT_EQ(bye.target, test::at("[fd77::101]:5060"));
    EXPECT_EQ(bye.source, test::at("[fd77::1]:5060"));
    EXPECT_EQ(header(bye, "Route"), "(absent)");
}

TEST_F(RouteTest, TagsWhatLeavesByAVlan) {
    const auto vlan = appliance.add_interface("core", {"10.88.0.1/24"}, 100);
    appliance.add_neighbour("10.88.0.101", vlan);
    appliance.listen("10.88.0.1:5060", 0);
    appliance.dispatch.sets.clear();
    appliance.add_set(1, {"10.88.0.101:5060"});
    const Outcome sent = appliance.receive(kClient, kService, invite());
    ASSERT_EQ(sent.verdict.action, Action::kForward);
    EXPECT_EQ(sent.vlan, 100);
    EXPECT_EQ(sent.source, test::at("10.88.0.1:5060"));
    const Outcome reply =
        appliance.receive("10.88.0.101:5060", "10.88.0.1:5060", reply_to(sent, "200 OK"), 100);
    ASSERT_EQ(reply.verdict.action, Action::kForward);
    EXPECT_EQ(reply.vlan, net::kNoVlan);
    EXPECT_EQ(reply.target, test::at(kClient));
}

TEST_F(RouteTest, HandsAnUnknownNeighbourToTheControlThread) {
    appliance.dispatch.sets.clear();
    appliance.add_set(1, {"10.77.0.200:5060"});
    const Outcome sent = appliance.receive(kClient, kService, invite());
    EXPECT_EQ(sent.verdict.action, Action::kSlowPath);
    EXPECT_EQ(sent.target, test::at("10.77.0.200:5060"));
    EXPECT_EQ(header(sent, "Max-Forwards"), "69");
}

TEST_F(RouteTest, WaitsForANameAndLeavesTheFrameAlone) {
    const std::string text =
        request("BYE sip:alice@Phone.Example:5070",
                usual("BYE", {}, "SIP/2.0/UDP 10.77.0.101:5060;branch=z9hG4bKb1"));
    test::FrameBuffer frame(test::at(kBackend), test::at(kService), text);
    const std::string before(as_text(frame.packet.bytes()));
    EXPECT_EQ(appliance.receive(frame).verdict.action, Action::kResolve);
    EXPECT_EQ(as_text(frame.packet.bytes()), before);

    appliance.tables.names = std::make_shared<const std::vector<table::ResolvedName>>(
        std::vector<table::ResolvedName>{{"phone.example:5070", {test::at("10.77.0.9:5070")}}});
    EXPECT_EQ(appliance.receive(kBackend, kService, text).target, test::at("10.77.0.9:5070"));
    // Not where the URI asks for another way to it, by a name as well.
    for (const char* uri : {"sip:alice@Phone.Example:5070;maddr=other.example",
                            "sip:alice@10.77.0.9;maddr=other.example"}) {
        const std::string away =
            request("BYE " + std::string(uri),
                    usual("BYE", {}, "SIP/2.0/UDP 10.77.0.101:5060;branch=z9hG4bKb1"));
        EXPECT_EQ(start_line(appliance.receive(kBackend, kService, away)),
                  "SIP/2.0 478 Unresolvable destination");
    }
    appliance.tables.names = std::make_shared<const std::vector<table::ResolvedName>>(
        std::vector<table::ResolvedName>{{"phone.example:5070", {}}});
    EXPECT_EQ(start_line(appliance.receive(kBackend, kService, text)),
              "SIP/2.0 478 Unresolvable destination");
}

TEST_F(RouteTest, FixesTheContactBehindNat) {
    appliance.dispatch.services[0].nat = table::Nat::kAuto;
    const std::string text =
        request("REGISTER sip:example.com",
                usual("REGISTER", "Contact: <sip:alice@192.168.1.5:5062;ob>\r\n",
                      "SIP/2.0/UDP 192.168.1.5:5062;branch=z9hG4bKn1"));
    const Outcome sent = appliance.receive("10.77.0.9:40001", kService, text);
    EXPECT_EQ(header(sent, "Contact"), "<sip:alice@10.77.0.9:40001;ob>");
    EXPECT_EQ(header(sent, "Via", 1),
              "SIP/2.0/UDP 192.168.1.5:5062;rport=40001;received=10.77.0.9;branch=z9hG4bKn1");
    const Outcome reply = appliance.receive(
        kBackend, kService, reply_to(sent, "200 OK", "Contact: <sip:srv@172.16.3.4>\r\n"));
    EXPECT_EQ(reply.target, test::at("10.77.0.9:40001"));
    EXPECT_EQ(header(reply, "Contact"),
              "<sip:srv@172.16.3.4>");  // a destination's own Contact stays
}

// With nat = "auto" a Contact stays if its host is the public address that it came from, however it
// is written.
TEST_F(RouteTest, LeavesTheContactOfAPhoneWithoutNatAlone) {
    struct Row {
        std::string_view contact;
        std::string_view sent;
    };
    constexpr Row kRows[] = {
        {"<sip:alice@198.18.0.9>", "<sip:alice@198.18.0.9>"},
        {"<sip:alice@198.18.0.9:5062>", "<sip:alice@198.18.0.9:5062>"},
        {"<sip:alice@198.18.0.9:5062;ob>", "<sip:alice@198.18.0.9:5062;ob>"},
        {"<sip:198.18.0.9>", "<sip:198.18.0.9>"},
        {"<sip:192.168.1.5;198.18.0.9>", "<sip:198.18.0.9:40001;198.18.0.9>"},
        {"\"A\" <sip:alice@198.18.0.9>;expires=60", "\"A\" <sip:alice@198.18.0.9>;expires=60"},
        {"*", "*"},
        {"<sip:alice@198.18.0.90>", "<sip:alice@198.18.0.9:40001>"},
        {"<sip:alice@198.18.0.90:5062>", "<sip:alice@198.18.0.9:40001>"},
        {"<sip:alice@198.18.0.9.example>", "<sip:alice@198.18.0.9:40001>"},
        {"<sip:alice@192.168.1.5>", "<sip:alice@198.18.0.9:40001>"},
        {"<sip:al@198.18.0.9>, <sip:al@192.168.1.5>",
         "<sip:al@198.18.0.9>, <sip:al@198.18.0.9:40001>"},
        {"<sip:al@198.18.0.9:5060>, <sip:al@192.168.1.5>",
         "<sip:al@198.18.0.9:5060>, <sip:al@198.18.0.9:40001>"},
        {"<sip:alice:secret@198.18.0.9>", "<sip:alice:secret@198.18.0.9>"},
        {"<sips:alice@192.168.1.5>", "<sips:alice@198.18.0.9:40001>"},
    };
    appliance.dispatch.services[0].nat = table::Nat::kAuto;
    for (const Row& row : kRows) {
        const std::string text =
            request("REGISTER sip:example.com",
                    usual("REGISTER", "Contact: " + std::string(row.contact) + "\r\n",
                          "SIP/2.0/UDP 198.18.0.9:5062;branch=z9hG4bKn2"));
        const Outcome sent = appliance.receive("198.18.0.9:40001", kService, text);
        EXPECT_EQ(header(sent, "Contact"), row.sent) << row.contact;
    }
}

// Where a 3xx leads, or what a registrar has, is not the sender's own address.
TEST_F(RouteTest, LeavesTheContactOfARedirectionOrRegistrarAlone) {
    struct Row {
        const char* method;
        const char* status;
        bool fixed;
    };
    for (const table::Nat nat : {table::Nat::kAuto, table::Nat::kAlways}) {
        appliance.dispatch.services[0].nat = nat;
        appliance.build();
        for (const Row& row :
             {Row{"INVITE", "180 Ringing", true}, Row{"INVITE", "200 OK", true},
              Row{"INVITE", "302 Moved Temporarily", false}, Row{"INVITE", "485 Ambiguous", false},
              Row{"REGISTER", "200 OK", false}}) {
            // By a destination, to a phone that answers.
            const Outcome sent = appliance.receive(
                kBackend, kService,
                request(
                    std::string(row.method) + " sip:bob@10.77.0.9:40001",
                    usual(row.method, {}, "SIP/2.0/UDP 10.77.0.101:5060;branch=z9hG4bKx;rport")));
            ASSERT_EQ(sent.target, test::at("10.77.0.9:40001"));
            const std::string contact = "<sip:carol@192.0.2.77>";
            const Outcome back =
                appliance.receive("10.77.0.9:40001", kService,
                                  reply_to(sent, row.status, "Contact: " + contact + "\r\n"));
            EXPECT_EQ(header(back, "Contact"), row.fixed ? "<sip:carol@10.77.0.9:40001>" : contact)
                << row.method << ' ' << row.status;
        }
    }
}

// The source of what came by another proxy is that proxy, and where its dialog's requests must not
// be sent as if it were the phone.
TEST_F(RouteTest, LeavesTheContactOfAPhoneBehindAProxyAlone) {
    const std::string contact = "<sip:alice@198.51.100.9:5060>";
    const std::string phone = "SIP/2.0/UDP 198.51.100.9:5060;branch=z9hG4bKp";
    const std::string proxy = "SIP/2.0/UDP 198.18.0.7:5060;branch=z9hG4bKq;rport";
    for (const std::string& vias : {proxy + "\r\nVia: " + phone, proxy + ", " + phone}) {
        for (const table::Nat nat : {table::Nat::kAuto, table::Nat::kAlways}) {
            appliance.dispatch.services[0].nat = nat;
            appliance.build();
            const Outcome sent =
                appliance.receive("198.18.0.7:5060", kService,
                                  request("INVITE sip:bob@example.com",
                                          usual("INVITE", "Contact: " + contact + "\r\n", vias)));
            EXPECT_EQ(header(sent, "Contact"),
                      nat == table::Nat::kAuto ? contact : "<sip:alice@198.18.0.7:5060>")
                << vias;
        }
    }
}

// Of a list the last address counts, up to 32 of them.
TEST_F(RouteTest, FixesTheLastOfManyContacts) {
    appliance.dispatch.services[0].nat = table::Nat::kAlways;
    for (const std::size_t contacts : {1U, 2U, 31U, 32U, 33U}) {
        std::string before, last = "<sip:al@192.168.1.5>";
        for (std::size_t i = 1; i < contacts; ++i) before += last + ", ";
        const Outcome sent =
            appliance.receive("10.77.0.9:40001", kService,
                              request("REGISTER sip:example.com",
                                      usual("REGISTER", "Contact: " + before + last + "\r\n",
                                            "SIP/2.0/UDP 10.77.0.9:5062;branch=z9hG4bKn3;rport")));
        if (contacts <= 32) last = "<sip:al@10.77.0.9:40001>";
        EXPECT_EQ(header(sent, "Contact"), before + last) << contacts;
    }
}

// Wherever the breaks that tell it lie, in what is looked at at once or behind that.
TEST_F(RouteTest, TellsTheContactOfAPhoneWithoutNatAtAnyLength) {
    appliance.dispatch.services[0].nat = table::Nat::kAuto;
    for (std::size_t size = 1; size <= 70; ++size) {
        const std::string user = "<sip:" + std::string(size, 'u') + "@";
        for (const std::string_view behind : {">", ":5062>", ":5062;ob>", ":>"}) {
            for (const bool own : {false, true}) {
                const std::string host = own ? "198.18.0.9" : "198.18.0.8";
                const std::string rest(behind.substr(behind.find_first_of(";>")));
                const std::string given = user + host + std::string(behind);
                const std::string expected = own ? given : user + "198.18.0.9:40001" + rest;
                const Outcome sent = appliance.receive(
                    "198.18.0.9:40001", kService,
                    request("REGISTER sip:example.com",
                            usual("REGISTER", "Contact: " + given + "\r\n",
                                  "SIP/2.0/UDP 198.18.0.9:5062;branch=z9hG4bKn2;rport")));
                EXPECT_EQ(header(sent, "Contact"), expected);
            }
        }
    }
}

// RFC 3261 16.3: what forwarding does not need may be broken and stays as it is.
TEST_F(RouteTest, RelaysAFromThatNobodyNeeds) {
    std::string text = request("OPTIONS sip:bob@example.com", usual("OPTIONS"));
    const std::size_t from = text.find("From:");
    ASSERT_NE(from, std::string::npos);
    text.replace(from, text.find("\r\n", from) - from, "From: \"no end <sip:a@b>;tag=1");
    const Outcome sent = appliance.receive(kClient, kService, text);
    EXPECT_EQ(sent.verdict.action, Action::kForward);
    EXPECT_EQ(header(sent, "From"), "\"no end <sip:a@b>;tag=1");
}

// Everything twice: by an appliance whose tables have shortcuts, and by one whose tables have none.
TEST_F(RouteTest, SaysTheSameWithoutShortcuts) {
    appliance.dispatch.services[0].nat = table::Nat::kAuto;
    appliance.add_interface("tagged", {"10.88.0.1/24"}, 100);
    appliance.listen("10.88.0.1:5060", 0);
    appliance.dispatch.sets.clear();
    appliance.add_set(1, {"10.77.0.101:5060", "10.77.0.102:5070", "10.88.0.103:5060",
                          "10.77.0.104:5060", "198.51.100.7:5060", "[fd77::101]:5060"});
    appliance.network.routes.push_back(
        {*Prefix::parse("198.51.100.0/24"), 0, *IpAddress::parse("10.77.0.102"), 0});
    appliance.add_neighbour("10.88.0.103", 1);
    appliance.build();
    Appliance slow;
    slow.tables = appliance.tables;
    slow.tables.shortcuts = std::make_shared<const table::Shortcuts>();

    struct Way {
        const char* source;
        const char* target;
        std::uint16_t vlan;
    };
    constexpr Way kWays[] = {
        {"10.77.0.9:5060", "10.77.0.1:5060", net::kNoVlan},
        {"10.77.0.101:5060", "10.77.0.1:5060", net::kNoVlan},  // a destination
        {"10.77.0.1:5060", "10.77.0.1:5060", net::kNoVlan},    // ourselves
        {"224.0.0.1:5060", "10.77.0.1:5060", net::kNoVlan},
        {"10.77.0.9:5060", "10.77.0.1:5061", net::kNoVlan},  // nobody listens
        {"10.77.0.9:5060", "10.77.0.2:5060", net::kNoVlan},  // not our address
        {"10.77.0.9:5060", "10.88.0.1:5060", net::kNoVlan},  // of another interface
        {"10.88.0.9:5060", "10.88.0.1:5060", 100},
        {"10.88.0.9:5060", "10.77.0.1:5060", 100},
        {"10.77.0.9:5060", "10.77.0.1:5060", 101},  // a VLAN of nobody
        {"[fd77::9]:5060", "[fd77::1]:5060", net::kNoVlan},
        {"[fd77::101]:5060", "[fd77::1]:5060", net::kNoVlan},
    };
    std::array<std::size_t, 8> actions{};
    for (const Way& way : kWays) {
        for (int call = 0; call < 40; ++call) {
            std::string text = invite();
            text.replace(text.find("call-1"), 6, "call-" + std::to_string(call));
            for (const bool misled : {false, true}) {  // to a MAC that is not ours
                test::FrameBuffer fast_frame(test::at(way.source), test::at(way.target), text,
                                             way.vlan);
                test::FrameBuffer slow_frame(test::at(way.source), test::at(way.target), text,
                                             way.vlan);
                if (misled) fast_frame.packet.data[5] ^= 0x40;
                if (misled) slow_frame.packet.data[5] ^= 0x40;
                const Outcome fast = appliance.receive(fast_frame);
                const Outcome slowly = slow.receive(slow_frame);
                ASSERT_EQ(fast.verdict.action, slowly.verdict.action) << way.source << call;
                ASSERT_EQ(fast.verdict.reason, slowly.verdict.reason) << way.source << call;
                ASSERT_EQ(fast.verdict.interface, slowly.verdict.interface) << way.source << call;
                const auto bytes = [](const test::FrameBuffer& frame) {
                    return std::string(reinterpret_cast<const char*>(frame.packet.data),
                                       frame.packet.length);
                };
                ASSERT_EQ(bytes(fast_frame), bytes(slow_frame)) << way.source << call;
                ++actions[static_cast<std::size_t>(fast.verdict.action)];
            }
        }
    }
    EXPECT_GT(actions[static_cast<std::size_t>(Action::kForward)], 100U);
    EXPECT_GT(actions[static_cast<std::size_t>(Action::kPunt)], 100U);
    EXPECT_GT(actions[static_cast<std::size_t>(Action::kDrop)], 100U);
    EXPECT_GT(actions[static_cast<std::size_t>(Action::kSlowPath)], 10U);
}

}  // namespace
}  // namespace lb::core
