#include "cp/slow_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <asio/io_context.hpp>
#include <asio/ip/udp.hpp>
#include <chrono>
#include <cstring>

#include "dp/net/frame.h"
#include "tests/support/stub_dns.h"

namespace lb::cp {
namespace {

using std::chrono::milliseconds;

Endpoint at(const char* text) { return *Endpoint::parse(text); }

// A kernel socket of somebody else.
class Peer {
public:
    Peer(asio::io_context& io, const char* address) : socket_(io) {
        const asio::ip::udp::endpoint where(asio::ip::make_address(address), 0);
        socket_.open(where.protocol());
        socket_.bind(where);
        socket_.non_blocking(true);
    }
    Endpoint endpoint() const {
        const auto local = socket_.local_endpoint();
        return {*IpAddress::parse(local.address().to_string()), local.port()};
    }
    // What has come, with the port it came from; empty after a while of nothing.
    std::pair<std::string, unsigned> receive() {
        std::string room(70000, '\0');
        for (int tries = 0; tries < 200; ++tries) {
            asio::ip::udp::endpoint from;
            asio::error_code error;
            const std::size_t size = socket_.receive_from(asio::buffer(room), from, 0, error);
            if (!error) return {room.substr(0, size), from.port()};
            ::usleep(1000);
        }
        return {};
    }
    void send(const std::string& text, const Endpoint& to) {
        socket_.send_to(asio::buffer(text), {asio::ip::make_address(to.address.text()), to.port});
    }

private:
    asio::ip::udp::socket socket_;
};

std::vector<std::uint8_t> frame_of(const Endpoint& source, const Endpoint& target,
                                   const std::string& payload) {
    std::vector<std::uint8_t> room(net::kHeadersMax + payload.size());
    std::uint8_t* const start = room.data() + net::kHeadersMax;
    std::memcpy(start, payload.data(), payload.size());
    net::UdpHeaders headers;
    headers.source = source;
    headers.target = target;
    const std::size_t written =
        net::write_udp_headers(headers, start, payload.size(), net::ChecksumMode::kSoftware);
    return {start - written, start + payload.size()};
}

// A stand-in of core::route: the payload is the name of the next hop; without an answer for it,
// kResolve. An empty answer is a drop.
core::Verdict route_by_payload(net::Packet& packet, const table::Tables& tables,
                               core::Scratch& scratch) noexcept {
    net::parse_frame(packet, scratch.frame, false);
    const std::string_view wanted = scratch.frame.payload;
    scratch.unresolved = wanted;
    if (tables.names == nullptr) return {core::Action::kResolve, {}, 0};
    for (const auto& name : *tables.names) {
        if (name.key != wanted) continue;
        if (name.endpoints.empty()) return core::drop(core::DropReason::kBadNextHop);
        net::UdpHeaders headers;
        headers.source = scratch.frame.target;
        headers.target = name.endpoints.front();
        auto* const payload = packet.data + scratch.frame.payload_offset;
        net::write_udp_headers(headers, payload, wanted.size(), net::ChecksumMode::kSoftware);
        return {core::Action::kForward, {}, 0};
    }
    return {core::Action::kResolve, {}, 0};
}

// What route() was given last; asks for a name, whatever is known.
struct Given {
    std::uint16_t device = 0, vlan = 0;
    std::uint64_t now_ms = 0;
} given;

core::Verdict route_never_done(net::Packet& packet, const table::Tables&,
                               core::Scratch& scratch) noexcept {
    given = {packet.device, packet.vlan, scratch.state.now_ms};
    scratch.unresolved = "gw.example:5060";
    return {core::Action::kResolve, {}, 0};
}

class SlowPathTest : public testing::Test {
protected:
    void SetUp() override {
        DnsOptions options;
        options.servers = {{*IpAddress::parse("127.0.0.1"), dns_server_.port()}};
        options.timeout_ms = 100;
        options.tries = 1;
        dns_ = std::make_unique<Dns>(io_, options);
        table::NetworkState network;
        network.interfaces.resize(1);
        network.interfaces[0].device = 3;
        network.interfaces[0].vlan = 7;
        network.routes.push_back({*Prefix::parse("127.0.0.0/8"), 0, {}, 0});
        tables_.network = table::Network::build(std::move(network));
        make(route_by_payload);

        Peer finder(io_, "127.0.0.1");  // a free port, most likely
        service_ = finder.endpoint();
        service6_ = {*IpAddress::parse("::1"), service_.port};
    }
    void make(SlowPath::Route route) {
        SlowPath::Hooks hooks;
        hooks.tables = [this]() -> const table::Tables& { return tables_; };
        hooks.device = [this](table::InterfaceIndex) { return device_; };
        hooks.name_answered = [this] { ++answered_; };
        hooks.now_ms = [this] { return now_ms_; };
        hooks.route = route;
        slow_path_ = std::make_unique<SlowPath>(sockets_, *dns_, std::move(hooks), 0);
    }
    void listen() {
        const Status status = sockets_.listen({service_, service6_});
        ASSERT_TRUE(status) << status.error().message;
    }
    void take(core::Action action, const std::vector<std::uint8_t>& frame) {
        slow_path_->take(action, 0, frame);
        const SlowPathCounters& counters = slow_path_->counters();
        EXPECT_EQ(counters.taken,
                  counters.sent + counters.unsent + counters.held + counters.dropped);
    }
    void publish() {
        tables_.names =
            std::make_shared<const std::vector<table::ResolvedName>>(dns_->resolved_names());
        slow_path_->retry();
    }
    void run_until_answered(unsigned answers) {
        for (int turns = 0; turns < 100 && answered_ < answers; ++turns) {
            io_.restart();
            io_.run_one_for(milliseconds(50));
        }
        ASSERT_EQ(answered_, answers);
    }

    asio::io_context io_;
    test::StubDns dns_server_;
    std::unique_ptr<Dns> dns_;
    ServiceSockets sockets_{io_};
    table::Tables tables_;
    unsigned device_ = ::if_nametoindex("lo");
    unsigned answered_ = 0;
    std::uint64_t now_ms_ = 1000;
    std::unique_ptr<SlowPath> slow_path_;
    Endpoint service_, service6_;
};

TEST_F(SlowPathTest, FinishedDatagramsLeaveFromTheServiceAddress) {
    listen();
    Peer peer(io_, "127.0.0.1"), peer6(io_, "::1");
    take(core::Action::kSlowPath, frame_of(service_, peer.endpoint(), "over IPv4"));
    take(core::Action::kSlowPath, frame_of(service6_, peer6.endpoint(), "over IPv6"));
    EXPECT_EQ(peer.receive(), (std::pair<std::string, unsigned>("over IPv4", service_.port)));
    EXPECT_EQ(peer6.receive(), (std::pair<std::string, unsigned>("over IPv6", service_.port)));
    EXPECT_EQ(slow_path_->counters().sent, 2U);
    const NextHop hop{0, peer.endpoint().address};
    EXPECT_EQ(slow_path_->recent(), std::deque<NextHop>{hop});
}

TEST_F(SlowPathTest, TheLargestDatagramIsFragmentedByTheKernel) {
    listen();
    Peer peer(io_, "127.0.0.1");
    const std::string large(kDatagramMax - 100, 'x');
    take(core::Action::kSlowPath, frame_of(service_, peer.endpoint(), large));
    EXPECT_EQ(peer.receive().first, large);
}

TEST_F(SlowPathTest, WhatCannotBeSentIsCounted) {
    Peer peer(io_, "127.0.0.1");
    const auto frame = frame_of(service_, peer.endpoint(), "x");
    take(core::Action::kSlowPath, frame);  // nobody listens there
    listen();
    device_ = 0;
    take(core::Action::kSlowPath, frame);  // no twin
    device_ = ::if_nametoindex("lo");
    take(core::Action::kSlowPath, {frame.begin(), frame.begin() + 20});
    take(core::Action::kSlowPath, {});
    take(core::Action::kPunt, frame);
    EXPECT_EQ(slow_path_->counters().unsent, 4U);
    EXPECT_EQ(slow_path_->counters().dropped, 1U);
}

TEST_F(SlowPathTest, FramesWaitForTheirName) {
    listen();
    Peer peer(io_, "127.0.0.1");
    dns_server_.a("gw.example", "127.0.0.1");
    const std::string name = "gw.example:" + std::to_string(peer.endpoint().port);
    take(core::Action::kResolve, frame_of(at("127.0.0.1:9"), service_, name));
    take(core::Action::kResolve, frame_of(at("127.0.0.1:9"), service_, name));
    EXPECT_EQ(slow_path_->counters().held, 2U);
    run_until_answered(2);
    publish();
    EXPECT_EQ(slow_path_->counters().held, 0U);
    EXPECT_EQ(slow_path_->counters().sent, 2U);
    EXPECT_EQ(peer.receive(), (std::pair<std::string, unsigned>(name, service_.port)));
    EXPECT_EQ(dns_server_.asked(), 2U) << "A and AAAA, once for both frames";
    take(core::Action::kResolve, frame_of(at("127.0.0.1:9"), service_, name));
    EXPECT_EQ(slow_path_->counters().sent, 3U) << "known by now";
}

TEST_F(SlowPathTest, ANameThatDoesNotResolveIsARefusalNotALoop) {
    listen();
    take(core::Action::kResolve, frame_of(at("127.0.0.1:9"), service_, "no.example:5060"));
    run_until_answered(1);
    publish();
    EXPECT_EQ(slow_path_->counters().dropped, 1U);
    EXPECT_EQ(slow_path_->counters().held, 0U);
}

TEST_F(SlowPathTest, TextsThatAreNoKeyAreNotAsked) {
    for (const char* text : {"host:05060", "host:", "host:0", "host:70000", "host:5060x"}) {
        take(core::Action::kResolve, frame_of(at("127.0.0.1:9"), service_, text));
    }
    EXPECT_EQ(slow_path_->counters().dropped, 5U);
    EXPECT_EQ(dns_->questions(), 0U);
}

TEST_F(SlowPathTest, HeldFramesAreBoundedInNumberBytesAndTime) {
    dns_server_.be_silent(true);
    for (std::size_t i = 0; i < SlowPath::kHeldMax + 10; ++i) {
        take(core::Action::kResolve, frame_of(at("127.0.0.1:9"), service_, "slow.example:1"));
    }
    EXPECT_EQ(slow_path_->counters().held, SlowPath::kHeldMax);
    EXPECT_EQ(slow_path_->counters().dropped, 10U);
    now_ms_ += SlowPath::kHeldMs - 1;
    slow_path_->expire();
    EXPECT_EQ(slow_path_->counters().held, SlowPath::kHeldMax);
    now_ms_ += 1;
    slow_path_->expire();
    EXPECT_EQ(slow_path_->counters().held, 0U);
    EXPECT_EQ(slow_path_->counters().dropped, SlowPath::kHeldMax + 10);
}

TEST_F(SlowPathTest, BytesHeldAreCountedBothWays) {
    const auto large = frame_of(at("127.0.0.1:9"), service_, std::string(60000, 'x'));
    const std::size_t fit = SlowPath::kHeldBytesMax / large.size();
    for (int round = 0; round < 2; ++round) {
        for (std::size_t i = 0; i < fit + 5; ++i) take(core::Action::kResolve, large);
        EXPECT_EQ(slow_path_->counters().held, fit);
        now_ms_ += SlowPath::kHeldMs;
        slow_path_->expire();
        EXPECT_EQ(slow_path_->counters().held, 0U);
    }
}

TEST_F(SlowPathTest, NextHopsAreRememberedOnceAndTheLatestOfThem) {
    listen();
    const auto send_to = [&](std::size_t number) {
        const std::string address =
            "127.1." + std::to_string(number / 250) + "." + std::to_string(1 + number % 250);
        take(core::Action::kSlowPath, frame_of(service_, at((address + ":9").c_str()), "x"));
        return *IpAddress::parse(address);
    };
    send_to(0);
    send_to(0);
    EXPECT_EQ(slow_path_->recent().size(), 1U);
    for (std::size_t i = 1; i < SlowPath::kRecentMax; ++i) send_to(i);
    EXPECT_EQ(slow_path_->recent().size(), SlowPath::kRecentMax);
    const IpAddress last = send_to(SlowPath::kRecentMax);
    EXPECT_EQ(slow_path_->recent().size(), SlowPath::kRecentMax);
    EXPECT_EQ(slow_path_->recent().back().second, last);
    EXPECT_EQ(slow_path_->recent().front().second, *IpAddress::parse("127.1.0.2"));
}

TEST_F(SlowPathTest, RoutesAFrameAsItCameIn) {
    make(route_never_done);
    dns_server_.a("gw.example", "127.0.0.1");
    now_ms_ = 4321;
    auto frame = frame_of(at("127.0.0.1:9"), service_, "x");
    take(core::Action::kResolve, frame);
    EXPECT_EQ(given.device, 3);
    EXPECT_EQ(given.vlan, 7);
    EXPECT_EQ(given.now_ms, 4321U);
    run_until_answered(1);
    publish();
    EXPECT_EQ(slow_path_->counters().held, 0U) << "held once, not for ever";
    EXPECT_EQ(slow_path_->counters().dropped, 1U);
    const std::array<std::uint8_t, 4> tag{0x81, 0x00, 0x00, 0x07};
    frame.insert(frame.begin() + 12, tag.begin(), tag.end());
    take(core::Action::kResolve, frame);
    EXPECT_EQ(given.vlan, net::kNoVlan) << "it says so itself";
    slow_path_->take(core::Action::kResolve, 1, frame);
    EXPECT_EQ(slow_path_->counters().dropped, 2U) << "no such interface any more";
}

TEST_F(SlowPathTest, SocketsHandOverWhatArrives) {
    listen();
    Peer peer(io_, "127.0.0.1");
    std::vector<std::string> seen;
    sockets_.on_datagram([&](const ServiceDatagram& datagram) {
        EXPECT_EQ(datagram.source, peer.endpoint());
        EXPECT_EQ(datagram.target, service_);
        EXPECT_EQ(datagram.device, ::if_nametoindex("lo"));
        seen.emplace_back(as_text(datagram.payload));
    });
    peer.send("one", service_);
    peer.send("two", service_);
    io_.restart();
    io_.run_for(milliseconds(50));
    EXPECT_THAT(seen, testing::ElementsAre("one", "two"));

    const Status again = sockets_.listen({service6_});
    ASSERT_TRUE(again);
    peer.send("three", service_);
    io_.restart();
    io_.run_for(milliseconds(50));
    EXPECT_EQ(seen.size(), 2U) << "closed";
}

TEST_F(SlowPathTest, APortTakenByAnotherIsNamed) {
    Peer other(io_, "127.0.0.1");
    listen();
    const Status taken = sockets_.listen({service_, other.endpoint()});
    ASSERT_FALSE(taken);
    EXPECT_THAT(taken.error().message, testing::HasSubstr(other.endpoint().text()));
    Peer peer(io_, "127.0.0.1");
    take(core::Action::kSlowPath, frame_of(service_, peer.endpoint(), "still open"));
    EXPECT_EQ(peer.receive().first, "still open");
}

}  // namespace
}  // namespace lb::cp
