#pragma once

// Which destination's ping starts when. Every destination starts once a round, a round is one
// interval long, and nothing that happens to a ping moves a start.
//
// The first round starts no later than one interval after the prober, and by then every destination
// has started once. Within a round destinations keep their order (that of dispatcher.list). Without
// `spread` all start together, as in Kamailio. With it at most kTogether do, a millisecond apart:
// the groups are laid evenly over the interval, so a table of 32 destinations behaves as in
// Kamailio and one of 100,000 makes no burst.
//
// Bounds:  8 bytes a destination.
// Threads: one. Cost: O(1) for each start, O(n log n) for a new list.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "probe/time.h"

namespace lb::probe {

using TargetId = std::uint32_t;  // of the control plane; the same destination for ever

class Rounds {
public:
    static constexpr std::size_t kTogether = 32;

    // `started`: when the prober started. Interval 0: never.
    Rounds(Micros started, Micros interval, bool spread) noexcept;

    // All begins anew, but for rounds_missed(). REQUIRES: set() follows.
    void restart(Micros started, Micros interval, bool spread) noexcept;

    // A new list, in the order of their pings. Those known before keep their turn; a new one whose
    // time in this round has passed waits for the next.
    void set(std::span<const TargetId> ids, Micros now);

    // The next one that should start by now; nothing if there is none.
    std::optional<TargetId> take(Micros now) noexcept;

    // When take() has something next; nothing if never.
    std::optional<Micros> next() const noexcept;

    // Rounds left out because nobody called for longer than an interval. The next one then starts
    // at once.
    std::uint64_t rounds_missed() const noexcept { return missed_; }
    std::size_t size() const noexcept { return entries_.size(); }
    std::size_t memory_bytes() const noexcept { return entries_.capacity() * sizeof(Entry); }

private:
    struct Entry {
        TargetId id = 0;
        std::uint32_t round = 0;  // the last one it started in
    };

    Micros offset(std::size_t index) const noexcept;
    Micros round_start() const noexcept { return base_ + round_ * interval_; }
    void enter_round_of(Micros now) noexcept;
    std::uint32_t round_number() const noexcept { return static_cast<std::uint32_t>(round_); }

    Micros base_;  // when round 0 starts
    Micros interval_;
    bool spread_;
    bool placed_ = false;  // base_ is final
    std::int64_t round_ = 0;
    std::size_t cursor_ = 0;  // those before it have started in this round
    std::uint64_t missed_ = 0;
    std::vector<Entry> entries_;
};

}  // namespace lb::probe
