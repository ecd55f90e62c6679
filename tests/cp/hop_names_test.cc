#include "cp/hop_names.h"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <thread>

#include "cp/prober.h"
#include "tests/support/stub_dns.h"

namespace lb::cp {
namespace {

using std::chrono::milliseconds;

const PingHop kAsking{std::nullopt, true};
const PingHop kNone{};

PingHop at(const char* endpoint) { return {Endpoint::parse(endpoint), false}; }

struct HopNamesTest : ::testing::Test {
    test::StubDns server;
    asio::io_context io;
    std::unique_ptr<Dns> dns;
    std::unique_ptr<HopNames> names;

    HopNamesTest() {
        DnsOptions options;
        options.servers = {{*IpAddress::parse("127.0.0.1"), server.port()}};
        options.timeout_ms = 50;
        options.tries = 1;
        options.ttl_override_s = 1;  // older than that by the next look of these tests
        options.negative_ttl_s = options.ttl_min_s = 1;
        dns = std::make_unique<Dns>(io, options);
        names = std::make_unique<HopNames>(*dns);
    }
    void run_ms(int time) {
        const auto end = std::chrono::steady_clock::now() + milliseconds(time);
        io.restart();
        io.run_until(end);
        std::this_thread::sleep_until(end);  // without work the loop returns at once
    }
    PingHop look(std::uint16_t port = 0) { return names->find("Proxy.example", port); }
};

TEST_F(HopNamesTest, AsksWithoutWaiting) {
    server.a("proxy.example", "192.0.2.9");
    EXPECT_EQ(look(5070), kAsking);
    EXPECT_EQ(look(5070), kAsking);
    run_ms(300);
    EXPECT_EQ(look(5070), at("192.0.2.9:5070"));
    EXPECT_EQ(server.asked(), 2U) << "A and AAAA, once";
    EXPECT_EQ(look(), kAsking) << "without a port: another question";
    run_ms(300);
    EXPECT_EQ(look(), at("192.0.2.9:5060"));
}

TEST_F(HopNamesTest, GoesByServiceRecordsWithoutAPort) {
    server.srv("_sip._udp.proxy.example", 1, 1, 5099, "host.example");
    server.a("host.example", "192.0.2.8");
    EXPECT_EQ(look(), kAsking);
    run_ms(300);
    EXPECT_EQ(look(), at("192.0.2.8:5099"));
}

TEST_F(HopNamesTest, KeepsTheLastAnswerUntilTheNext) {
    server.a("proxy.example", "192.0.2.9");
    (void)look(5070);
    run_ms(300);
    server.clear();
    server.a("proxy.example", "192.0.2.10");
    run_ms(1100);
    EXPECT_EQ(look(5070), at("192.0.2.9:5070")) << "and asks again";
    run_ms(1300);
    EXPECT_EQ(look(5070), at("192.0.2.10:5070")) << "though the cache has forgotten it by now";
    run_ms(1300);
    server.be_silent(true);
    run_ms(1100);
    EXPECT_EQ(look(5070), at("192.0.2.10:5070"));
    run_ms(300);
    EXPECT_EQ(look(5070), at("192.0.2.10:5070")) << "no server answers";
}

TEST_F(HopNamesTest, WhatDoesNotExistIsNoHop) {
    EXPECT_EQ(look(5070), kAsking);
    run_ms(300);
    EXPECT_EQ(look(5070), kNone);
    run_ms(1100);
    EXPECT_EQ(look(5070), kNone) << "asked again meanwhile";
    server.a("proxy.example", "192.0.2.9");
    run_ms(1300);
    (void)look(5070);
    run_ms(300);
    EXPECT_EQ(look(5070), at("192.0.2.9:5070"));
}

TEST_F(HopNamesTest, ASilentServerIsNoAnswer) {
    server.be_silent(true);
    EXPECT_EQ(look(5070), kAsking);
    run_ms(300);
    EXPECT_EQ(look(5070), kAsking);
    server.be_silent(false);
    server.a("proxy.example", "192.0.2.9");
    run_ms(1100);
    EXPECT_EQ(look(5070), kAsking);
    run_ms(300);
    EXPECT_EQ(look(5070), at("192.0.2.9:5070"));
}

TEST_F(HopNamesTest, MayGoBeforeTheAnswer) {
    server.a("proxy.example", "192.0.2.9");
    EXPECT_EQ(look(5070), kAsking);
    names.reset();
    run_ms(300);
}

// Asked when the table is loaded, so that the first ping goes out.
TEST_F(HopNamesTest, PingsGoToTheNamedProxy) {
    server.a("proxy.example", "192.0.2.9");
    Dispatcher dispatcher{DispatcherOptions{}};
    DestinationRow row;
    row.setid = 1;
    row.destination = "sip:127.0.61.1:5060";
    row.attrs = "obproxy=sip:proxy.example:5070";
    const Resolver literal = [](const DestinationUri& uri) -> Result<std::vector<Endpoint>> {
        return std::vector{Endpoint{uri.literal.value(), uri.port}};
    };
    ASSERT_TRUE(dispatcher.load({row}, literal, true));
    ProberOptions options;
    options.scheduler.interval = 200 * probe::kMillisecond;
    options.scheduler.mode = probe::Mode::kAll;
    options.route.listeners = {{*Endpoint::parse("127.0.60.1:5060"), ""}};
    options.route.resolve = [this](std::string_view host, std::uint16_t port) {
        return names->find(host, port);
    };
    std::vector<std::string> sent;
    Prober prober(io, dispatcher, std::move(options), Secret::derive(as_bytes("names")),
                  [&](const Endpoint&, const Endpoint& remote, std::string_view) {
                      sent.push_back(remote.text());
                      return true;
                  });
    prober.destinations_changed();
    prober.start();
    run_ms(260);
    EXPECT_EQ(sent, std::vector<std::string>{"192.0.2.9:5070"});
    EXPECT_EQ(prober.stats().not_sent + prober.stats().postponed, 0U);
}

}  // namespace
}  // namespace lb::cp
