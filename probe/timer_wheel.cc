#include "probe/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace lb::probe {

TimerWheel::TimerWheel(Micros now) noexcept : tick_(now / kTick) { heads_.fill(kNone); }

void TimerWheel::set(std::uint32_t id, Micros due) {
    if (id >= timers_.size()) timers_.resize(id + std::size_t{1});
    clear(id);
    const std::int64_t tick = std::max((due + kTick - 1) / kTick, tick_);
    const std::size_t bucket = bucket_of(tick);
    timers_[id] = {due, heads_[bucket], kNone, static_cast<std::uint32_t>(bucket)};
    if (heads_[bucket] != kNone) timers_[heads_[bucket]].prev = id;
    heads_[bucket] = id;
    mark(bucket);
}

void TimerWheel::clear(std::uint32_t id) noexcept {
    if (id < timers_.size() && timers_[id].bucket != kNone) unlink(id);
}

std::optional<Micros> TimerWheel::next() const noexcept {
    const std::size_t first = bucket_of(tick_);
    // The first word is looked at twice: its bits from `first` on, and at the end those below.
    for (std::size_t step = 0; step <= occupied_.size(); ++step) {
        const std::size_t word = (first / kWordBits + step) % occupied_.size();
        std::uint64_t bits = occupied_[word];
        if (step == 0) bits &= ~std::uint64_t{0} << (first % kWordBits);
        if (bits == 0) continue;
        const std::size_t bucket =
            word * kWordBits + static_cast<std::size_t>(std::countr_zero(bits));
        const std::size_t ahead = (bucket + kBuckets - first) % kBuckets;
        return (tick_ + static_cast<std::int64_t>(ahead)) * kTick;
    }
    return std::nullopt;
}

void TimerWheel::unlink(std::uint32_t id) noexcept {
    Timer& timer = timers_[id];
    if (timer.next != kNone) timers_[timer.next].prev = timer.prev;
    if (timer.prev != kNone) {
        timers_[timer.prev].next = timer.next;
    } else {
        heads_[timer.bucket] = timer.next;
    }
    const std::size_t bucket = timer.bucket;
    timer = {};
    mark(bucket);
}

void TimerWheel::mark(std::size_t bucket) noexcept {
    const std::uint64_t bit = std::uint64_t{1} << (bucket % kWordBits);
    std::uint64_t& word = occupied_[bucket / kWordBits];
    word = heads_[bucket] == kNone ? word & ~bit : word | bit;
}

}  // namespace lb::probe
