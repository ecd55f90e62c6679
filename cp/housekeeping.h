#pragma once

// What the daemon does once a second beside its events: lets things expire, watches the workers,
// keeps neighbours of next hops alive, has names looked up again.
//
// Threads: the control thread only.
// Cost:    bounded per turn, but for drained destinations and next hops in use, which it reads.

#include <asio/steady_timer.hpp>
#include <chrono>
#include <string>

#include "cp/appliance_parts.h"
#include "cp/report.h"

namespace lb::cp {

// A timer and what it does. Nothing happens before start().
class Housekeeping {
public:
    // `parts` outlives it.
    explicit Housekeeping(ApplianceParts& parts);

    // The first turn at once.
    void start();
    // After a generation with these Publisher parts: what has to follow it, within a turn.
    void published(unsigned parts);

    // A sentence about a worker that stands still; empty: all turn.
    std::string problem(const std::vector<core::CounterValues>& workers);

private:
    using Clock = ApplianceParts::Clock;

    void turn();
    void watch_workers();
    void keep_neighbours();
    void refresh_names();
    void log_left_out();

    ApplianceParts& parts_;
    asio::steady_timer timer_;
    std::uint64_t turns_ = 0;
    bool want_neighbours_ = true;  // the table or the network changed: other next hops
    bool reroute_pings_ = false;   // the network changed: another address of ours may be on the way
    Clock::time_point last_refresh_;
    WorkerWatch watch_;
};

}  // namespace lb::cp
