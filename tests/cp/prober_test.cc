// The shell on a real event loop, with an interval of a tenth of a second and a wire that is a
// function.

#include "cp/prober.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>

#include "cp/config.h"
#include "tests/probe/fake_network.h"

namespace lb::cp {
namespace {

using probe::kMillisecond;
using std::chrono::milliseconds;

constexpr const char* kFirst = "sip:127.0.61.1:5060";

DispatcherOptions model_options() {
    DispatcherOptions options;
    options.probing_mode = 1;
    options.probing_threshold = 2;
    options.latency_stats = true;
    return options;
}

ProberOptions prober_settings() {
    ProberOptions options;
    options.scheduler.interval = 100 * kMillisecond;
    options.scheduler.mode = probe::Mode::kAll;
    options.scheduler.timers.timeout = 40 * kMillisecond;
    options.route.listeners = {{*Endpoint::parse("127.0.60.1:5060"), ""}};
    return options;
}

void load_into(Dispatcher& dispatcher, const std::vector<std::string>& uris) {
    std::vector<DestinationRow> rows;
    for (const std::string& uri : uris) {
        DestinationRow row;
        row.origin = "row";
        row.setid = 1;
        row.destination = uri;
        rows.push_back(row);
    }
    const Resolver literal = [](const DestinationUri& uri) -> Result<std::vector<Endpoint>> {
        return std::vector{Endpoint{uri.literal.value(), uri.port}};
    };
    ASSERT_TRUE(dispatcher.load(rows, literal, true));
}

struct ShellTest : ::testing::Test {
    struct Sent {
        Endpoint remote;
        std::string message;
    };

    asio::io_context io;
    Dispatcher dispatcher{model_options()};
    std::unique_ptr<Dispatcher> next;
    std::vector<Sent> sent;
    std::set<std::string> silent;
    int batches = 0;
    std::vector<std::string> changes;
    Prober prober{io, dispatcher, prober_settings(), Secret::derive(as_bytes("shell")),
                  [this](const Endpoint&, const Endpoint& remote, std::string_view message) {
                      sent.push_back({remote, std::string(message)});
                      return true;
                  }};

    ShellTest() {
        prober.on_results = [this] { ++batches; };
        prober.on_change = [this](const ProbedChange& change) {
            changes.push_back(std::string(change.destination.uri) + " " +
                              state_letters(change.old_flags, false) + ">" +
                              state_letters(change.destination.flags, false));
        };
    }

    void load(const std::vector<std::string>& uris) {
        load_into(dispatcher, uris);
        prober.destinations_changed();
    }

    // A loop that has run dry needs a restart before it runs on.
    void run_ms(int time) {
        io.restart();
        io.run_for(milliseconds(time));
    }

    void answer_all() {
        const std::vector<Sent> pings = std::exchange(sent, {});
        for (const Sent& ping : pings) {
            if (silent.contains(ping.remote.text())) continue;
            EXPECT_TRUE(prober.on_datagram(ping.remote, test::reply_to(ping.message, "200 OK")));
        }
    }

    std::string state(std::size_t index) {
        return state_letters(dispatcher.sets().at(0).members.at(index).flags, false);
    }
};

// Algorithm 13 goes by them, also while no state changes; but not by each reply.
TEST_F(ShellTest, TellsOfLatenciesWhereTheyChoose) {
    load({"sip:127.0.61.1:5060"});
    prober.start();
    const auto answer_for_a_while = [&] {
        for (int turn = 0; turn < 40; ++turn) {
            run_ms(10);
            answer_all();
        }
    };
    answer_for_a_while();
    EXPECT_EQ(state(0), "AP");
    const int before = batches;
    answer_for_a_while();
    EXPECT_EQ(batches, before) << "nobody asks for latencies";
    ProberOptions options = prober_settings();
    options.latencies_choose = true;
    prober.reconfigure(std::move(options));
    answer_for_a_while();
    EXPECT_EQ(batches, before + 1);
}

// The last ones as well, though no ping follows them for long.
TEST_F(ShellTest, TellsOfTheLastLatenciesToo) {
    std::uint32_t told = 0;
    const auto samples = [this] { return dispatcher.sets()[0].members[0].latency.samples; };
    prober.on_results = [&] { told = samples(); };
    load({kFirst});
    ProberOptions options = prober_settings();
    options.latencies_choose = true;
    prober.reconfigure(options);
    prober.start();
    for (int turn = 0; turn < 500 && samples() < 2; ++turn) {
        run_ms(10);
        answer_all();
    }
    ASSERT_GE(samples(), 2U);
    options.scheduler.interval = 0;
    prober.reconfigure(options);
    for (int turn = 0; turn < 500 && told != samples(); ++turn) run_ms(10);
    EXPECT_EQ(told, samples());
}

TEST_F(ShellTest, ProbesAndFeedsTheModel) {
    load({"sip:127.0.61.1:5060", "sip:127.0.61.2:5060"});
    silent = {"127.0.61.2:5060"};
    run_ms(50);
    EXPECT_TRUE(sent.empty()) << "not before start()";
    prober.start();
    run_ms(60);
    EXPECT_TRUE(sent.empty()) << "one interval after the start";
    for (int turn = 0; turn < 100 && state(0) != "IP"; ++turn) {
        run_ms(10);
        answer_all();
    }
    EXPECT_EQ(state(0), "IP") << "the last row is the first of its set";
    EXPECT_EQ(state(1), "AP");
    EXPECT_GT(batches, 0);
    EXPECT_EQ(changes,
              (std::vector<std::string>{"sip:127.0.61.1:5060 AX>AP", "sip:127.0.61.2:5060 AX>TP",
                                        "sip:127.0.61.2:5060 TP>IP"}));
    EXPECT_GE(dispatcher.sets().at(0).members.at(0).latency.timeout, 1U);
}

TEST_F(ShellTest, PingActiveAndStop) {
    load({"sip:127.0.61.1:5060"});
    prober.set_active(false);
    prober.start();
    EXPECT_FALSE(prober.active());
    run_ms(250);
    EXPECT_TRUE(sent.empty());
    prober.set_active(true);
    run_ms(150);
    EXPECT_FALSE(sent.empty());
    prober.stop();
    sent.clear();
    run_ms(250);
    EXPECT_TRUE(sent.empty());
}

TEST_F(ShellTest, FollowsTheTable) {
    load({"sip:127.0.61.1:5060"});
    prober.start();
    run_ms(130);
    load({"sip:127.0.61.7:5060"});
    sent.clear();
    run_ms(230);
    ASSERT_FALSE(sent.empty());
    for (const Sent& ping : sent) EXPECT_EQ(ping.remote.text(), "127.0.61.7:5060");
}

TEST_F(ShellTest, TakesNewSettings) {
    load({"sip:127.0.61.1:5060"});
    prober.start();
    ProberOptions settings = prober_settings();
    settings.scheduler.interval = 0;
    prober.reconfigure(settings);
    run_ms(250);
    EXPECT_TRUE(sent.empty());
    settings.scheduler.interval = 50 * kMillisecond;
    settings.scheduler.format.method = "INFO";
    prober.reconfigure(settings);
    run_ms(120);
    ASSERT_FALSE(sent.empty());
    EXPECT_TRUE(sent[0].message.starts_with("INFO sip:127.0.61.1:5060 SIP/2.0\r\n"));
}

TEST_F(ShellTest, RunsTheCommandWhenADestinationGoesDown) {
    ProberOptions settings = prober_settings();
    std::string command = ::testing::TempDir() + "siplane-probe-shell-XXXXXX";
    const int file = ::mkstemp(command.data());
    constexpr std::string_view kScript = "#!/bin/sh\nexit 0\n";
    ASSERT_EQ(::write(file, kScript.data(), kScript.size()), static_cast<ssize_t>(kScript.size()));
    ASSERT_EQ(::fchmod(file, 0700), 0);
    ::close(file);
    settings.event_command = command;
    load({"sip:127.0.61.1:5060"});
    prober.reconfigure(settings);
    prober.start();
    run_ms(500);
    EXPECT_EQ(state(0), "IP");
    EXPECT_EQ(prober.event_stats().failed, 0U);
    EXPECT_EQ(prober.event_stats().started, 1U) << "once: TP is not down";
    EXPECT_EQ(prober.event_stats().bad_exit, 0U);
    // A command's change is none.
    ASSERT_TRUE(dispatcher.set_state(1, "sip:127.0.61.1:5060", table::kDisabled));
    run_ms(100);
    EXPECT_EQ(prober.event_stats().started, 1U);
    std::remove(command.c_str());
}

// It is there or not, whether or not it gets calls: every "up" comes after its "down".
TEST_F(ShellTest, RunsTheCommandForADrainedDestinationToo) {
    ProberOptions settings = prober_settings();
    settings.event_command = "/bin/true";
    load({kFirst});
    prober.reconfigure(settings);
    prober.start();
    const auto until = [this](const char* wanted) {
        for (int turn = 0; turn < 500 && state(0) != wanted; ++turn) {
            run_ms(10);
            answer_all();
        }
        EXPECT_EQ(state(0), wanted);
    };
    until("AP");
    ASSERT_TRUE(dispatcher.drain(1, "all", true));
    EXPECT_EQ(state(0), "DP");
    silent = {"127.0.61.1:5060"};
    until("IP");
    EXPECT_EQ(prober.event_stats().started, 1U) << "down";
    ASSERT_TRUE(dispatcher.drain(1, "all", false));
    EXPECT_EQ(state(0), "IP");
    EXPECT_EQ(prober.event_stats().started, 1U) << "draining is no event";
    silent.clear();
    until("AP");
    EXPECT_EQ(prober.event_stats().started, 2U) << "up";
}

// As after a SIGHUP that changed an option of the model.
TEST_F(ShellTest, CountersAndCommandsOutliveTheModel) {
    std::string command = ::testing::TempDir() + "siplane-probe-model-XXXXXX";
    const int file = ::mkstemp(command.data());
    constexpr std::string_view kScript = "#!/bin/sh\nsleep 0.5\nexit 3\n";
    ASSERT_EQ(::write(file, kScript.data(), kScript.size()), static_cast<ssize_t>(kScript.size()));
    ASSERT_EQ(::fchmod(file, 0700), 0);
    ::close(file);
    ProberOptions settings = prober_settings();
    settings.event_command = command;
    load({kFirst});
    prober.reconfigure(settings);
    prober.start();
    for (int turn = 0; turn < 100 && prober.event_stats().started == 0; ++turn) run_ms(10);
    ASSERT_EQ(prober.event_stats().started, 1U);
    const probe::SchedulerStats before = prober.stats();
    EXPECT_GE(before.timed_out, 2U);

    DispatcherOptions options = model_options();
    options.probing_threshold = 1;
    next = dispatcher.clone(options);
    prober.follow(*next, settings);
    ASSERT_TRUE(dispatcher.load({}, nullptr, true));  // what is left of it is not looked at
    prober.start();
    run_ms(1000);
    EXPECT_EQ(prober.event_stats().started, 1U) << "still down";
    EXPECT_EQ(prober.event_stats().bad_exit, 1U) << "waited for";
    const probe::SchedulerStats& after = prober.stats();
    EXPECT_GT(after.started, before.started + 2);
    EXPECT_EQ(after.started, after.timed_out + after.forgotten + prober.in_flight());
    std::remove(command.c_str());
}

TEST_F(ShellTest, DoesNotProbeWhatIsNotOverUdp) {
    load({"sip:127.0.61.1:5060;transport=tcp", "sips:127.0.61.1", kFirst});
    prober.start();
    run_ms(250);
    ASSERT_FALSE(sent.empty());
    for (const Sent& ping : sent) {
        EXPECT_TRUE(ping.message.starts_with("OPTIONS sip:127.0.61.1:5060 SIP/2.0\r\n"));
    }
}

TEST_F(ShellTest, PingsAsTheRowSays) {
    DestinationRow row;
    row.setid = 1;
    row.destination = "sip:127.0.61.1:5060";
    row.attrs = "ping_from=sip:monitor@example.net";
    ASSERT_TRUE(dispatcher.load({row}, nullptr, true));
    prober.destinations_changed();
    prober.start();
    for (int turn = 0; turn < 100 && sent.empty(); ++turn) run_ms(20);
    ASSERT_FALSE(sent.empty());
    EXPECT_NE(sent[0].message.find("\r\nFrom: <sip:monitor@example.net>;tag="), std::string::npos);
}

// No failure: the destination is not to blame.
TEST_F(ShellTest, LeavesAPingOutWhileItsProxyIsAskedFor) {
    ProberOptions settings = prober_settings();
    settings.route.outbound_proxy = "sip:proxy.example";
    settings.route.resolve = [](std::string_view, std::uint16_t) {
        return PingHop{std::nullopt, true};
    };
    load({kFirst});
    prober.reconfigure(settings);
    prober.start();
    for (int turn = 0; turn < 100 && prober.stats().postponed < 2; ++turn) run_ms(20);
    EXPECT_GE(prober.stats().postponed, 2U);
    EXPECT_EQ(prober.stats().started, 0U);
    EXPECT_EQ(state(0), "AX");
}

TEST(HoldUntilProbed, TheFirstResultDecides) {
    DispatcherOptions options = model_options();
    options.hold_until_probed = true;
    options.inactive_threshold = 3;
    Dispatcher dispatcher(options);
    const auto flags = [&](std::size_t index) {
        return dispatcher.sets().at(0).members.at(index).flags;
    };
    load_into(dispatcher, {kFirst, "sip:127.0.61.2:5060"});
    EXPECT_EQ(state_letters(flags(0), false), "IX");
    EXPECT_EQ(state_letters(flags(1), false), "IX");
    dispatcher.probe_result(dispatcher.sets()[0].members[0].id, true, 3, false);
    dispatcher.probe_result(dispatcher.sets()[0].members[1].id, false, std::nullopt, true);
    EXPECT_EQ(state_letters(flags(0), false), "AP") << "one success, whatever the threshold";
    EXPECT_EQ(state_letters(flags(1), false), "IP");
    load_into(dispatcher, {kFirst, "sip:127.0.61.2:5060", "sip:127.0.61.3:5060"});
    EXPECT_EQ(state_letters(flags(0), false), "IX") << "new";
    EXPECT_EQ(state_letters(flags(1), false), "AP") << "a reload keeps what was learned";
    EXPECT_EQ(state_letters(flags(2), false), "IP");
}

TEST(ProberOptions, ComeFromTheConfiguration) {
    Config config;
    config.dispatcher.ds_ping_interval = 30;
    config.dispatcher.ds_probing_mode = 3;
    config.dispatcher.ds_ping_reply_codes = "code=404";
    config.dispatcher.ds_ping_spread = false;
    config.dispatcher.outbound_proxy = "sip:10.0.0.1";
    config.tm.fr_timer = 60000;
    config.tm.retr_timer1 = 250;
    ServiceConfig service;
    service.listen = {{*Endpoint::parse("10.77.0.1:5060"), "edge"}};
    config.services.push_back(service);

    const ProberOptions options = prober_options(config);
    EXPECT_EQ(options.scheduler.interval, 30 * probe::kSecond);
    EXPECT_EQ(options.scheduler.mode, probe::Mode::kFlagged);
    EXPECT_TRUE(options.scheduler.codes.accepts(404));
    EXPECT_FALSE(options.scheduler.spread);
    EXPECT_EQ(options.scheduler.timers.t1, 250 * kMillisecond);
    EXPECT_EQ(options.scheduler.timers.timeout, 32000 * kMillisecond) << "max_noninv_lifetime";
    EXPECT_EQ(options.route.outbound_proxy, "sip:10.0.0.1");
    ASSERT_EQ(options.route.listeners.size(), 1U);
    EXPECT_EQ(options.route.listeners[0].name, "edge");
    config.dispatcher.ds_ping_fr_timer = 1500;
    EXPECT_EQ(prober_options(config).scheduler.timers.timeout, 1500 * kMillisecond);
    EXPECT_EQ(prober_options(Config{}).scheduler.interval, 0);
    config.tm.retr_timer2 = 2000;
    config.dispatcher.ping_icmp_errors = true;
    config.dispatcher.ds_ping_socket = "udp:10.77.0.1:5060";
    config.dispatcher.ds_default_socket = "udp:10.77.0.2:5060";
    config.dispatcher.ds_default_sockname = "edge";
    config.dispatcher.event_command = "/bin/true";
    config.dispatcher.ds_ping_method = "INFO";
    config.dispatcher.ds_ping_from = "sip:me";
    const ProberOptions more = prober_options(config);
    EXPECT_EQ(more.scheduler.timers.t2, 2000 * kMillisecond);
    EXPECT_TRUE(more.scheduler.icmp_ends_ping);
    EXPECT_FALSE(options.scheduler.icmp_ends_ping);
    EXPECT_EQ(more.route.ds_ping_socket, "udp:10.77.0.1:5060");
    EXPECT_EQ(more.route.ds_default_socket, "udp:10.77.0.2:5060");
    EXPECT_EQ(more.route.ds_default_sockname, "edge");
    EXPECT_EQ(more.event_command, "/bin/true");
    EXPECT_EQ(more.scheduler.format.method, "INFO");
    EXPECT_EQ(more.scheduler.format.from, "sip:me");
    EXPECT_FALSE(more.latencies_choose);
    config.services[0].rules.emplace_back().algorithm = table::Algorithm::kLatency;
    EXPECT_TRUE(prober_options(config).latencies_choose) << "a rule";
    config.services[0].rules.clear();
    config.services[0].algorithm = table::Algorithm::kLatency;
    EXPECT_TRUE(prober_options(config).latencies_choose) << "a service";
    EXPECT_TRUE(prober_options(Config{}).scheduler.format.user_agent.starts_with("siplane"));
}

}  // namespace
}  // namespace lb::cp
