#include "probe/rounds.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <vector>

namespace lb::probe {
namespace {

std::vector<TargetId> ids(std::size_t count, TargetId first = 1) {
    std::vector<TargetId> list(count);
    std::iota(list.begin(), list.end(), first);
    return list;
}

struct Start {
    TargetId id;
    Micros at;
};

// Every start until `end`, asked for at the times that next() names.
std::vector<Start> run(Rounds& rounds, Micros end) {
    std::vector<Start> starts;
    while (rounds.next() && *rounds.next() <= end) {
        const Micros now = *rounds.next();
        while (const auto id = rounds.take(now)) starts.push_back({*id, now});
    }
    return starts;
}

TEST(Rounds, WithoutSpreadAllStartTogetherOneIntervalAfterTheStart) {
    Rounds rounds(7 * kSecond, 5 * kSecond, false);
    rounds.set(ids(1000), 7 * kSecond);
    EXPECT_EQ(rounds.next(), 12 * kSecond);
    EXPECT_FALSE(rounds.take(12 * kSecond - 1));
    const std::vector<Start> starts = run(rounds, 17 * kSecond);
    ASSERT_EQ(starts.size(), 2000U);
    for (std::size_t index = 0; index < 2000; ++index) {
        EXPECT_EQ(starts[index].id, index % 1000 + 1);
        EXPECT_EQ(starts[index].at, (index < 1000 ? 12 : 17) * kSecond);
    }
}

TEST(Rounds, ASmallTableBehavesAlikeWithSpread) {
    Rounds rounds(0, 5 * kSecond, true);
    rounds.set(ids(32), 0);
    const std::vector<Start> starts = run(rounds, 6 * kSecond);
    ASSERT_EQ(starts.size(), 32U);
    for (std::size_t index = 0; index < 32; ++index) {
        EXPECT_EQ(starts[index].id, index + 1);
        EXPECT_EQ(starts[index].at, 5 * kSecond + static_cast<Micros>(index) * kMillisecond);
    }
}

TEST(Rounds, ALargeTableIsSpreadEvenlyAndNeverDrifts) {
    constexpr Micros kInterval = 30 * kSecond;
    Rounds rounds(0, kInterval, true);
    rounds.set(ids(100'000), 0);
    std::map<TargetId, Micros> last;
    std::vector<int> per_second(31);
    for (const Start& start : run(rounds, 30 * kSecond + 31 * kMillisecond)) {
        if (!last.contains(start.id)) ++per_second[static_cast<std::size_t>(start.at / kSecond)];
        last.emplace(start.id, start.at);
    }
    ASSERT_EQ(last.size(), 100'000U) << "everyone once within the first interval";
    for (int second = 0; second < 30; ++second) {
        EXPECT_NEAR(per_second[static_cast<std::size_t>(second)], 100'000 / 30, 32) << second;
    }
    // From here on exactly one interval apart.
    std::size_t checked = 0;
    for (const Start& start : run(rounds, 70 * kSecond)) {
        ASSERT_EQ((start.at - last[start.id]) % kInterval, 0);
        ++checked;
    }
    EXPECT_GT(checked, 100'000U);
}

TEST(Rounds, YearsPassWithoutDrift) {
    Rounds rounds(0, 30 * kSecond, true);
    rounds.set(ids(3), 0);
    constexpr std::int64_t kRounds = 2 * 366 * 24 * 120LL;  // two years
    Micros last = 0;
    for (std::int64_t round = 1; round <= kRounds; ++round) {
        for (TargetId id = 1; id <= 3; ++id) {
            last = *rounds.next();
            ASSERT_EQ(rounds.take(last), id);
        }
        ASSERT_EQ(rounds.take(last), std::nullopt);
        (void)rounds.take(*rounds.next() - 1);
    }
    EXPECT_EQ(last, kRounds * 30 * kSecond + 2 * kMillisecond);
    EXPECT_EQ(rounds.rounds_missed(), 0U);
}

TEST(Rounds, ANewListKeepsTheTurnsOfTheKnown) {
    Rounds rounds(0, 10 * kSecond, true);
    std::vector<TargetId> list = ids(320);
    rounds.set(list, 0);
    std::map<TargetId, std::vector<Micros>> starts;
    const auto note = [&](Micros end) {
        for (const Start& start : run(rounds, end)) starts[start.id].push_back(start.at);
    };
    note(4 * kSecond + kSecond / 2);
    list.erase(list.begin() + 100);   // 101 has had its first turn
    list.push_back(1000);             // its place in this round is still to come
    list.insert(list.begin(), 2000);  // this one's has gone by
    rounds.set(list, 4 * kSecond + kSecond / 2);
    note(31 * kSecond);
    for (TargetId id = 1; id <= 320; ++id) {
        if (id == 101) continue;
        ASSERT_GE(starts[id].size(), 3U) << id;
        for (std::size_t turn = 1; turn < starts[id].size(); ++turn) {
            // One place further in the list is at most one group further in time.
            EXPECT_NEAR(static_cast<double>(starts[id][turn] - starts[id][turn - 1]), 10e6, 1.1e6);
        }
    }
    EXPECT_EQ(starts[101].size(), 1U);
    EXPECT_NEAR(static_cast<double>(starts[1000].front()), 10e6, 1.1e6);
    EXPECT_NEAR(static_cast<double>(starts[2000].front()), 11e6, 1.1e6);
}

TEST(Rounds, AReplacedListWaitsForTheNextRound) {
    Rounds rounds(0, 5 * kSecond, false);
    rounds.set(ids(3), 0);
    EXPECT_EQ(run(rounds, 5 * kSecond).size(), 3U);
    rounds.set(ids(3, 100), 7 * kSecond);
    EXPECT_FALSE(rounds.take(7 * kSecond));
    const std::vector<Start> starts = run(rounds, 10 * kSecond);
    ASSERT_EQ(starts.size(), 3U);
    EXPECT_EQ(starts[0].id, 100U);
    EXPECT_EQ(starts[0].at, 10 * kSecond);
}

TEST(Rounds, AListThatCameLateGoesByTheSameRounds) {
    Rounds rounds(0, 5 * kSecond, false);
    rounds.set({}, 0);
    EXPECT_EQ(rounds.next(), std::nullopt);
    EXPECT_EQ(rounds.take(500 * kSecond), std::nullopt);
    rounds.set(ids(3), 503 * kSecond);
    EXPECT_EQ(rounds.take(503 * kSecond), std::nullopt);
    const std::vector<Start> starts = run(rounds, 505 * kSecond);
    ASSERT_EQ(starts.size(), 3U);
    EXPECT_EQ(starts[0].at, 505 * kSecond);
    EXPECT_EQ(rounds.rounds_missed(), 0U);
}

TEST(Rounds, APauseLosesRoundsAndMakesNoBurst) {
    Rounds rounds(0, 10 * kSecond, true);
    rounds.set(ids(3200), 0);
    (void)run(rounds, 20 * kSecond);
    std::size_t at_once = 0;
    while (rounds.take(100 * kSecond + kSecond / 2)) ++at_once;
    EXPECT_LE(at_once, Rounds::kTogether);
    EXPECT_GE(rounds.rounds_missed(), 7U);
    EXPECT_EQ(run(rounds, 110 * kSecond + kSecond / 2 - 1).size() + at_once, 3200U);

    const std::uint64_t missed = rounds.rounds_missed();
    rounds.restart(120 * kSecond, 5 * kSecond, false);
    EXPECT_EQ(rounds.next(), std::nullopt) << "it has no list";
    rounds.set(ids(3), 120 * kSecond);
    EXPECT_EQ(rounds.next(), 125 * kSecond);
    EXPECT_EQ(rounds.rounds_missed(), missed) << "a counter does not go back";
}

TEST(Rounds, IntervalZeroIsNever) {
    Rounds rounds(0, 0, true);
    rounds.set(ids(3), 0);
    EXPECT_EQ(rounds.next(), std::nullopt);
    EXPECT_EQ(rounds.take(INT64_MAX / 2), std::nullopt);
}

TEST(Rounds, MoreDestinationsThanMicroseconds) {
    Rounds rounds(0, 1000, true);  // a millisecond, for 5000 of them
    rounds.set(ids(5000), 0);
    std::size_t started = 0;
    while (rounds.take(999 + 1000)) ++started;
    EXPECT_GE(started, 5000U);
    EXPECT_LE(started, 10000U);
}

}  // namespace
}  // namespace lb::probe
