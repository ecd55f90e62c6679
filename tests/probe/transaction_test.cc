#include "probe/transaction.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lb::probe {
namespace {

constexpr Micros kStart = 1'234'567 * kMillisecond;

// Milliseconds after the start at which something is sent, the first send included; the last number
// is the timeout. `provisional_ms` < 0: none.
std::vector<Micros> sends(const Timers& timers, Micros provisional_ms) {
    std::vector<Micros> times{0};
    Transaction transaction = begin(timers, kStart);
    bool told = provisional_ms < 0;
    for (int step = 0; step < 1000; ++step) {
        Micros now = due(transaction, timers);
        if (!told && kStart + provisional_ms * kMillisecond <= now) {
            told = true;
            on_provisional(transaction, timers, kStart + provisional_ms * kMillisecond);
            continue;
        }
        const Step what = on_timer(transaction, timers, now);
        EXPECT_NE(what, Step::kWait);
        times.push_back((now - kStart) / kMillisecond);
        if (what == Step::kTimeout) break;
    }
    return times;
}

TEST(Transaction, SendsAtTheTimesOfTheRfc) {
    EXPECT_EQ(sends({}, -1), (std::vector<Micros>{0, 500, 1500, 3500, 7500, 11500, 15500, 19500,
                                                  23500, 27500, 30000}));
}

TEST(Transaction, AProvisionalReplySpacesByT2AndLeavesTheTimeout) {
    EXPECT_EQ(sends({}, 1),
              (std::vector<Micros>{0, 4001, 8001, 12001, 16001, 20001, 24001, 28001, 30000}));
    EXPECT_EQ(sends({}, 600),
              (std::vector<Micros>{0, 500, 4600, 8600, 12600, 16600, 20600, 24600, 28600, 30000}));
}

TEST(Transaction, ARepeatedProvisionalReplyChangesNothing) {
    Transaction transaction = begin({}, kStart);
    on_provisional(transaction, {}, kStart + kSecond);
    on_provisional(transaction, {}, kStart + 3 * kSecond);
    EXPECT_EQ(due(transaction, {}), kStart + 5 * kSecond);
}

TEST(Transaction, TakesOtherTimers) {
    const Timers timers{100 * kMillisecond, 300 * kMillisecond, 1000 * kMillisecond};
    EXPECT_EQ(sends(timers, -1), (std::vector<Micros>{0, 100, 300, 600, 900, 1000}));
}

TEST(Transaction, TimesOutRatherThanSendsAtTheSameMoment) {
    const Timers timers{500 * kMillisecond, 4 * kSecond, 1500 * kMillisecond};
    EXPECT_EQ(sends(timers, -1), (std::vector<Micros>{0, 500, 1500}));
}

TEST(Transaction, LatenessDoesNotAddUp) {
    Transaction transaction = begin({}, kStart);
    EXPECT_EQ(on_timer(transaction, {}, kStart + 499 * kMillisecond), Step::kWait);
    EXPECT_EQ(on_timer(transaction, {}, kStart + 700 * kMillisecond), Step::kResend);
    EXPECT_EQ(due(transaction, {}), kStart + 1500 * kMillisecond);
    // Held up for eight seconds: one send, not three, and then on the same grid.
    EXPECT_EQ(on_timer(transaction, {}, kStart + 8000 * kMillisecond), Step::kResend);
    EXPECT_EQ(due(transaction, {}), kStart + 11500 * kMillisecond);
    EXPECT_EQ(on_timer(transaction, {}, kStart + 31 * kSecond), Step::kTimeout);
}

TEST(Transaction, EndsWithTimersOfZero) {
    const Timers timers{0, 0, 10 * kMillisecond};
    Transaction transaction = begin(timers, kStart);
    EXPECT_EQ(on_timer(transaction, timers, kStart), Step::kResend);
    EXPECT_GT(due(transaction, timers), kStart);
    EXPECT_EQ(on_timer(transaction, timers, kStart + 10 * kMillisecond), Step::kTimeout);
}

}  // namespace
}  // namespace lb::probe
