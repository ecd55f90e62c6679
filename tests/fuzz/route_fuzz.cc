// Datagrams of strangers and of destinations through route(). An input is one byte that says who
// sends to which listener, then the payload. Whatever comes: a verdict that is known, a frame that
// is whole and goes to one other host, no answer to an ACK or to a reply, no open relay; and what
// was relayed is relayed the same when it comes again, and its reply finds the way back.

#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>

#include "dp/base/limits.h"
#include "dp/core/peer.h"
#include "dp/sip/parser.h"
#include "tests/dp/sip/sample.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/appliance.h"

namespace lb::test {
namespace {

using core::Action;

struct Way {
    const char* source;
    const char* target;
    std::uint16_t vlan = net::kNoVlan;
};
// The lower bits of the first byte. The source of the odd ones is a destination.
constexpr std::array kWays{
    Way{"10.77.0.9:5060", "10.77.0.1:5060"},      Way{"10.77.0.101:5060", "10.77.0.1:5060"},
    Way{"10.77.0.9:1024", "10.77.0.1:5070"},      Way{"10.77.0.102:5060", "10.77.0.1:5070"},
    Way{"[fd77::9]:5060", "[fd77::1]:5060"},      Way{"[fd77::101]:5060", "[fd77::1]:5060"},
    Way{"10.88.0.9:5060", "10.88.0.1:5060", 100}, Way{"10.77.0.103:5060", "10.88.0.1:5060", 100},
};

constexpr std::size_t kReplyGrowthMax = 1024;

// Three services: what most do; all rewriting there is; rules, and a choice that needs a memory.
void configure(Appliance& appliance) {
    appliance.add_interface("core", {"10.88.0.1/24"}, 100);
    appliance.listen("10.77.0.1:5060", 0);
    appliance.listen("[fd77::1]:5060", 0);
    appliance.listen("10.77.0.1:5070", 1);
    appliance.listen("10.88.0.1:5060", 2);
    std::vector<table::Service>& services = appliance.dispatch.services;
    services[0].set = 1;
    services[1].set = 2;
    services[1].algorithm = table::Algorithm::kRoundRobin;
    services[1].nat = table::Nat::kAlways;
    services[1].enable_full_lr = services[1].path = services[1].set_host = true;
    services[2].set = 1;
    services[2].algorithm = table::Algorithm::kMaglev;
    services[2].server_header = "Server: a load balancer\r\n";
    table::Rule refuse;
    refuse.action = table::Rule::Action::kReply;
    refuse.methods = {"MESSAGE"};
    refuse.code = 603;
    refuse.reason = "Declined";
    table::Rule ignore;
    ignore.action = table::Rule::Action::kDrop;
    ignore.header = "X-Ignore";
    services[2].rules = {refuse, ignore};
    appliance.add_set(1, {"10.77.0.101:5060", "[fd77::101]:5060", "10.77.0.103:5060"});
    appliance.add_set(2, {"10.77.0.102:5060", "10.77.0.103:5060"});
    for (const char* peer : {"10.77.0.9", "10.77.0.101", "10.77.0.102", "fd77::9", "fd77::101"}) {
        appliance.add_neighbour(peer);
    }
    appliance.network.routes.push_back(
        {*Prefix::parse("0.0.0.0/0"), 0, *IpAddress::parse("10.77.0.9"), 0});
    appliance.build();
}

Appliance& appliance() {
    static const auto made = [] {
        auto fresh = std::make_unique<Appliance>();
        configure(*fresh);
        fresh->scratch->state.now_ms = 1'000'000;
        return fresh;
    }();
    return *made;
}

// One datagram and what became of it.
struct Passage {
    Endpoint source, target;
    std::uint16_t vlan;
    std::string payload;
    sip::Message message;  // of the payload
    sip::Error error = sip::parse(payload, message);
    Outcome outcome{};

    Passage(const Endpoint& from, const Endpoint& to, std::uint16_t on_vlan, std::string text)
        : source(from), target(to), vlan(on_vlan), payload(std::move(text)) {
        FrameBuffer frame(source, target, payload, vlan);
        const std::uint8_t* const data = frame.packet.data;
        const std::vector<std::uint8_t> before(data, data + frame.packet.length);
        outcome = appliance().receive(frame);
        check_verdict();
        if (outcome.verdict.action == Action::kPunt || outcome.verdict.action == Action::kResolve) {
            FUZZ_CHECK(frame.packet.data == data);
            FUZZ_CHECK(std::equal(before.begin(), before.end(), data, data + frame.packet.length));
        }
        if (outcome.sent()) check_sent();
        if (outcome.verdict.action == Action::kReply) check_reply();
    }
    Passage(const Passage&) = delete;
    Passage& operator=(const Passage&) = delete;

    bool relayed() const { return outcome.sent() && !answered(); }
    bool answered() const {
        return outcome.verdict.action == Action::kReply ||
               (outcome.verdict.action == Action::kSlowPath && !message.is_reply() &&
                outcome.text.starts_with("SIP/2.0 "));
    }

    void check_verdict() const {
        FUZZ_CHECK(outcome.verdict.action <= Action::kDrop);
        FUZZ_CHECK(outcome.verdict.action != Action::kReassemble);  // no fragment here
        if (outcome.verdict.action == Action::kDrop) {
            FUZZ_CHECK(outcome.verdict.reason < core::DropReason::kCount);
            FUZZ_CHECK(outcome.verdict.reason != core::DropReason::kInternal);
        }
    }

    // parse_frame() with checksums verified has read it already.
    void check_sent() const {
        const table::Network& network = *appliance().tables.network;
        const table::Dispatch& dispatch = *appliance().tables.dispatch;
        FUZZ_CHECK(outcome.text != "(a frame that does not parse)");
        FUZZ_CHECK(outcome.verdict.interface < network.interfaces().size());
        FUZZ_CHECK(dispatch.find_listener(outcome.source) != table::kNoListener);
        FUZZ_CHECK(!network.owns(outcome.target.address));
        FUZZ_CHECK(core::is_peer(outcome.target, false));
        FUZZ_CHECK(outcome.text.size() <=
                   payload.size() + std::max(kEditGrowthMax, kReplyGrowthMax));
        sip::Message sent;
        const sip::Error error_sent = sip::parse(outcome.text, sent);
        if (error != sip::Error::kNone) return;  // a reply to half a message
        const bool good =
            error_sent == sip::Error::kNone || error_sent == sip::Error::kTooManyHeaders;
        if (!good) {
            const std::string_view why = sip::error_text(error_sent);
            std::fprintf(stderr, "sent [%.*s]:\n%s\n", static_cast<int>(why.size()), why.data(),
                         outcome.text.c_str());
        }
        FUZZ_CHECK(good);
        if (relayed()) {
            FUZZ_CHECK(sent.is_reply() == message.is_reply());
            FUZZ_CHECK(error_sent != sip::Error::kNone || sent.body == message.body);
        }
    }

    void check_reply() const {
        FUZZ_CHECK(!message.is_reply());
        FUZZ_CHECK(message.method != sip::Method::kAck);
        FUZZ_CHECK(outcome.text.starts_with("SIP/2.0 "));
        FUZZ_CHECK(outcome.target.address == source.address);
    }
};

// Nobody outside knows the secret: requests of strangers reach destinations, replies nobody.
void check_no_open_relay(const Passage& passage) {
    if (!passage.relayed()) return;
    FUZZ_CHECK(!passage.message.is_reply());
    const table::Dispatch& dispatch = *appliance().tables.dispatch;
    if (!dispatch.is_destination(passage.source)) {
        FUZZ_CHECK(dispatch.is_destination(passage.outcome.target));
    }
}

// The reply to what was relayed goes to where that came from.
void answer(const Passage& request) {
    const std::string& text = request.outcome.text;
    sip::Message sent;
    if (sip::parse(text, sent) != sip::Error::kNone) return;
    const Passage reply(request.outcome.target, request.outcome.source, request.outcome.vlan,
                        "SIP/2.0 200 OK\r\n" + text.substr(sent.start_line.size()));
    FUZZ_CHECK(reply.outcome.verdict.action != Action::kReply);
    if (!reply.outcome.sent()) return;
    FUZZ_CHECK(reply.outcome.target.address == request.source.address);
}

// A request of the same call later: with our Route, and so with its cookie.
void ask_again(const Passage& request) {
    sip::Message sent;
    if (sip::parse(request.outcome.text, sent) != sip::Error::kNone) return;
    if (!sent.record_route.present()) return;
    const std::size_t line = request.message.start_line.size();
    const Passage later(request.source, request.target, request.vlan,
                        request.payload.substr(0, line) +
                            "Route: " + std::string(sent.record_route.value) + "\r\n" +
                            request.payload.substr(line));
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
    std::vector<std::string> seeds;
    const std::string in_dialog = with("To: <sip:bob@example.com>",
                                       "Route: <sip:10.77.0.1;lr>, <sip:10.77.0.103;lr>\r\n"
                                       "To: <sip:bob@example.com>;tag=b2");
    for (std::size_t way = 0; way < kWays.size(); ++way) {
        const std::string first(1, static_cast<char>(way));
        seeds.push_back(first + std::string(kInvite));
        seeds.push_back(first + in_dialog);
        seeds.push_back(first + std::string(kTortuous));
        seeds.push_back(
            first + with("sip:bob@example.com SIP", "sip:bob@10.77.0.102;maddr=10.77.0.103 SIP"));
        seeds.push_back(first + with("INVITE sip:bob@example.com SIP/2.0", "SIP/2.0 200 OK"));
    }
    const std::string options = with("INVITE sip:bob@example.com", "OPTIONS sip:10.77.0.1");
    seeds.push_back('\0' + options);
    seeds.push_back('\0' + with("Max-Forwards: 70", "Max-Forwards: 0\r\nRequire: x"));
    seeds.push_back('\2' + with("Content-Type: application/sdp", "Proxy-Require: a,\r\n b"));
    return seeds;
}

}  // namespace lb::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace lb::test;
    if (size == 0 || size > lb::kDatagramMax) return 0;
    const Way& way = kWays[data[0] % kWays.size()];
    const std::string payload(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Passage passage(at(way.source), at(way.target), way.vlan, payload);
    check_no_open_relay(passage);
    if (!passage.relayed()) return 0;
    const Passage again(at(way.source), at(way.target), way.vlan, payload);
    FUZZ_CHECK(again.outcome.target == passage.outcome.target);
    FUZZ_CHECK(again.outcome.text == passage.outcome.text);
    answer(passage);
    ask_again(passage);
    return 0;
}
