#pragma once

// One probe's client transaction over UDP, apart from bytes and sockets: when to send again, when
// to give up (RFC 3261 17.1.2.2; spec/dispatcher.md 4.4). Sends at 0, T1, 3 T1, 7 T1 ... with the
// distance doubling up to T2, at T2 distance once a provisional reply came, until a final reply or
// the timeout.
//
// Threads: values and pure functions. Cost: O(1), no allocation.

#include "probe/time.h"

namespace lb::probe {

struct Timers {
    Micros t1 = 500 * kMillisecond;   // [tm] retr_timer1
    Micros t2 = 4000 * kMillisecond;  // [tm] retr_timer2
    Micros timeout =
        30000 * kMillisecond;  // fr_timer or the prober's own, below max_noninv_lifetime

    friend bool operator==(const Timers&, const Timers&) noexcept = default;
};

struct Transaction {
    Micros started = 0;
    Micros resend_at = 0;
    Micros distance = 0;  // between the last send and the next one
    bool proceeding = false;
};

enum class Step : std::uint8_t { kWait, kResend, kTimeout };

// The transaction whose first send is now.
Transaction begin(const Timers& timers, Micros now) noexcept;

// When on_timer() has something to do.
Micros due(const Transaction& transaction, const Timers& timers) noexcept;

// What is to be done now. After kResend the next send is one distance after the one that was due,
// not after `now`: lateness does not add up, and sends that were missed altogether are left out.
Step on_timer(Transaction& transaction, const Timers& timers, Micros now) noexcept;

// A 1xx came: T2 from here on. The timeout does not move.
void on_provisional(Transaction& transaction, const Timers& timers, Micros now) noexcept;

}  // namespace lb::probe
