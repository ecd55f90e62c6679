#pragma once

// One timer per small number (a slot of the prober), set, moved and cleared in constant time.
//
// A ring of 4096 buckets of 10 ms; a timer beyond its 41 s stays in its bucket until its turn. A
// timer never fires early, and at most one tick late if expire() is called in time.
//
// Bounds: grows to the largest id ever set, 24 bytes each, plus 16 KiB of buckets.
// Threads: one.

#include <array>
#include <cstdint>
#include <deque>
#include <optional>

#include "probe/time.h"

namespace lb::probe {

class TimerWheel {
public:
    static constexpr Micros kTick = 10 * kMillisecond;
    static constexpr std::uint32_t kNone = UINT32_MAX;

    explicit TimerWheel(Micros now) noexcept;

    // Replaces the timer of `id`. A time that has passed fires with the next tick.
    void set(std::uint32_t id, Micros due);
    void clear(std::uint32_t id) noexcept;

    // Calls fire(id) for timers that are due, at most `max`; returns how many. The timer is cleared
    // before the call, which may set or clear that same timer and no other. What `max` left over
    // comes next time.
    template <class Fire>
    std::size_t expire(Micros now, std::size_t max, Fire&& fire);

    // A time not after the first timer is due, rounded up to a tick; nothing if no timer is set.
    std::optional<Micros> next() const noexcept;

    std::size_t memory_bytes() const noexcept {
        return sizeof(*this) + timers_.size() * sizeof(Timer);
    }

private:
    static constexpr std::size_t kBuckets = 4096;
    static constexpr std::size_t kWordBits = 64;

    struct Timer {
        Micros due = 0;
        std::uint32_t next = kNone;
        std::uint32_t prev = kNone;
        std::uint32_t bucket = kNone;  // kNone: not set
    };

    static std::size_t bucket_of(std::int64_t tick) noexcept {
        return static_cast<std::size_t>(tick) % kBuckets;
    }
    void unlink(std::uint32_t id) noexcept;
    void mark(std::size_t bucket) noexcept;

    std::int64_t tick_;  // every earlier tick's bucket has been gone through
    std::array<std::uint32_t, kBuckets> heads_;
    std::array<std::uint64_t, kBuckets / kWordBits> occupied_{};
    std::deque<Timer> timers_;  // a deque: growing must not copy megabytes at once
};

template <class Fire>
std::size_t TimerWheel::expire(Micros now, std::size_t max, Fire&& fire) {
    const std::int64_t last = now / kTick;
    // After a long pause every bucket needs one visit, not one for each tick missed.
    if (last - tick_ >= static_cast<std::int64_t>(kBuckets)) {
        tick_ = last - static_cast<std::int64_t>(kBuckets) + 1;
    }
    std::size_t fired = 0;
    for (; tick_ <= last; ++tick_) {
        std::uint32_t id = heads_[bucket_of(tick_)];
        while (id != kNone) {
            const std::uint32_t next = timers_[id].next;
            if (timers_[id].due <= now) {
                if (fired == max) return fired;
                unlink(id);
                ++fired;
                fire(id);
            }
            id = next;
        }
    }
    return fired;
}

}  // namespace lb::probe
