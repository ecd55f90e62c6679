#include "probe/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace lb::probe {
namespace {

std::vector<std::uint32_t> fired(TimerWheel& wheel, Micros now, std::size_t max = 1000) {
    std::vector<std::uint32_t> ids;
    wheel.expire(now, max, [&](std::uint32_t id) { ids.push_back(id); });
    return ids;
}

TEST(TimerWheel, FiresOnceNeverEarlyAtMostATickLate) {
    TimerWheel wheel(5 * kSecond);
    EXPECT_EQ(wheel.next(), std::nullopt);
    wheel.set(3, 5 * kSecond + 123'456);
    ASSERT_TRUE(wheel.next());
    EXPECT_GE(*wheel.next(), 5 * kSecond + 123'456);
    EXPECT_LE(*wheel.next(), 5 * kSecond + 123'456 + TimerWheel::kTick);
    EXPECT_TRUE(fired(wheel, 5 * kSecond + 123'455).empty());
    EXPECT_EQ(fired(wheel, *wheel.next()), std::vector<std::uint32_t>{3});
    EXPECT_TRUE(fired(wheel, 100 * kSecond).empty());
    EXPECT_EQ(wheel.next(), std::nullopt);
}

TEST(TimerWheel, ATimeThatHasPassedFiresNext) {
    TimerWheel wheel(0);
    (void)fired(wheel, kSecond);
    wheel.set(0, kMillisecond);
    EXPECT_EQ(fired(wheel, kSecond + TimerWheel::kTick), std::vector<std::uint32_t>{0});
}

TEST(TimerWheel, LeavesOverWhatIsTooMuch) {
    TimerWheel wheel(0);
    for (std::uint32_t id = 0; id < 10; ++id) wheel.set(id, kSecond);
    EXPECT_EQ(fired(wheel, kSecond, 4).size(), 4U);
    ASSERT_TRUE(wheel.next());
    EXPECT_LE(*wheel.next(), kSecond);
    EXPECT_EQ(fired(wheel, kSecond, 4).size(), 4U);
    EXPECT_EQ(fired(wheel, kSecond, 4).size(), 2U);
}

// Against the obvious: a map from id to due time, through random sets, clears and leaps of time.
TEST(TimerWheel, DoesWhatAMapDoes) {
    std::mt19937_64 random(7);
    TimerWheel wheel(0);
    std::map<std::uint32_t, Micros> model;
    Micros now = 0;
    for (int turn = 0; turn < 20000; ++turn) {
        const auto id = static_cast<std::uint32_t>(random() % 200);
        if (random() % 4 != 0) {
            const auto wait =
                static_cast<Micros>(random() % (turn % 50 == 0 ? 100'000'000 : 3'000'000));
            wheel.set(id, now + wait);
            model[id] = now + wait;
        } else {
            wheel.clear(id);
            model.erase(id);
        }
        if (random() % 3 != 0) continue;
        now += static_cast<Micros>(random() % (turn % 97 == 0 ? 60'000'000 : 200'000));
        for (const std::uint32_t due : fired(wheel, now)) {
            ASSERT_TRUE(model.contains(due));
            ASSERT_LE(model[due], now);
            model.erase(due);
        }
        for (const auto& [left, due] : model) {  // only the current tick may still be on its way
            ASSERT_GT(due + TimerWheel::kTick, now) << left;
        }
        ASSERT_EQ(wheel.next().has_value(), !model.empty());
    }
}

TEST(TimerWheel, AnyTimerMaySetItselfAgain) {
    TimerWheel wheel(0);
    std::vector<Micros> times;
    wheel.set(0, 0);
    while (times.size() < 100) {
        const Micros now = *wheel.next();
        wheel.expire(now, 10, [&](std::uint32_t id) {
            times.push_back(now);
            wheel.set(id, now + kSecond);
        });
    }
    EXPECT_EQ(times.front(), 0);
    EXPECT_EQ(times.back(), 99 * kSecond);
}

}  // namespace
}  // namespace lb::probe
