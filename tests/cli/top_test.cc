#include "cli/top.h"

#include <gtest/gtest.h>

#include "cli/drain.h"
#include "cli/figures.h"

namespace lb::cli {
namespace {

using rpc::List;
using rpc::Struct;

Struct counters(std::int32_t received, std::int32_t dropped) {
    return Struct{{"received", received},   {"forwarded", received - dropped},
                  {"dropped", dropped},     {"requests_relayed", received - dropped},
                  {"turns", received},      {"idle_turns", received / 2},
                  {"longest_turn_ns", 5000}};
}

Struct destination(std::int32_t set, const char* uri, std::int32_t calls) {
    return Struct{{"SET", set},    {"URI", uri},         {"FLAGS", "AP"},
                  {"DRAINING", 0}, {"CALLS", calls},     {"REQUESTS", 3 * calls},
                  {"SENT", calls}, {"LATENCY_EST", 1.5}, {"TIMEOUTS", 2}};
}

TopSample sample(double at, std::int32_t received, std::int32_t a, std::int32_t b) {
    List workers, drops, targets;
    workers.add("WORKER", counters(received, received / 10));
    drops.add("DROP", Struct{{"reason", "bad_sip"}, {"count", received / 10}, {"help", "look"}});
    drops.add("DROP", Struct{{"reason", "loop"}, {"count", 0}, {"help", "never"}});
    targets.add("DEST", destination(1, "sip:a", a));
    targets.add("DEST", destination(1, "sip:b", b));
    return {at,
            Struct{{"GENERATION", 7},
                   {"TOTAL", counters(received, received / 10)},
                   {"DROPS", std::move(drops)},
                   {"WORKERS", std::move(workers)},
                   {"PORTS", List{}}},
            Struct{{"DESTINATIONS", 5}, {"CALLS", a + b}, {"TARGETS", std::move(targets)}}};
}

TEST(Top, ReportsRatesASecondAndShares) {
    const rpc::Value report = top_report(sample(10, 1000, 100, 100), sample(12, 3000, 400, 200));
    EXPECT_EQ(number_of(report, "interval_s"), 2);
    EXPECT_EQ(number_of(*report.find("rates"), "received"), 1000);
    EXPECT_EQ(number_of(*report.find("rates"), "dropped"), 100);
    const auto& targets = members_of(report, "TARGETS");
    ASSERT_EQ(targets.size(), 2U);
    EXPECT_EQ(number_of(targets[0].value, "calls_rate"), 150);
    EXPECT_EQ(number_of(targets[0].value, "share"), 0.75);
    EXPECT_EQ(number_of(targets[1].value, "requests_rate"), 150);
    EXPECT_EQ(number_of(members_of(report, "WORKERS")[0].value, "busy"), 0.5);
    ASSERT_EQ(members_of(report, "DROPS").size(), 1U);  // the other one never happened
}

TEST(Top, ARestartedDaemonIsNoNegativeRate) {
    const rpc::Value report = top_report(sample(10, 1000, 100, 100), sample(11, 50, 1, 1));
    EXPECT_EQ(number_of(*report.find("rates"), "received"), 0);
    EXPECT_EQ(number_of(members_of(report, "TARGETS")[0].value, "calls_rate"), 0);
    EXPECT_EQ(number_of(members_of(report, "TARGETS")[0].value, "share"), 0);
}

TEST(Top, ViewNamesWhatItShows) {
    const std::string view = top_view(top_report(sample(0, 0, 0, 0), sample(1, 1000, 300, 100)));
    for (const char* text : {"generation 7", "1000 received", "bad_sip", "sip:a", "75.0%", "1.5 ms",
                             "... and 3.0 with fewer calls"}) {
        EXPECT_NE(view.find(text), std::string::npos) << text << " in\n" << view;
    }
    EXPECT_EQ(view.find("never"), std::string::npos);
    EXPECT_EQ(view.find('\033'), std::string::npos);
}

TEST(Top, AnswersOfOthersAreNotShownAsNumbers) {
    const rpc::Value report = top_report({0, "text", 5}, {1, 7, "text"});
    EXPECT_TRUE(members_of(report, "WORKERS").empty());
    EXPECT_EQ(number_of(*report.find("rates"), "received"), 0);
    EXPECT_FALSE(drained_for_people(rpc::Reply::of("text")).has_value());
}

TEST(Drain, TableForPeople) {
    List targets;
    targets.add("DEST", Struct{{"SET", 1},
                               {"URI", "sip:a"},
                               {"FLAGS", "DP"},
                               {"DRAINING_S", 70.0},
                               {"QUIET_S", 12.0},
                               {"CALLS", 0},
                               {"REQUESTS", 4},
                               {"SENT", 1}});
    const auto text = drained_for_people(
        rpc::Reply::of(Struct{{"DRAINING", 1}, {"TARGETS", std::move(targets)}}));
    ASSERT_TRUE(text);
    EXPECT_NE(text->find("1    sip:a  DP            70 s       12 s"), std::string::npos) << *text;
    const auto none =
        drained_for_people(rpc::Reply::of(Struct{{"DRAINING", 0}, {"TARGETS", List{}}}));
    EXPECT_EQ(*none, "nobody is drained\n");
}

TEST(Figures, ShortNumbers) {
    EXPECT_EQ(short_number(0), "0");
    EXPECT_EQ(short_number(0.25), "0.2");
    EXPECT_EQ(short_number(99'999), "99999");
    EXPECT_EQ(short_number(123'456), "123k");
    EXPECT_EQ(short_number(12'345'678), "12346k");
    EXPECT_EQ(short_number(5e9), "5000M");
}

}  // namespace
}  // namespace lb::cli
