#pragma once

// Hash index from keys to small numbers: built once, then only read. Open addressing, half full at
// most.
//
// Bounds:  8 bytes a key plus the key itself. Threads: immutable after build; any thread reads.
// Cost:    find() is one probe on average, no allocation.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace lb::table {

// `Hash` must be well mixed in its low bits. Keys come from the operator, not from the network.
template <class Key, class Hash>
class FlatIndex {
public:
    static constexpr std::uint32_t kNone = 0xffffffff;

    FlatIndex() : slots_(1, kNone) {}
    explicit FlatIndex(std::size_t keys_max)
        : mask_(std::bit_ceil(2 * keys_max + 1) - 1), slots_(mask_ + 1, kNone) {
        entries_.reserve(keys_max);
    }

    // The first value given for a key stays. REQUIRES: no more than keys_max different keys.
    void insert(const Key& key, std::uint32_t value) {
        std::uint32_t& slot = slots_[position(key)];
        if (slot != kNone) return;
        slot = static_cast<std::uint32_t>(entries_.size());
        entries_.emplace_back(key, value);
    }

    // kNone if the key was never inserted.
    std::uint32_t find(const Key& key) const noexcept {
        const std::uint32_t entry = slots_[position(key)];
        return entry == kNone ? kNone : entries_[entry].second;
    }

    std::size_t memory_bytes() const noexcept {
        return slots_.capacity() * sizeof(slots_[0]) + entries_.capacity() * sizeof(entries_[0]);
    }

private:
    // Where the key is, or the empty slot where it would be.
    std::size_t position(const Key& key) const noexcept {
        std::size_t at = Hash{}(key)&mask_;
        while (slots_[at] != kNone && !(entries_[slots_[at]].first == key)) at = (at + 1) & mask_;
        return at;
    }

    std::size_t mask_ = 0;
    std::vector<std::uint32_t> slots_;
    std::vector<std::pair<Key, std::uint32_t>> entries_;
};

}  // namespace lb::table
