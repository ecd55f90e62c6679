#pragma once

// The prober in the daemon: a thin shell around probe/scheduler.h. It reads destinations from the
// Dispatcher when their ping starts, gives verdicts to Dispatcher::probe_result(), and owns a
// timer; sockets are those of the slow path, one for each service address, which it is given as a
// function.
//
// Threads: the control thread only, that of `io`.
// Cost:    no work between events; O(1) for each ping and reply.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cp/event_hook.h"
#include "cp/ping_route.h"
#include "dp/base/keyed_hash.h"
#include "probe/scheduler.h"

namespace lb::cp {

struct Config;

struct ProberOptions {
    probe::SchedulerOptions scheduler;
    PingRoute::Options route;
    std::string event_command;
    bool latencies_choose = false;  // a service or rule asks for algorithm 13
};

// What the configuration says; listeners are those of its services, in order.
ProberOptions prober_options(const Config& config);

// A probe's result that changed a destination's state.
struct ProbedChange {
    const Destination& destination;  // as it is now
    std::uint32_t old_flags;
    const probe::Verdict& verdict;
};

class Prober {
public:
    // Sends one datagram from a service address; false if that failed.
    using Send = std::function<bool(const Endpoint& local, const Endpoint& remote,
                                    std::string_view payload)>;

    // `dispatcher` outlives the prober, or is there until follow(). Nothing happens before start().
    Prober(asio::io_context& io, Dispatcher& dispatcher, ProberOptions options,
           const Secret& secret, Send send);
    ~Prober();
    Prober(const Prober&) = delete;
    Prober& operator=(const Prober&) = delete;

    // Called after results that the workers' tables or the list may show: once a batch, not once a
    // result.
    std::function<void()> on_results;
    // Called for each change of state, for the log.
    std::function<void(const ProbedChange&)> on_change;
    // Called for each run of the event command that failed, for the log.
    std::function<void(const EventFailure&)> on_event_failure;

    // The first round starts one interval later; pings under way are forgotten.
    void start();
    void stop();

    // After load, reload, add and remove. Not needed after set_state: flags are read when a ping
    // starts.
    void destinations_changed();
    // New settings. Rounds begin anew if interval or spread changed; pings in flight go on.
    void reconfigure(ProberOptions options);

    // Another model, and new settings. Counters, event commands and set_active() stay.
    // REQUIRES: start() follows.
    void follow(Dispatcher& dispatcher, ProberOptions options);

    void set_active(bool active);  // RPC ping_active
    bool active() const noexcept;

    // A datagram that the slow path received. True if it was a reply to a ping of ours, and is done
    // with.
    bool on_datagram(const Endpoint& source, std::string_view payload);
    // An ICMP error that quotes this much of a datagram of ours.
    void on_unreachable(std::string_view quoted);

    probe::SchedulerStats stats() const noexcept;
    const EventHookStats& event_stats() const noexcept;
    std::size_t in_flight() const noexcept;
    std::size_t memory_bytes() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace lb::cp
