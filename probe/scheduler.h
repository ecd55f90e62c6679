#pragma once

// The prober as a pure state machine: (state, event, now) -> (state, actions). Starts pings when
// their time has come (rounds.h), sends again what is not answered (transaction.h), judges each
// ping on its own, and matches replies by the branch that only we can make, wherever they come
// from. Actions go to an Output.
//
// Bounds:  transactions_max pings at a time, about 120 bytes each and no message text; kept once
// grown.
//          kWorkMax sends or verdicts a call of on_time().
// Threads: one. Errors: counted in SchedulerStats; nothing here throws but for lack of memory.
// Cost:    O(1) for each send, reply and verdict.
// Source:  spec/dispatcher.md 4.3 to 4.5, 5.1, 5.2; RFC 3261 17.1.2, 17.1.3.

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/keyed_hash.h"
#include "probe/health.h"
#include "probe/message.h"
#include "probe/reply_codes.h"
#include "probe/rounds.h"
#include "probe/timer_wheel.h"
#include "probe/transaction.h"

namespace lb::probe {

// A destination at the moment its ping starts. The texts need to live until the call that asked
// returns.
struct Target {
    std::uint32_t flags = 0;
    Endpoint local;     // where the ping is sent from
    Endpoint remote;    // its next hop; none: the name does not resolve, so the try fails at once
    bool wait = false;  // the next hop is not known yet: no ping this round, and no verdict
    std::string_view uri;
    std::string_view from;  // attribute ping_from, or empty
};

class Targets {
public:
    virtual ~Targets() = default;
    // False if there is no such destination any more.
    virtual bool find(TargetId id, Target& target) = 0;
};

inline constexpr unsigned kCodeTimeout = 408;
inline constexpr unsigned kCodeNotSent = 500;
inline constexpr unsigned kCodeUnreachable = 503;

// How a verdict came about; the code alone does not tell a 408 from a timeout.
enum class Cause : std::uint8_t { kReply, kTimeout, kNotSent, kUnreachable };

struct Verdict {
    TargetId id = 0;
    ProbeOutcome outcome = ProbeOutcome::kFailure;
    Cause cause = Cause::kReply;
    unsigned code = 0;
    std::optional<std::int32_t>
        latency_ms;  // for replies: whole milliseconds since this ping's first send
};

class Output {
public:
    virtual ~Output() = default;
    // False if it could not be sent. `message` is gone when this returns.
    virtual bool send(const Endpoint& local, const Endpoint& remote, std::string_view message) = 0;
    // Must not call the scheduler.
    virtual void verdict(const Verdict& verdict) = 0;
};

struct SchedulerOptions {
    Micros interval = 0;  // ds_ping_interval; 0: no pings
    bool spread = true;
    Mode mode = Mode::kMarked;
    Timers timers;
    ReplyCodes codes;
    bool icmp_ends_ping = false;  // Kamailio does not notice ICMP errors
    std::size_t transactions_max = std::size_t{1} << 20;
    PingFormat format;
};

struct SchedulerStats {
    std::uint64_t started = 0;
    std::uint64_t resent = 0;
    std::uint64_t accepted = 0;  // final replies with an accepted code
    std::uint64_t refused = 0;   // other final replies
    std::uint64_t timed_out = 0;
    std::uint64_t not_sent = 0;
    std::uint64_t unreachable = 0;    // ended by an ICMP error
    std::uint64_t forgotten = 0;      // by restart(), or the destination went away meanwhile
    std::uint64_t overflowed = 0;     // not started: transactions_max in flight
    std::uint64_t postponed = 0;      // not started: Target::wait
    std::uint64_t late = 0;           // replies to pings already judged
    std::uint64_t wrong_source = 0;   // replies from an address that was not asked; they count
    std::uint64_t rounds_missed = 0;  // Rounds::rounds_missed()
};

class Scheduler {
public:
    static constexpr std::size_t kWorkMax = 2048;

    // `seed`: differs from run to run, so that a late reply to the last run's ping matches nothing.
    Scheduler(SchedulerOptions options, const Secret& secret, std::uint32_t seed, Micros now);

    // Every destination, in the order of dispatcher.list. Pings in flight go on.
    void set_targets(std::span<const TargetId> ids, Micros now) { rounds_.set(ids, now); }

    // New settings; pings in flight go by the new timers. A new interval or spread begins its
    // rounds anew. REQUIRES: set_targets() follows.
    void set_options(SchedulerOptions options, Micros now);

    // Forgets the pings in flight and begins its rounds anew, the first one an interval from now;
    // counters go on. REQUIRES: set_targets() follows.
    void restart(Micros now);

    // RPC ping_active: while false no ping starts; those in flight go on and count.
    void set_active(bool active) noexcept { active_ = active; }
    bool active() const noexcept { return active_; }

    // Does what is due. If next_event() is still not after `now`, there was more than kWorkMax of
    // it: call again.
    void on_time(Micros now, Targets& targets, Output& output);
    std::optional<Micros> next_event() const noexcept;

    // A datagram that reached one of our addresses. True if it is a reply to a ping of ours, even a
    // late or suspicious one; false if it is something else.
    bool on_datagram(const Endpoint& source, std::string_view payload, Micros now, Output& output);

    // An ICMP error that quotes this much of a datagram of ours. True if that was a ping still in
    // flight and icmp_ends_ping is set: then it has failed.
    bool on_unreachable(std::string_view quoted, Output& output);

    std::size_t in_flight() const noexcept { return slots_.size() - free_.size(); }
    std::size_t memory_bytes() const noexcept;
    SchedulerStats stats() const noexcept;
    const SchedulerOptions& options() const noexcept { return options_; }
    const Rounds& rounds() const noexcept { return rounds_; }

private:
    using SlotIndex = std::uint32_t;
    struct Slot {
        std::uint64_t number = 0;  // serial in the upper half, slot in the lower; 0: free
        Transaction transaction;
        TargetId target = 0;
        Endpoint local, remote;
    };

    void start(TargetId id, Micros now, Targets& targets, Output& output);
    void on_timer(SlotIndex index, Micros now, Targets& targets, Output& output);
    bool send(const Slot& slot, const Target& target, Output& output);
    void on_final(SlotIndex index, unsigned code, Micros now, Output& output);
    void fail(TargetId id, Cause cause, unsigned code, Output& output);
    std::optional<SlotIndex> allocate();
    void release(SlotIndex index);
    std::optional<SlotIndex> find(std::uint64_t number) const noexcept;

    SchedulerOptions options_;
    Secret secret_;
    std::uint32_t serial_;
    bool active_ = true;
    Rounds rounds_;
    TimerWheel wheel_;
    std::deque<Slot> slots_;
    std::vector<SlotIndex> free_;
    std::string message_;   // the one being sent
    SchedulerStats stats_;  // but for rounds_missed
};

}  // namespace lb::probe
