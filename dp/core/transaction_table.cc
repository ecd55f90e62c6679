#include "dp/core/transaction_table.h"

#include <algorithm>
#include <bit>

#include "dp/base/address.h"

namespace lb::core {
namespace {

// Second 0 is "free": time starts at 1.
std::uint32_t seconds_of(std::uint64_t now_ms) noexcept {
    return static_cast<std::uint32_t>(now_ms / 1000) + 1;
}

}  // namespace

TransactionTable::TransactionTable(std::size_t entries)
    : entries_(std::bit_ceil(std::max(entries, kWays))) {}

// No two numbers are equal by more than chance, but those of branches that count up lie in a linear
// space (text_hash()), and few bits of that may be fewer still.
std::size_t TransactionTable::bucket_of(std::uint64_t transaction) const noexcept {
    const std::uint64_t mixed = fold_product(transaction, 0x9e3779b97f4a7c15);
    return (mixed & (entries_.size() / kWays - 1)) * kWays;
}

bool TransactionTable::find(std::uint64_t transaction, std::uint64_t now_ms,
                            table::DestinationId& destination) const noexcept {
    const std::uint32_t now_s = seconds_of(now_ms);
    const std::size_t first = bucket_of(transaction);
    for (std::size_t i = first; i < first + kWays; ++i) {
        const Entry& entry = entries_[i];
        if (entry.transaction == transaction && entry.expires_s > now_s) {
            destination = entry.destination;
            return true;
        }
    }
    return false;
}

// The entry of this transaction, else a free or expired one, else the one that expires first.
TransactionTable::Entry& TransactionTable::place_for(std::uint64_t transaction,
                                                     std::uint32_t now_s) noexcept {
    const std::size_t first = bucket_of(transaction);
    Entry* best = &entries_[first];
    for (std::size_t i = first; i < first + kWays; ++i) {
        Entry& entry = entries_[i];
        if (entry.expires_s != 0 && entry.transaction == transaction) return entry;
        if (entry.expires_s < best->expires_s) best = &entry;
    }
    if (best->expires_s > now_s) evictions_.add();
    return *best;
}

void TransactionTable::store(std::uint64_t transaction, table::DestinationId destination,
                             std::uint64_t now_ms, std::uint32_t seconds) noexcept {
    const std::uint32_t now_s = seconds_of(now_ms);
    Entry& entry = place_for(transaction, now_s);
    if (entry.expires_s == 0) size_.add();
    entry = {transaction, destination, now_s + seconds};
}

void TransactionTable::expire(std::uint64_t now_ms, std::size_t buckets) noexcept {
    const std::uint32_t now_s = seconds_of(now_ms);
    const std::size_t count = std::min(buckets * kWays, entries_.size());
    for (std::size_t n = 0; n < count; ++n) {
        Entry& entry = entries_[next_entry_];
        if (entry.expires_s != 0 && entry.expires_s <= now_s) {
            entry = {};
            size_.subtract();
        }
        next_entry_ = (next_entry_ + 1) & (entries_.size() - 1);
    }
}

}  // namespace lb::core
