#pragma once

// What the daemon says of itself to people and to monitoring: one moment, as plain values, so that
// the control thread copies it once and other threads turn it into text at their leisure.
//
// Bounds:  kDestinationsShown destinations one by one; with more of them in the table none is, only
//          the numbers of each set; the same for kSetsShown sets. So neither page nor series grow
//          without limit.
// Threads: make_report() and WorkerWatch: the control thread. A finished Report: any, unchanged.
// Cost:    O(destinations): 0.1 ms for 2000 of them, and a count alone for more.

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "cp/config.h"
#include "cp/control.h"
#include "cp/event_hook.h"
#include "cp/slow_path.h"
#include "probe/scheduler.h"

namespace lb::cp {

inline constexpr std::size_t kDestinationsShown = 2000;
inline constexpr std::size_t kSetsShown = 2000;

struct DestinationReport {
    std::string uri;          // valid UTF-8, no control characters, whatever the row held
    unsigned copy = 1;        // 2 for the second of the same URI in its set
    std::string state;        // the letters of dispatcher.list
    bool selectable = false;  // in service: not skipped, over UDP, its name resolved
    std::int32_t priority = 0, weight = 0, rweight = 0;
    Latency latency;
    std::uint32_t calls = 0;  // as DLGLOAD of dispatcher.list
};

struct SetReport {
    std::int32_t id = 0;
    // By the first state letter; their sum is the set's size.
    std::size_t active = 0, trying = 0, inactive = 0, disabled = 0;
    std::size_t selectable = 0;
    std::vector<DestinationReport> destinations;  // index order; empty if they are not shown

    std::size_t size() const noexcept { return active + trying + inactive + disabled; }
};

struct ServiceReport {
    std::string name;
    std::vector<std::string> listen;
    std::int32_t set = 0;
    std::string algorithm;
};

struct ReloadCounts {
    std::uint64_t good = 0, refused = 0;
    std::int64_t last_time = 0;  // Unix seconds, 0: none yet
    bool last_good = true;
    std::size_t refused_rows =
        0;  // of the load whose table serves; only at the start are there any
};

struct Report {
    std::string version;
    std::int64_t now = 0, start_time = 0;  // Unix seconds
    Stats stats;
    std::vector<ServiceReport> services;
    std::size_t sets_total = 0, destinations_total = 0;
    std::vector<SetReport> sets;  // empty if there are more than kSetsShown
    bool has_latency = false;     // ds_ping_latency_stats: Latency is filled in
    bool has_calls = false;       // ds_hash_size: `calls` is
    probe::SchedulerStats probes;
    std::size_t probes_in_flight = 0;
    bool probing_active = false;
    SlowPathCounters slow_path;
    std::uint64_t unclaimed = 0;  // datagrams on our sockets that nobody waited for
    std::uint64_t dns_questions = 0;
    std::size_t dns_answers = 0;
    EventHookStats events;
    ReloadCounts reloads;
    std::string problem;  // a sentence; empty: healthy

    bool destinations_left_out() const noexcept {
        return sets_total > kSetsShown || destinations_total > kDestinationsShown;
    }
    core::CounterValues totals() const noexcept;  // of all workers
};

// Version, clock, counters, services and sets. Probes, slow path, names and reloads are those of
// the caller.
Report make_report(const Config& config, Control& control);

// Bytes that are no valid UTF-8, and control characters, become '?': Prometheus refuses a whole
// page for one such byte.
std::string clean_text(std::string_view text);

// Notices workers that have stopped turning; an idle worker turns ten times a second at least.
class WorkerWatch {
public:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds kStuckAfter{3};

    // Looks at the counters now. Every second or so.
    void look(const std::vector<core::CounterValues>& workers, Clock::time_point now);
    // A sentence about the first one that has stood still for kStuckAfter; empty: all turn.
    std::string problem(Clock::time_point now) const;

private:
    struct Seen {
        std::uint64_t turns = 0;
        Clock::time_point since;
    };
    std::vector<Seen> seen_;
};

}  // namespace lb::cp
