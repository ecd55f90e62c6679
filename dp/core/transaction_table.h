#pragma once

// Remembers which destination a transaction went to, for algorithms whose choice is no function of
// the message: its retransmissions, CANCEL and ACK must go there too (RFC 3261 16.11; design.md
// section 7).
//
// Bounds:    2^n entries of 16 bytes, allocated when it is made. Eight-way buckets: a full one
// loses
//            the entry that would expire first, which is counted.
// Threads:   one instance per worker, not shared; size() and evictions() may be read by any thread.
// Cost:      one cache line pair per look-up, no allocation, no clock.
// Invariant: size() is the number of entries that hold a transaction.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dp/base/counters.h"
#include "dp/base/limits.h"
#include "dp/table/dispatch.h"

namespace lb::core {

// An INVITE may ring for minutes before a CANCEL (Timer C is above 3 minutes, RFC 3261 16.6);
// anything else is over after 64*T1.
inline constexpr std::uint32_t kInviteMemorySeconds = 300;
inline constexpr std::uint32_t kOtherMemorySeconds = 32;

class TransactionTable {
public:
    // `entries` is rounded up to a power of two, at least kTransactionsMin. Throws std::bad_alloc.
    explicit TransactionTable(std::size_t entries);

    // False if the transaction is not remembered (any more).
    bool find(std::uint64_t transaction, std::uint64_t now_ms,
              table::DestinationId& destination) const noexcept;

    // Remembers, or replaces what was remembered.
    void store(std::uint64_t transaction, table::DestinationId destination, std::uint64_t now_ms,
               std::uint32_t seconds) noexcept;

    // Forgets entries whose time is over, in the next `buckets` buckets: bounded work per turn.
    void expire(std::uint64_t now_ms, std::size_t buckets) noexcept;

    std::size_t capacity() const noexcept { return entries_.size(); }
    std::uint64_t size() const noexcept { return size_.read(); }
    std::uint64_t evictions() const noexcept { return evictions_.read(); }
    std::size_t memory_bytes() const noexcept { return entries_.size() * sizeof(Entry); }

private:
    static constexpr std::size_t kWays = kTransactionsMin;

    struct Entry {
        std::uint64_t transaction = 0;
        table::DestinationId destination{};
        std::uint32_t expires_s = 0;  // 0: free
    };
    static_assert(sizeof(Entry) == 16);

    std::size_t bucket_of(std::uint64_t transaction) const noexcept;
    Entry& place_for(std::uint64_t transaction, std::uint32_t now_s) noexcept;

    std::vector<Entry> entries_;
    std::size_t next_entry_ = 0;  // of expire()
    Counter size_, evictions_;
};

}  // namespace lb::core
