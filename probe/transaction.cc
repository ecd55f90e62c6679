#include "probe/transaction.h"

#include <algorithm>

namespace lb::probe {

Transaction begin(const Timers& timers, Micros now) noexcept {
    return {now, now + timers.t1, timers.t1, false};
}

Micros due(const Transaction& transaction, const Timers& timers) noexcept {
    return std::min(transaction.resend_at, transaction.started + timers.timeout);
}

Step on_timer(Transaction& transaction, const Timers& timers, Micros now) noexcept {
    if (now >= transaction.started + timers.timeout) return Step::kTimeout;
    if (now < transaction.resend_at) return Step::kWait;
    while (transaction.resend_at <= now) {
        transaction.distance =
            transaction.proceeding ? timers.t2 : std::min(2 * transaction.distance, timers.t2);
        // A distance of 0 (timers set so) must not hold us here.
        transaction.resend_at += std::max(transaction.distance, kMillisecond);
    }
    return Step::kResend;
}

void on_provisional(Transaction& transaction, const Timers& timers, Micros now) noexcept {
    if (transaction.proceeding) return;  // a repeated 1xx must not put the next send off for ever
    transaction.proceeding = true;
    transaction.distance = timers.t2;
    transaction.resend_at = now + timers.t2;
}

}  // namespace lb::probe
