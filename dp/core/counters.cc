#include "dp/core/counters.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <type_traits>

// GCC says that ThreadSanitizer does not understand fences. Every access here is atomic, so there
// is no race to report either way; the fences order them.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif

namespace lb::core {

namespace {

using Words = std::array<std::uint64_t, sizeof(CounterValues) / sizeof(std::uint64_t)>;
static_assert(std::is_trivially_copyable_v<CounterValues> && sizeof(Words) == sizeof(CounterValues),
              "CounterValues is nothing but 64-bit numbers");
static_assert(offsetof(CounterValues, longest_turn_ns) == sizeof(Words) - sizeof(std::uint64_t),
              "the one maximum is the last word");

}  // namespace

void CounterValues::add(const CounterValues& other) noexcept {
    auto mine = std::bit_cast<Words>(*this);
    const auto more = std::bit_cast<Words>(other);
    for (std::size_t i = 0; i + 1 < mine.size(); ++i) mine[i] += more[i];
    mine.back() = std::max(mine.back(), more.back());
    *this = std::bit_cast<CounterValues>(mine);
}

void WorkerCounters::add(const CounterValues& turn) noexcept {
    const auto more = std::bit_cast<Words>(turn);
    const std::uint32_t sequence = sequence_.load(std::memory_order_relaxed);
    sequence_.store(sequence + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    for (std::size_t i = 0; i + 1 < kFields; ++i) {
        if (more[i] != 0) fields_[i].add(more[i]);
    }
    const std::uint64_t longest = fields_.back().read();
    if (more.back() > longest) fields_.back().add(more.back() - longest);
    sequence_.store(sequence + 2, std::memory_order_release);
}

CounterValues WorkerCounters::read() const noexcept {
    Words words{};
    for (;;) {
        const std::uint32_t before = sequence_.load(std::memory_order_acquire);
        for (std::size_t i = 0; i < kFields; ++i) words[i] = fields_[i].read();
        std::atomic_thread_fence(std::memory_order_acquire);
        const bool whole = before % 2 == 0 && sequence_.load(std::memory_order_relaxed) == before;
        if (whole) return std::bit_cast<CounterValues>(words);
    }
}

}  // namespace lb::core
