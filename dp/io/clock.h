#pragma once

// The time-stamp counter as a clock: one reading per turn, no system call.

#include <rte_cycles.h>

#include <cstdint>

namespace lb::io {

class Clock {
public:
    Clock() noexcept : start_(rte_rdtsc()), per_ms_(rte_get_tsc_hz() / 1000) {}

    std::uint64_t now() const noexcept { return rte_rdtsc(); }
    // Milliseconds since the clock was made, from 1 on.
    std::uint64_t ms(std::uint64_t ticks) const noexcept { return 1 + (ticks - start_) / per_ms_; }
    std::uint64_t ns(std::uint64_t ticks) const noexcept { return ticks * 1'000'000 / per_ms_; }
    std::uint64_t from_us(std::int64_t us) const noexcept {
        return static_cast<std::uint64_t>(us) * per_ms_ / 1000;
    }

private:
    std::uint64_t start_;
    std::uint64_t per_ms_;
};

}  // namespace lb::io
