#pragma once

// A counter with one writer, its worker, and any number of readers: relaxed load, add, relaxed
// store. No lock prefix and no data race.

#include <atomic>
#include <cstdint>

namespace lb {

class Counter {
public:
    // Thread: the one writer.
    void add(std::uint64_t n = 1) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    // Thread: the one writer.
    void subtract() noexcept { add(~std::uint64_t{0}); }
    // Thread: any.
    std::uint64_t read() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

}  // namespace lb
