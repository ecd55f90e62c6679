#pragma once

// Counts what each destination gets, in one worker: a row per destination at its slot
// (table::Member::slot), which lasts as long as its id.
//
// Bounds:  as many rows as reserve() was told; a slot beyond them is not counted.
// Threads: one writer, its worker; read() by anyone, each number for itself.
// Cost:    one cache line a message. Rows that nobody counts in take no memory.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace lb::core {

struct TrafficValues {
    std::uint64_t calls = 0;     // INVITEs without To tag dispatched to it, repeated ones included
    std::uint64_t requests = 0;  // all requests relayed to it, calls included
    std::uint64_t sent = 0;      // requests from it that were relayed

    void add(const TrafficValues& other) noexcept {
        calls += other.calls;
        requests += other.requests;
        sent += other.sent;
    }
    // REQUIRES: an earlier reading.
    TrafficValues since(const TrafficValues& earlier) const noexcept {
        return {calls - earlier.calls, requests - earlier.requests, sent - earlier.sent};
    }
};

class Traffic {
public:
    // Thread: before the worker starts. Without memory nothing is counted.
    void reserve(std::size_t slots) noexcept {
        // calloc: pages come into being when they are counted in, not all at the start.
        rows_.reset(static_cast<Row*>(std::calloc(slots, sizeof(Row))));
        slots_ = rows_ == nullptr ? 0 : slots;
    }

    void count_request(std::uint32_t slot, bool call) noexcept {
        if (slot >= slots_) return;
        Row& row = rows_[slot];
        if (call) increment(row.calls);
        increment(row.requests);
    }
    void count_sent(std::uint32_t slot) noexcept {
        if (slot < slots_) increment(rows_[slot].sent);
    }

    TrafficValues read(std::uint32_t slot) const noexcept {
        if (slot >= slots_) return {};
        Row& row = rows_[slot];
        return {load(row.calls), load(row.requests), load(row.sent)};
    }

private:
    struct Row {
        std::uint64_t calls, requests, sent;
        std::uint64_t unused;  // 32 bytes: a row is in one cache line, or its first half in one
    };
    struct Free {
        void operator()(Row* rows) const noexcept { std::free(rows); }
    };

    // As lb::Counter does it; rows are plain numbers because zeroed memory is no object of atomics.
    static void increment(std::uint64_t& number) noexcept {
        const std::atomic_ref<std::uint64_t> value(number);
        value.store(value.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    static std::uint64_t load(std::uint64_t& number) noexcept {
        return std::atomic_ref<std::uint64_t>(number).load(std::memory_order_relaxed);
    }

    std::unique_ptr<Row[], Free> rows_;
    std::size_t slots_ = 0;
};

}  // namespace lb::core
