#pragma once

// The counters of one worker. The worker is the one writer, anyone reads.
//
//   received = forwarded + replied + punted + held + sum(dropped)
//
// `held` counts fragments that wait for the rest of their datagram or have become part of a whole
// one (whose last fragment carries the datagram's verdict); when a datagram is abandoned its
// fragments move from held to dropped.

#include <array>
#include <atomic>
#include <cstdint>

#include "dp/base/counters.h"
#include "dp/core/verdict.h"

namespace lb::core {

// Plain numbers: a reading of one worker, or the sum of several.
struct CounterValues {
    std::uint64_t received = 0, forwarded = 0, replied = 0, punted = 0, held = 0;
    std::array<std::uint64_t, static_cast<std::size_t>(DropReason::kCount)> dropped{};
    std::uint64_t requests_relayed = 0, replies_relayed = 0;
    std::uint64_t fragments_sent = 0;  // frames that one forwarded datagram became
    std::uint64_t injected = 0;        // frames from the kernel (TAP) sent out of the port
    std::uint64_t inject_lost = 0;  // frames from the kernel that found no buffer or a full queue
    std::uint64_t slow_path = 0;    // part of punted: went to the control thread
    std::uint64_t handed_over =
        0;  // to the worker that owns the call, which counts them as received
    // No turn counts these two, io::Worker::counters() asks the table: transactions whose
    // destination is remembered now, and those that had to go for lack of room.
    std::uint64_t transactions = 0, transactions_evicted = 0;
    std::uint64_t turns = 0, idle_turns = 0, longest_turn_ns = 0;

    std::uint64_t dropped_total() const noexcept {
        std::uint64_t sum = 0;
        for (const std::uint64_t n : dropped) sum += n;
        return sum;
    }
    bool balanced() const noexcept {
        return received == forwarded + replied + punted + held + dropped_total();
    }
    void add(const CounterValues& other) noexcept;
};

// Threads: add() by the worker, read() by anyone.
// Cost:    the worker counts a turn in a CounterValues of its own and adds it here at the turn's
// end, between two
//          steps of a sequence number; a reader that sees the number odd or changed reads again. So
//          a reading balances at any time, and the worker never waits.
class alignas(128) WorkerCounters {
public:
    // Adds one turn's counts (a `held` that shrank is a negative number modulo 2^64;
    // longest_turn_ns is a maximum, not a sum).
    void add(const CounterValues& turn) noexcept;
    CounterValues read() const noexcept;

private:
    std::atomic<std::uint32_t> sequence_{0};  // odd while add() writes
    static constexpr std::size_t kFields = sizeof(CounterValues) / sizeof(std::uint64_t);
    std::array<Counter, kFields> fields_;  // in the order of CounterValues
};

}  // namespace lb::core
