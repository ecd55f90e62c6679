// What strangers send on purpose: messages that would make us a relay, a reflector, an amplifier, a
// loop or a crash. One test per kind of attack.

#include <gtest/gtest.h>

#include <algorithm>

#include "dp/base/limits.h"
#include "dp/core/route.h"
#include "dp/sip/branch.h"
#include "dp/sip/parser.h"
#include "tests/support/appliance.h"

namespace lb::core {
namespace {

using test::Appliance;
using test::Outcome;

constexpr std::string_view kStranger = "10.77.0.9:5060";
constexpr std::string_view kService = "10.77.0.1:5060";
constexpr std::string_view kService6 = "[fd77::1]:5060";
constexpr std::string_view kBackend = "10.77.0.101:5060";
constexpr std::string_view kBackend6 = "[fd77::101]:5060";
constexpr std::string_view kVictim = "10.77.0.102:5060";

struct Request {
    std::string method = "INVITE";
    std::string uri = "sip:bob@example.com";
    std::string via = "SIP/2.0/UDP 10.77.0.9:5060;branch=z9hG4bKa1";
    std::string to = "<sip:bob@example.com>";
    std::string call_id = "call-1@10.77.0.9";
    std::string more;  // whole lines
    std::string body;

    std::string text() const {
        return method + " " + uri + " SIP/2.0\r\nVia: " + via +
               "\r\nMax-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=ft\r\nTo: " + to +
               "\r\nCall-ID: " + call_id + "\r\nCSeq: 1 " + method + "\r\n" + more +
               "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    }
};

// A request inside a dialog, as a BYE is.
Request bye(std::string uri, std::string more = {}) {
    Request request;
    request.method = "BYE";
    request.uri = std::move(uri);
    request.to += ";tag=tt";
    request.more = std::move(more);
    return request;
}

std::string header(const std::string& text, std::string_view name) {
    const std::size_t line = text.find("\r\n" + std::string(name) + ": ");
    if (line == std::string::npos) return "(absent)";
    const std::size_t value = line + name.size() + 4;
    return text.substr(value, text.find("\r\n", value) - value);
}

std::string start_line(const Outcome& outcome) {
    return outcome.text.substr(0, outcome.text.find("\r\n"));
}

std::size_t count(std::string_view text, std::string_view part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string_view::npos;
         at = text.find(part, at + 1)) {
        ++found;
    }
    return found;
}

class AttackTest : public ::testing::Test {
protected:
    AttackTest() {
        appliance.add_interface("core", {"10.88.0.1/24"}, 100);
        appliance.listen(kService, 0);
        appliance.listen(kService6, 0);
        appliance.listen("10.77.0.1:5070", 0);
        appliance.listen("10.88.0.1:5060", 0);
        appliance.dispatch.services[0].set = 1;
        appliance.add_set(1, {std::string(kBackend)});
        appliance.add_set(2, {std::string(kBackend6)});
        for (const char* peer :
             {"10.77.0.9", "10.77.0.101", "10.77.0.102", "10.77.0.254", "fd77::9", "fd77::101"}) {
            appliance.add_neighbour(peer);
        }
        // So that nothing fails just because there is no way to it.
        appliance.network.routes.push_back(
            {*Prefix::parse("0.0.0.0/0"), 0, *IpAddress::parse("10.77.0.254"), 0});
        appliance.network.routes.push_back(
            {*Prefix::parse("::/0"), 0, *IpAddress::parse("fd77::9"), 0});
    }

    Outcome from_stranger(const Request& request) {
        return appliance.receive(kStranger, kService, request.text());
    }
    Outcome from_backend(const Request& request) {
        return appliance.receive(kBackend, kService, request.text());
    }

    // The Record-Route that a call with this Call-ID gets.
    std::string own_route(const std::string& call_id) {
        Request invite;
        invite.call_id = call_id;
        return header(from_stranger(invite).text, "Record-Route");
    }

    Appliance appliance;
};

TEST_F(AttackTest, OpenRelayWithoutCookie) {
    const std::string ours = "Route: <sip:10.77.0.1;lr>\r\n";
    struct Row {
        const char* name;
        Request request;
    };
    const Row rows[] = {
        {"route_then_uri", bye("sip:x@10.77.0.102", ours)},
        {"uri_params", bye("sip:x@10.77.0.102;lr;sl=0", ours)},
        {"two_of_ours", bye("sip:x@10.77.0.102", ours + ours)},
        {"second_listener",
         bye("sip:x@10.77.0.102", "Route: <sip:10.77.0.1;lr>, <sip:10.77.0.1:5070;lr>\r\n")},
        {"third_of_ours", bye("sip:x@10.77.0.102", ours + ours + ours)},
        {"route_to_victim", bye("sip:bob@example.com", ours + "Route: <sip:10.77.0.102;lr>\r\n")},
        {"route_strict_victim", bye("sip:bob@example.com", ours + "Route: <sip:10.77.0.102>\r\n")},
        {"recovered", bye("sip:10.77.0.1;lr", "Route: <sip:x@10.77.0.102>\r\n")},
        {"host_name", bye("sip:x@victim.example", ours)},
        {"sips", bye("sips:x@10.77.0.102", ours)},
        {"tel", bye("tel:+15551234", ours)},
        {"ipv6", bye("sip:x@[fd77::102]", ours)},
    };
    for (const Row& row : rows) {
        const Outcome outcome = from_stranger(row.request);
        EXPECT_EQ(outcome.verdict.action, Action::kReply) << row.name;
        EXPECT_EQ(outcome.target, test::at(kStranger)) << row.name;
        EXPECT_EQ(outcome.text.rfind("SIP/2.0 4", 0), 0U) << row.name << outcome.text;
    }
}

TEST_F(AttackTest, ForgedCookies) {
    const std::string good = own_route("call-1@10.77.0.9");
    const std::string other = own_route("call-2@10.77.0.9");
    ASSERT_NE(good, other);
    const auto cookie_of = [](const std::string& route) {
        return route.substr(route.find(";sl=") + 4, 16);
    };
    const std::string cookie = cookie_of(good);
    const auto with = [&](const std::string& params) {
        return bye("sip:x@10.77.0.102", "Route: <sip:10.77.0.1;lr" + params + ">\r\n");
    };
    ASSERT_EQ(from_stranger(with(";sl=" + cookie)).target, test::at(kVictim));  // the right one
    struct Row {
        const char* name;
        std::string params;
    };
    const Row rows[] = {
        {"other_call", ";sl=" + cookie_of(other)},
        {"truncated", ";sl=" + cookie.substr(0, 15)},
        {"longer", ";sl=" + cookie + "0"},
        {"empty", ";sl="},
        {"bare", ";sl"},
        {"not_hex", ";sl=" + cookie.substr(0, 15) + "g"},
        {"quoted", ";sl=\"" + cookie + "\""},
        {"wrong_first", ";sl=0123456789abcdef;sl=" + cookie},
        {"other_name", ";slx=" + cookie},
        {"in_header_part", "?sl=" + cookie},
        {"signed", ";sl=+" + cookie.substr(1)},
        {"blank", ";sl= " + cookie.substr(1)},
    };
    for (const Row& row : rows) {
        const Outcome outcome = from_stranger(with(row.params));
        EXPECT_EQ(start_line(outcome), "SIP/2.0 403 Forbidden") << row.name;
    }
    // The cookie is worth nothing outside a URI of ours, nor as the user or a header parameter.
    for (const std::string& route :
         {"<sip:10.77.0.102;lr;sl=" + cookie + ">", "<sip:10.77.0.1;lr>;sl=" + cookie,
          "<sip:sl=" + cookie + "@10.77.0.1;lr>"}) {
        const Outcome outcome = from_stranger(bye("sip:x@10.77.0.102", "Route: " + route + "\r\n"));
        EXPECT_NE(outcome.target, test::at(kVictim)) << route;
    }
}

TEST_F(AttackTest, ForgedReplies) {
    const Outcome sent = from_stranger({});
    const std::string branch = sent.text.substr(sent.text.find("z9hG4bKsl"), sip::kBranchSize);
    const auto reply = [](const std::string& vias) {
        return "SIP/2.0 200 OK\r\n" + vias +
               "From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=2\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"
               "Content-Length: 0\r\n\r\n";
    };
    const std::string ours = "Via: SIP/2.0/UDP 10.77.0.1;branch=" + branch + "\r\n";
    ASSERT_EQ(appliance
                  .receive(kBackend, kService,
                           reply(ours + "Via: SIP/2.0/UDP 10.77.0.9:5060;branch=z9hG4bKa1\r\n"))
                  .target,
              test::at(kStranger));
    struct Row {
        const char* name;
        std::string vias;
        DropReason reason;
    };
    const std::string away = "Via: SIP/2.0/UDP 10.77.0.102;branch=z9hG4bKa1\r\n";
    const Row rows[] = {
        {"other_way_back", ours + away, DropReason::kBadBranch},
        {"received", ours + "Via: SIP/2.0/UDP 10.77.0.9;received=10.77.0.102\r\n",
         DropReason::kBadBranch},
        {"received_twice",
         ours + "Via: SIP/2.0/UDP 10.77.0.9;received=10.77.0.102;received=10.77.0.9\r\n",
         DropReason::kBadBranch},
        {"other_port", ours + "Via: SIP/2.0/UDP 10.77.0.9:5061;branch=z9hG4bKa1\r\n",
         DropReason::kBadBranch},
        {"rport", ours + "Via: SIP/2.0/UDP 10.77.0.9;rport=53\r\n", DropReason::kBadBranch},
        {"rport_0", ours + "Via: SIP/2.0/UDP 10.77.0.9;rport=0\r\n", DropReason::kBadNextHop},
        {"rport_too_big", ours + "Via: SIP/2.0/UDP 10.77.0.9;rport=65536\r\n",
         DropReason::kBadNextHop},
        {"multicast", ours + "Via: SIP/2.0/UDP 239.1.1.1\r\n", DropReason::kBadNextHop},
        {"multicast6", ours + "Via: SIP/2.0/UDP [ff02::1]\r\n", DropReason::kBadNextHop},
        {"broadcast", ours + "Via: SIP/2.0/UDP 255.255.255.255\r\n", DropReason::kBadNextHop},
        {"to_ourselves", ours + "Via: SIP/2.0/UDP 10.77.0.1\r\n", DropReason::kBadBranch},
        {"mapped", ours + "Via: SIP/2.0/UDP [::ffff:10.77.0.9]\r\n", DropReason::kBadBranch},
        {"host_name", ours + "Via: SIP/2.0/UDP victim.example\r\n", DropReason::kBadNextHop},
        {"broken_second", ours + "Via: SIP/2.0/UDP\r\n", DropReason::kNoReplyRoute},
        {"only_ours", ours, DropReason::kNoReplyRoute},
        {"not_ours", away, DropReason::kNotOurVia},
        {"no_branch", "Via: SIP/2.0/UDP 10.77.0.1\r\n" + away, DropReason::kBadBranch},
        {"cut_branch",
         "Via: SIP/2.0/UDP 10.77.0.1;branch=" + branch.substr(0, sip::kBranchSize - 1) + "\r\n" +
             away,
         DropReason::kBadBranch},
        {"branch_twice",
         "Via: SIP/2.0/UDP 10.77.0.1;branch=z9hG4bKx;branch=" + branch + "\r\n" + away,
         DropReason::kBadBranch},
        {"other_listeners_port", "Via: SIP/2.0/UDP 10.77.0.1:5099;branch=" + branch + "\r\n" + away,
         DropReason::kNotOurVia},
        {"forged_probe",
         "Via: SIP/2.0/UDP 10.77.0.1;branch=z9hG4bKsp" + branch.substr(9) + "\r\n" + away,
         DropReason::kBadBranch},
    };
    for (const Row& row : rows) {
        const Outcome outcome = appliance.receive(kStranger, kService, reply(row.vias));
        EXPECT_EQ(outcome.verdict.action, Action::kDrop) << row.name << outcome.text;
        EXPECT_EQ(outcome.verdict.reason, row.reason) << row.name;
    }
}

// A message that a backend keeps sending back to us goes round as often as Max-Forwards says and
// never more; each pass is a transaction of its own (a spiral is no error, RFC 3261 16.3).
TEST_F(AttackTest, LoopsEndByMaxForwards) {
    Request request;
    request.uri = "sip:bob@10.77.0.1";
    Outcome outcome = from_stranger(request);
    std::string branches;
    int passes = 0;
    for (; outcome.verdict.action == Action::kForward && passes < 200; ++passes) {
        const std::string branch =
            outcome.text.substr(outcome.text.find("z9hG4bKsl"), sip::kBranchSize);
        EXPECT_EQ(branches.find(branch), std::string::npos);
        branches += branch + " ";
        outcome = appliance.receive(kBackend, kService, outcome.text);
    }
    EXPECT_LE(passes, 70);
    EXPECT_GE(passes, 30);  // the growing message may be refused for its size before that
    EXPECT_NE(outcome.verdict.action, Action::kForward);
}

TEST_F(AttackTest, OurOwnViaFromAStranger) {
    Request request;
    request.via = "SIP/2.0/UDP 10.77.0.1:5060;branch=z9hG4bKsl00000000000000000000000000000000";
    const Outcome sent = from_stranger(request);
    ASSERT_EQ(sent.verdict.action, Action::kForward);
    EXPECT_NE(sent.text.find(";received=10.77.0.9"), std::string::npos);
    request.method = "OPTIONS";
    request.uri = "sip:10.77.0.1";
    EXPECT_EQ(from_stranger(request).target, test::at(kStranger));
}

// A destination of ours may choose the next hop; not even it makes us talk to ourselves.
TEST_F(AttackTest, NextHopOurselvesInEverySpelling) {
    for (const char* host :
         {"10.77.0.1:5099", "10.77.0.1:22", "10.88.0.1:5099", "[fd77::1]:5099",
          "[fd77:0:0:0:0:0:0:1]:5099", "[FD77::0001]:5099", "[::ffff:10.77.0.1]", "[::ffff:a4d:1]",
          "[::ffff:10.77.0.1]:5099", "[::10.77.0.1]", "[::a4d:1]", "example.com;maddr=10.77.0.1",
          "example.com:5099;maddr=10.88.0.1", "10.77.0.102;maddr=[fd77::1]", "127.0.0.1",
          "127.1.2.3:2049", "[::1]", "0.0.0.0", "[::]"}) {
        const Outcome outcome = from_backend(bye(std::string("sip:x@") + host));
        EXPECT_EQ(outcome.verdict.action, Action::kReply) << host;
        EXPECT_EQ(outcome.target, test::at(kBackend)) << host;
        EXPECT_TRUE(start_line(outcome) == "SIP/2.0 482 Loop Detected" ||
                    start_line(outcome) == "SIP/2.0 478 Unresolvable destination")
            << host << " " << start_line(outcome);
    }
    // Our own listeners are no next hop either: such a request is ours to dispatch.
    for (const char* host : {"10.77.0.1", "10.77.0.1:5060", "10.77.0.1:5070", "[fd77::1]",
                             "[FD77:0::1]:05060", "10.88.0.1"}) {
        const Outcome outcome = from_backend(bye(std::string("sip:x@") + host));
        EXPECT_EQ(outcome.target, test::at(kBackend)) << host;
    }
}

TEST_F(AttackTest, NextHopMany) {
    for (const char* host : {"224.0.1.75", "239.255.255.250:1900", "255.255.255.255", "[ff02::1]",
                             "[ff0e::1]:5060", "[::ffff:224.0.0.1]", "[::ffff:255.255.255.255]",
                             "10.77.0.102;maddr=224.0.0.1", "10.77.0.102;maddr=[ff02::1]"}) {
        const Outcome outcome = from_backend(bye(std::string("sip:x@") + host));
        EXPECT_EQ(outcome.verdict.action, Action::kReply) << host;
        EXPECT_EQ(outcome.target, test::at(kBackend)) << host;
    }
    // A subnet's broadcast address has no MAC that the workers could know.
    EXPECT_NE(from_backend(bye("sip:x@10.77.0.255")).verdict.action, Action::kForward);
}

TEST_F(AttackTest, Maddr) {
    const std::string ours = "Route: <sip:10.77.0.1;lr>\r\n";
    struct Row {
        const char* name;
        std::string uri;
        bool refused;
    };
    const Row rows[] = {
        {"away_from_a_destination", "sip:x@10.77.0.101:5060;maddr=10.77.0.102", true},
        {"twice", "sip:x@10.77.0.101:5060;maddr=10.77.0.102;maddr=10.77.0.101", true},
        {"upper_case", "sip:x@10.77.0.101:5060;MADDR=10.77.0.102", true},
        {"host_name", "sip:x@10.77.0.101:5060;maddr=victim.example", true},
        {"empty", "sip:x@10.77.0.101:5060;maddr=", true},
        {"behind_a_quote", "sip:x@10.77.0.101:5060;a=\"b;maddr=10.77.0.101\";maddr=10.77.0.102",
         true},
        {"to_a_destination", "sip:x@10.77.0.102:5060;maddr=10.77.0.101", false},
    };
    for (const Row& row : rows) {
        const Outcome outcome = from_stranger(bye(row.uri, ours));
        EXPECT_EQ(outcome.verdict.action, row.refused ? Action::kReply : Action::kForward)
            << row.name;
        EXPECT_NE(outcome.target, test::at(kVictim)) << row.name;
    }
    // In a Via it would choose where replies go: not for us.
    Request request;
    request.via += ";maddr=10.77.0.102";
    request.method = "OPTIONS";
    request.uri = "sip:10.77.0.1";
    EXPECT_EQ(from_stranger(request).target, test::at(kStranger));
}

// Nobody answers to an address that no single host has, or to itself: a forged source would turn
// one datagram into many, or into a storm between us and ourselves.
TEST_F(AttackTest, ForgedSources) {
    Request options;
    options.method = "OPTIONS";
    options.uri = "sip:10.77.0.1";
    for (const char* source :
         {"224.0.0.1:5060", "239.1.1.1:5060", "255.255.255.255:5060", "0.0.0.0:5060",
          "127.0.0.1:5060", "10.77.0.1:5060", "10.77.0.1:5070", "10.88.0.1:5060", "10.77.0.9:0"}) {
        for (const Request& request : {options, Request{}}) {
            const Outcome outcome = appliance.receive(source, kService, request.text());
            EXPECT_EQ(outcome.verdict.reason, DropReason::kForgedSource) << source << outcome.text;
        }
    }
    options.uri = "sip:[fd77::1]";
    for (const char* source : {"[ff02::1]:5060", "[::]:5060", "[::1]:5060", "[fd77::1]:5060",
                               "[::ffff:10.77.0.1]:5060", "[fd77::9]:0"}) {
        const Outcome outcome = appliance.receive(source, kService6, options.text());
        EXPECT_EQ(outcome.verdict.reason, DropReason::kForgedSource) << source << outcome.text;
    }
    // A reply to a frame whose neighbour we do not know goes back to the MAC it came from.
    test::FrameBuffer frame(test::at("10.77.0.50:5060"), test::at(kService), Request{}.text());
    std::fill_n(frame.packet.data + 6, 6, std::uint8_t{0xff});
    EXPECT_EQ(appliance.receive(frame).verdict.reason, DropReason::kForgedSource);
}

// One reply at most, to the source alone, and hardly larger than the request.
TEST_F(AttackTest, LocalRepliesDoNotAmplify) {
    appliance.add_set(7, {});
    Request no_hops;
    Request options;
    options.method = "OPTIONS";
    options.uri = "sip:10.77.0.1";
    Request stack = options;
    for (int i = 0; i < 60; ++i) {
        stack.more += "Via: SIP/2.0/UDP h" + std::to_string(i) + ";branch=z9hG4bK;rport\r\n";
    }
    Request params = options;
    for (int i = 0; i < 100; ++i) params.via += ";rport;received=1.2.3.4";
    Request extension;
    extension.more = "Proxy-Require: " + std::string(500, 'x') + "\r\n";
    Request scheme;
    scheme.uri = "x:y";
    Request cancel = options;
    cancel.uri = "x:y";
    cancel.method = "CANCEL";
    struct Row {
        const char* name;
        std::string text;
        const char* status;
    };
    std::string used_up = no_hops.text();
    used_up.replace(used_up.find("Max-Forwards: 70"), 16, "Max-Forwards: 0");
    std::string version = options.text();
    version.replace(version.find("SIP/2.0"), 7, "SIP/3.0");
    // The shortest request that can be answered.
    const std::string least = "O x:y SIP/2.0\nv:SIP/2.0/UDP a\nf:<a:>\nt:<a:>\ni:1\nCSeq:1 O\n\n";
    const Row rows[] = {
        {"options", options.text(), "200"},
        {"forbidden", bye("sip:x@10.77.0.102", "Route: <sip:10.77.0.1;lr>\r\n").text(), "403"},
        {"used_up", used_up, "483"},
        {"version", version, "505"},
        {"extension", extension.text(), "420"},
        {"scheme", scheme.text(), "416"},
        {"cancel", cancel.text(), "416"},
        {"via_stack", stack.text(), "200"},
        {"via_params", params.text(), "200"},
    };
    for (const Row& row : rows) {
        const Outcome outcome = appliance.receive(kStranger, kService, row.text);
        ASSERT_EQ(outcome.verdict.action, Action::kReply) << row.name;
        EXPECT_EQ(outcome.text.substr(8, 3), row.status) << row.name;
        EXPECT_EQ(outcome.target.address, test::at(kStranger).address) << row.name;
        // What we add: our To tag, received, rport, Content-Length and a longer reason.
        EXPECT_LE(outcome.text.size(), row.text.size() + 96) << row.name;
    }
    const Outcome small = appliance.receive(kStranger, kService, least);
    EXPECT_EQ(small.verdict.action, Action::kReply);
    EXPECT_LE(small.text.size(), least.size() + 130) << small.text;
    // Never: a reply to a reply, or to an ACK.
    Request ack = bye("sip:x@10.77.0.102", "Route: <sip:10.77.0.1;lr>, <sip:198.51.100.7;lr>\r\n");
    ack.method = "ACK";
    EXPECT_EQ(from_stranger(ack).verdict.action, Action::kDrop);
    std::string reply = options.text();
    reply.replace(0, reply.find("\r\n"), "SIP/2.0 200 OK");
    EXPECT_EQ(appliance.receive(kStranger, kService, reply).verdict.action, Action::kDrop);
}

TEST_F(AttackTest, RelayedRequestsGrowByABoundedAmount) {
    Request params;
    for (int i = 0; i < 100; ++i) params.via += ";rport;received=1.2.3.4";
    Request contact;
    contact.more = "Contact: <sip:a@192.168.1.1" + std::string(400, ' ') + ">\r\n";
    for (const Request& request : {Request{}, params, contact}) {
        const Outcome sent = from_stranger(request);
        ASSERT_EQ(sent.verdict.action, Action::kForward);
        EXPECT_LE(sent.text.size(), request.text().size() + kEditGrowthMax);
        EXPECT_EQ(count(sent.text, "\r\nVia: "), 2U);
    }
}

TEST_F(AttackTest, ManyRoutes) {
    const auto routes = [](int values, const std::string& between, const std::string& uri) {
        std::string text = "Route: ";
        for (int i = 0; i < values; ++i) text += (i == 0 ? "" : between) + "<" + uri + ">";
        return text + "\r\n";
    };
    const std::string own = "sip:10.77.0.1;lr";
    const std::string other = "sip:10.77.0.102;lr";
    struct Row {
        const char* name;
        Request request;
    };
    for (const Row& row : {
             Row{"ours_in_one_line", bye("sip:x@10.77.0.102", routes(100, ",", own))},
             Row{"ours_in_100_lines", bye("sip:x@10.77.0.102", routes(100, "\r\nRoute: ", own))},
             Row{"others_in_one_line", bye("sip:x@10.77.0.102", routes(100, ",", other))},
             Row{"others_in_100_lines",
                 bye("sip:x@10.77.0.102", routes(100, "\r\nRoute: ", other))},
             Row{"empty_values", bye("sip:x@10.77.0.102", "Route: ,,,,,,,,,,,,,,,,,\r\n")},
             Row{"no_end", bye("sip:x@10.77.0.102", "Route: <sip:10.77.0.1;lr\r\n")},
         }) {
        const Outcome outcome = from_stranger(row.request);
        EXPECT_EQ(start_line(outcome), "SIP/2.0 400 Bad Request") << row.name;
    }
}

TEST_F(AttackTest, GiantHeaders) {
    const std::string giant(50000, 'a');
    struct Row {
        const char* name;
        Request request;
    };
    Request via, call_id, uri, to, more, contact;
    via.via += ";x=" + giant;
    call_id.call_id = giant;
    uri.uri = "sip:" + giant + "@example.com";
    to.to = "\"" + giant + "\" <sip:bob@example.com>";
    more.more = "X-Giant: " + giant + "\r\n";
    contact.more = "Contact: <sip:" + giant + "@192.168.1.1>\r\n";
    for (const Row& row : {Row{"via", via}, Row{"call_id", call_id}, Row{"uri", uri}, Row{"to", to},
                           Row{"more", more}, Row{"contact", contact}}) {
        const Outcome sent = from_stranger(row.request);
        EXPECT_EQ(sent.verdict.action, Action::kForward) << row.name;
        EXPECT_NE(sent.text.find(giant), std::string::npos) << row.name;
        // No reply of ours is that large.
        Request refused = row.request;
        refused.more += "Proxy-Require: x\r\n";
        const Outcome outcome = from_stranger(refused);
        EXPECT_LE(outcome.text.size(), 8192U) << row.name;
    }
    Request lines;
    for (int i = 0; i < 5000; ++i) lines.more += "X: y\r\n";
    EXPECT_NE(from_stranger(lines).verdict.action, Action::kForward);
    Request vias;
    for (int i = 0; i < 200; ++i) vias.more += "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\n";
    EXPECT_EQ(from_stranger(vias).verdict.action, Action::kForward);
}

// Every control byte in every place of a request: whatever is decided, it goes to nobody but the
// backend or the sender, and a line end never comes out of it.
TEST_F(AttackTest, NulAndControlBytes) {
    const std::string plain = Request{}.text();
    for (const int byte : {0, 1, 8, 9, 11, 12, 13, 27, 127, 128, 255}) {
        for (std::size_t at = 0; at < plain.size(); ++at) {
            std::string text = plain;
            text[at] = static_cast<char>(byte);
            const Outcome outcome = appliance.receive(kStranger, kService, text);
            if (outcome.verdict.action == Action::kForward) {
                EXPECT_EQ(outcome.target, test::at(kBackend)) << byte << " at " << at;
            } else if (outcome.sent()) {
                EXPECT_EQ(outcome.target.address, test::at(kStranger).address)
                    << byte << " at " << at;
                EXPECT_LE(count(outcome.text, "\n"), count(text, "\n") + 2);
            }
        }
    }
}

// Unsupported repeats what Proxy-Require said; nobody may write header lines of our reply with it.
TEST_F(AttackTest, HeaderInjectionByUnsupported) {
    Request request;
    request.more = "Proxy-Require: a,\r\n Contact: <sip:evil@example.com>\r\n";
    const Outcome outcome = from_stranger(request);
    EXPECT_EQ(start_line(outcome), "SIP/2.0 420 Bad Extension");
    EXPECT_EQ(outcome.text.find("\nContact"), std::string::npos);
    EXPECT_EQ(outcome.text.find("\r\n "), std::string::npos);
    EXPECT_EQ(count(outcome.text, "\r\n\r\n"), 1U);
}

}  // namespace
}  // namespace lb::core
