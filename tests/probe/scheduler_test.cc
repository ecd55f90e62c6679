#include "probe/scheduler.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/probe/fake_network.h"

namespace lb::probe {
namespace {

const Secret kSecret = Secret::derive(as_bytes("a secret of these tests"));
const Endpoint kLocal = *Endpoint::parse("10.0.0.1:5060");

Endpoint remote_of(TargetId id) {
    const std::uint8_t bytes[] = {10, static_cast<std::uint8_t>(id >> 16),
                                  static_cast<std::uint8_t>(id >> 8),
                                  static_cast<std::uint8_t>(id)};
    return {IpAddress::from_ipv4(bytes), 5060};
}

struct ProberTest : ::testing::Test {
    SchedulerOptions options;
    test::FakeTargets targets;
    test::FakeWire wire;
    std::optional<Scheduler> scheduler;

    ProberTest() {
        options.interval = 10 * kSecond;
        options.mode = Mode::kAll;
    }

    void begin(std::size_t count) {
        scheduler.emplace(options, kSecret, 1, wire.now);
        std::vector<TargetId> ids;
        for (TargetId id = 1; id <= count; ++id) {
            const Endpoint remote = remote_of(id);
            targets.all[id] = {0, kLocal, remote, "sip:" + remote.text(), ""};
            ids.push_back(id);
        }
        scheduler->set_targets(ids, wire.now);
    }

    // Time passes until `end`, and everything due is done when it is due.
    void run(Micros end) {
        while (scheduler->next_event() && *scheduler->next_event() <= end) {
            wire.now = std::max(wire.now, *scheduler->next_event());
            scheduler->on_time(wire.now, targets, wire);
        }
        wire.now = end;
        scheduler->on_time(wire.now, targets, wire);
    }

    bool answer(const test::SentPing& ping, const std::string& status) {
        return scheduler->on_datagram(ping.remote, test::reply_to(ping.message, status), wire.now,
                                      wire);
    }
};

std::vector<Micros> times_ms(const std::vector<test::SentPing>& sent) {
    std::vector<Micros> times;
    for (const auto& ping : sent) times.push_back(ping.at / kMillisecond);
    return times;
}

TEST_F(ProberTest, ASilentDestination) {
    begin(1);
    run(25 * kSecond);
    EXPECT_EQ(times_ms(wire.sent), (std::vector<Micros>{10000, 10500, 11500, 13500, 17500, 20000,
                                                        20500, 21500, 21500, 23500}));
    EXPECT_TRUE(wire.verdicts.empty());
    EXPECT_EQ(scheduler->in_flight(), 2U);
    run(40 * kSecond);
    ASSERT_EQ(wire.verdicts.size(), 1U);
    const auto& [at, verdict] = wire.verdicts[0];
    EXPECT_EQ(at, 40 * kSecond);
    EXPECT_EQ(verdict.cause, Cause::kTimeout);
    EXPECT_EQ(verdict.code, 408U);
    EXPECT_EQ(verdict.outcome, ProbeOutcome::kFailure);
    EXPECT_FALSE(verdict.latency_ms);
}

TEST_F(ProberTest, RetransmissionsAreTheSameBytesAndPingsAreNot) {
    begin(1);
    run(21 * kSecond);
    ASSERT_EQ(wire.sent.size(), 7U);
    for (int copy = 1; copy < 5; ++copy) {
        EXPECT_EQ(wire.sent[0].message, wire.sent[static_cast<std::size_t>(copy)].message);
    }
    for (const char* header : {"Via: ", "From: ", "Call-ID: "}) {
        EXPECT_NE(test::line_of(wire.sent[0].message, header),
                  test::line_of(wire.sent[5].message, header));
    }
}

TEST_F(ProberTest, AFinalReplyEndsIt) {
    begin(1);
    run(10 * kSecond);
    ASSERT_EQ(wire.sent.size(), 1U);
    wire.now += 123'900;
    EXPECT_TRUE(answer(wire.sent[0], "200 OK"));
    ASSERT_EQ(wire.verdicts.size(), 1U);
    EXPECT_EQ(wire.verdicts[0].second.outcome, ProbeOutcome::kSuccess);
    EXPECT_EQ(wire.verdicts[0].second.latency_ms, 123);
    EXPECT_EQ(scheduler->in_flight(), 0U);
    EXPECT_TRUE(answer(wire.sent[0], "200 OK")) << "ours, but late";
    EXPECT_EQ(wire.verdicts.size(), 1U);
    EXPECT_EQ(scheduler->stats().late, 1U);
    run(19 * kSecond);
    EXPECT_EQ(wire.sent.size(), 1U);
}

TEST_F(ProberTest, JudgesByTheCode) {
    struct Row {
        const char* status;
        ProbeOutcome outcome;
    };
    constexpr Row kRows[] = {
        {"200 OK", ProbeOutcome::kSuccess},          {"204 No", ProbeOutcome::kSuccess},
        {"302 Moved", ProbeOutcome::kFailure},       {"401 No", ProbeOutcome::kFailure},
        {"404 No", ProbeOutcome::kFailure},          {"405 No", ProbeOutcome::kSuccess},
        {"503 Unavailable", ProbeOutcome::kFailure}, {"603 No", ProbeOutcome::kFailure},
    };
    options.codes = ReplyCodes::parse("code=405");
    options.spread = false;
    begin(std::size(kRows));
    run(10 * kSecond);
    for (std::size_t row = 0; row < std::size(kRows); ++row) {
        EXPECT_TRUE(answer(wire.sent[row], kRows[row].status));
        EXPECT_EQ(wire.verdicts.back().second.outcome, kRows[row].outcome) << kRows[row].status;
        EXPECT_EQ(wire.verdicts.back().second.id, row + 1);
    }
    EXPECT_EQ(scheduler->stats().accepted, 3U);
    EXPECT_EQ(scheduler->stats().refused, 5U);
}

TEST_F(ProberTest, ATimeoutIsAFailureWhateverTheCodesSay) {
    options.codes = ReplyCodes::parse("class=4;code=408");
    options.timers.timeout = 2 * kSecond;
    begin(1);
    run(12 * kSecond);
    ASSERT_EQ(wire.verdicts.size(), 1U);
    EXPECT_EQ(wire.verdicts[0].second.outcome, ProbeOutcome::kFailure);
}

TEST_F(ProberTest, AProvisionalReplySpacesByT2) {
    begin(1);
    run(10 * kSecond);
    EXPECT_TRUE(answer(wire.sent[0], "100 Trying"));
    run(19 * kSecond);
    EXPECT_EQ(times_ms(wire.sent), (std::vector<Micros>{10000, 14000, 18000}));
    EXPECT_TRUE(wire.verdicts.empty());
}

TEST_F(ProberTest, OverlappingPingsAreJudgedEachOnItsOwn) {
    begin(1);
    run(20 * kSecond);
    const test::SentPing first = wire.sent.front(), second = wire.sent.back();
    ASSERT_EQ(second.at, 20 * kSecond);
    wire.now = 25 * kSecond;
    EXPECT_TRUE(answer(first, "200 OK"));
    EXPECT_EQ(wire.verdicts.back().second.latency_ms, 15000)
        << "from its own start, not the newest";
    EXPECT_TRUE(answer(second, "503 No"));
    EXPECT_EQ(wire.verdicts.back().second.latency_ms, 5000);
    EXPECT_EQ(wire.verdicts.back().second.outcome, ProbeOutcome::kFailure);
}

TEST_F(ProberTest, AStrangerCannotAnswer) {
    begin(2);
    options.spread = false;
    run(10 * kSecond + 100 * kMillisecond);
    const test::SentPing& ping = wire.sent[0];
    const std::string reply = test::reply_to(ping.message, "200 OK");

    const std::size_t branch = reply.find("z9hG4bK");
    for (std::size_t at = branch; at < branch + 9 + 32; ++at) {
        std::string forged = reply;
        forged[at] = forged[at] == '0' ? '1' : '0';
        EXPECT_FALSE(scheduler->on_datagram(ping.remote, forged, wire.now, wire)) << at;
    }
    EXPECT_TRUE(wire.verdicts.empty());
}

TEST_F(ProberTest, WhoeverHasTheBranchMayAnswer) {
    begin(2);
    options.spread = false;
    run(10 * kSecond + 100 * kMillisecond);
    ASSERT_EQ(wire.sent.size(), 2U);
    Endpoint other_port = remote_of(1);
    other_port.port = 40000;
    const Endpoint other_host = *Endpoint::parse("[2001:db8::7]:5060");
    EXPECT_TRUE(scheduler->on_datagram(other_port, test::reply_to(wire.sent[0].message, "200 OK"),
                                       wire.now, wire));
    EXPECT_EQ(scheduler->stats().wrong_source, 0U);
    EXPECT_TRUE(scheduler->on_datagram(other_host, test::reply_to(wire.sent[1].message, "200 OK"),
                                       wire.now, wire));
    EXPECT_EQ(scheduler->stats().wrong_source, 1U);
    ASSERT_EQ(wire.verdicts.size(), 2U);
    for (const auto& [at, verdict] : wire.verdicts) {
        EXPECT_EQ(verdict.outcome, ProbeOutcome::kSuccess);
    }
    EXPECT_EQ(scheduler->stats().accepted, 2U);
}

TEST_F(ProberTest, TakesNothingThatIsNoReplyToAPing) {
    begin(1);
    run(10 * kSecond);
    const std::string& ping = wire.sent[0].message;
    const std::string reply = test::reply_to(ping, "200 OK");
    EXPECT_FALSE(scheduler->on_datagram(remote_of(1), ping, wire.now, wire));
    EXPECT_FALSE(scheduler->on_datagram(remote_of(1), "", wire.now, wire));
    EXPECT_FALSE(scheduler->on_datagram(remote_of(1), "\r\n\r\n", wire.now, wire));
    for (std::size_t size = 0; size < reply.size() - 40; ++size) {
        (void)scheduler->on_datagram(remote_of(1), reply.substr(0, size), wire.now, wire);
    }
    std::string other = reply;
    other.replace(other.find("OPTIONS"), 7, "INVITE");
    (void)scheduler->on_datagram(remote_of(1), other, wire.now, wire);
    EXPECT_TRUE(wire.verdicts.empty());
}

TEST_F(ProberTest, ALateReplyToTheLastRunMatchesNothing) {
    begin(1);
    run(10 * kSecond);
    const test::SentPing ping = wire.sent[0];
    Scheduler next(options, kSecret, 99, wire.now);
    next.set_targets(std::vector<TargetId>{1}, wire.now);
    next.on_time(wire.now + 10 * kSecond, targets, wire);
    EXPECT_EQ(next.in_flight(), 1U);
    EXPECT_TRUE(
        next.on_datagram(ping.remote, test::reply_to(ping.message, "200 OK"), wire.now, wire));
    EXPECT_EQ(next.in_flight(), 1U);
}

TEST_F(ProberTest, WhatCannotBeSentFailsAtOnce) {
    begin(3);
    targets.all[1].remote = {};
    targets.all[2].uri = "sip:x\r\nRoute: <sip:evil>";
    run(10 * kSecond + 100 * kMillisecond);
    ASSERT_EQ(wire.verdicts.size(), 2U);
    for (const auto& [at, verdict] : wire.verdicts) {
        EXPECT_EQ(verdict.cause, Cause::kNotSent);
        EXPECT_EQ(verdict.code, 500U);
        EXPECT_EQ(verdict.outcome, ProbeOutcome::kFailure);
    }
    EXPECT_EQ(wire.sent.size(), 1U);
    EXPECT_EQ(scheduler->in_flight(), 1U);
    wire.refuse = true;
    run(19 * kSecond);
    EXPECT_EQ(wire.verdicts.size(), 2U) << "a resend that fails is a lost one";
    run(20 * kSecond + 100 * kMillisecond);
    EXPECT_EQ(wire.verdicts.size(), 5U);
}

TEST_F(ProberTest, AHopThatIsNotKnownYetIsNoFailure) {
    begin(1);
    targets.all[1].wait = true;
    run(25 * kSecond);
    EXPECT_TRUE(wire.sent.empty());
    EXPECT_TRUE(wire.verdicts.empty());
    EXPECT_EQ(scheduler->stats().postponed, 2U);
    EXPECT_EQ(scheduler->stats().started, 0U);
    targets.all[1].wait = false;
    run(30 * kSecond);
    EXPECT_EQ(wire.sent.size(), 1U) << "with the next round";
}

TEST_F(ProberTest, OnlyTheProbedAreProbed) {
    begin(5);
    targets.all[2].flags = kDisabled;
    targets.all[3].flags = kNoPing;
    targets.all[4].flags = kNoDns;
    targets.all[5].flags = kInactive;
    run(10 * kSecond + 50 * kMillisecond);
    ASSERT_EQ(wire.sent.size(), 2U);
    EXPECT_EQ(wire.sent[0].remote, remote_of(1));
    EXPECT_EQ(wire.sent[1].remote, remote_of(5));
}

TEST_F(ProberTest, PingActiveStopsStartsAndNothingElse) {
    begin(1);
    run(11 * kSecond);
    scheduler->set_active(false);
    run(45 * kSecond);
    EXPECT_EQ(wire.verdicts.size(), 1U) << "the one in flight still counts";
    EXPECT_EQ(wire.sent.back().at, 37'500 * kMillisecond) << "and still sends";
    scheduler->set_active(true);
    wire.sent.clear();
    run(50 * kSecond);
    ASSERT_EQ(wire.sent.size(), 1U);
    EXPECT_EQ(wire.sent[0].at, 50 * kSecond) << "on the old rounds";
}

TEST_F(ProberTest, ADestinationThatWentAwayIsForgotten) {
    begin(1);
    run(10 * kSecond);
    targets.all.clear();
    scheduler->set_targets({}, wire.now);
    run(50 * kSecond);
    EXPECT_EQ(wire.sent.size(), 1U);
    EXPECT_TRUE(wire.verdicts.empty());
    EXPECT_EQ(scheduler->in_flight(), 0U);
    EXPECT_EQ(scheduler->stats().forgotten, 1U);
}

TEST_F(ProberTest, AnIcmpErrorEndsItOnlyIfAsked) {
    begin(1);
    run(10 * kSecond);
    EXPECT_FALSE(scheduler->on_unreachable(wire.sent[0].message, wire));
    options.icmp_ends_ping = true;
    begin(1);
    run(20 * kSecond);
    const std::string quoted = wire.sent.back().message.substr(0, 200);
    EXPECT_FALSE(scheduler->on_unreachable(quoted.substr(0, 60), wire)) << "cut in the branch";
    EXPECT_FALSE(scheduler->on_unreachable("z9hG4bKsp", wire));
    EXPECT_TRUE(scheduler->on_unreachable(quoted, wire));
    EXPECT_EQ(wire.verdicts.back().second.cause, Cause::kUnreachable);
    EXPECT_FALSE(scheduler->on_unreachable(quoted, wire)) << "once";
}

TEST_F(ProberTest, IsBoundedInPings) {
    options.transactions_max = 10;
    begin(32);
    run(10 * kSecond + 100 * kMillisecond);
    EXPECT_EQ(scheduler->in_flight(), 10U);
    EXPECT_EQ(scheduler->stats().overflowed, 22U);
    EXPECT_TRUE(wire.verdicts.empty()) << "not asked is not failed";
}

TEST_F(ProberTest, CountsRoundsThatNobodyCalledFor) {
    begin(2);
    run(20 * kSecond);
    EXPECT_EQ(scheduler->stats().rounds_missed, 0U);
    wire.now = 70 * kSecond + kSecond / 2;
    scheduler->on_time(wire.now, targets, wire);
    EXPECT_EQ(scheduler->stats().rounds_missed, 4U) << "those of 30 to 60 s";
}

TEST_F(ProberTest, IsBoundedInWorkACall) {
    options.spread = false;
    begin(5000);
    wire.now = 10 * kSecond;
    int calls = 0;
    while (*scheduler->next_event() <= wire.now) {
        const std::size_t before = wire.sent.size();
        scheduler->on_time(wire.now, targets, wire);
        EXPECT_LE(wire.sent.size() - before, Scheduler::kWorkMax);
        ++calls;
    }
    EXPECT_EQ(wire.sent.size(), 5000U);
    EXPECT_EQ(calls, 3);
}

TEST_F(ProberTest, ARestartForgetsPingsAndKeepsCounters) {
    begin(2);
    run(12 * kSecond);
    EXPECT_EQ(scheduler->in_flight(), 2U);
    const test::SentPing ping = wire.sent[0];
    wire.sent.clear();
    scheduler->restart(wire.now);
    scheduler->set_targets(std::vector<TargetId>{1, 2}, wire.now);
    EXPECT_EQ(scheduler->in_flight(), 0U);
    EXPECT_TRUE(answer(ping, "200 OK"));
    run(21 * kSecond);
    EXPECT_TRUE(wire.sent.empty()) << "no resend";
    EXPECT_TRUE(wire.verdicts.empty());
    run(22 * kSecond + 100 * kMillisecond);
    EXPECT_EQ(wire.sent.size(), 2U) << "one interval after the restart";
    EXPECT_EQ(scheduler->stats().started, 4U);
    EXPECT_EQ(scheduler->stats().forgotten, 2U);
    EXPECT_EQ(scheduler->stats().late, 1U);
}

TEST_F(ProberTest, NewSettingsTakeOver) {
    begin(1);
    run(10 * kSecond);
    options.interval = 3 * kSecond;
    options.timers.timeout = kSecond;
    scheduler->set_options(options, wire.now);
    scheduler->set_targets(std::vector<TargetId>{1}, wire.now);
    wire.sent.clear();
    run(13 * kSecond);
    ASSERT_EQ(wire.verdicts.size(), 1U) << "the running one goes by the new timeout";
    ASSERT_FALSE(wire.sent.empty());
    EXPECT_EQ(wire.sent.back().at, 13 * kSecond);
}

// Ten years of one destination that answers every other ping, in a fraction of a second.
TEST_F(ProberTest, YearsPass) {
    options.interval = 3600 * kSecond;
    begin(1);
    bool answers = false;
    std::optional<test::SentPing> to_answer;
    wire.on_sent = [&](const test::SentPing& ping) {
        if (ping.at % options.interval != 0) return;  // a retransmission
        answers = !answers;
        if (answers) to_answer = ping;
    };
    constexpr std::uint64_t kRounds = 10 * 8766;
    while (scheduler->stats().started < kRounds) {
        wire.now = *scheduler->next_event();
        scheduler->on_time(wire.now, targets, wire);
        if (to_answer) {
            ASSERT_TRUE(answer(*to_answer, "200 OK"));
            to_answer.reset();
        }
        wire.sent.clear();
        wire.verdicts.clear();
    }
    EXPECT_EQ(wire.now, static_cast<Micros>(kRounds) * options.interval) << "no drift";
    EXPECT_EQ(scheduler->stats().accepted, kRounds / 2);
    EXPECT_EQ(scheduler->stats().timed_out, kRounds / 2 - 1) << "the last is on its way";
    EXPECT_EQ(scheduler->stats().resent, (kRounds / 2 - 1) * 9);
    EXPECT_LT(scheduler->memory_bytes(), 64U * 1024);
}

TEST_F(ProberTest, HundredThousandSpreadAndSmall) {
    options.interval = 30 * kSecond;
    constexpr std::size_t kCount = 100'000;
    begin(kCount);
    std::map<Micros, int> in_slice;  // of 100 ms
    wire.on_sent = [&](const test::SentPing& ping) { ++in_slice[ping.at / (100 * kMillisecond)]; };
    while (wire.now < 90 * kSecond) {
        wire.now = *scheduler->next_event();
        scheduler->on_time(wire.now, targets, wire);
        wire.sent.clear();  // all of them are silent
    }
    // Three rounds of starts, and nine resends of each: at most ten sends per destination and
    // round.
    for (const auto& [slice, sends] : in_slice) EXPECT_LE(sends, 100'000 / 300 * 10 + 700) << slice;
    EXPECT_LE(scheduler->in_flight(), kCount + 5000);
    EXPECT_LT(scheduler->memory_bytes(), 16U << 20);
    RecordProperty("memory_bytes", std::to_string(scheduler->memory_bytes()));
    EXPECT_GE(scheduler->stats().timed_out, 2 * kCount - 5000);
    EXPECT_EQ(scheduler->stats().overflowed, 0U);
}

}  // namespace
}  // namespace lb::probe
