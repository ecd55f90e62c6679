#pragma once

// Longest-prefix match as a multibit trie with leaf pushing: every lookup ends at the first slot
// that is no child. IPv4 takes 8 bits per level (at most 4 loads), IPv6 takes 4 (nodes of one cache
// line, so a host route costs 2 KB and not 16).
//
// Bounds:  2^31 slots; one node of 2^stride slots per level and prefix at worst.
// Threads: insert() before sharing, find() by anyone after.

#include <cstdint>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/assert.h"

namespace lb::table {

class PrefixTrie {
public:
    static constexpr std::uint32_t kNone =
        0x7fffffff;  // what find() returns where no prefix matches

    // REQUIRES: stride 4 or 8.
    explicit PrefixTrie(unsigned stride) : stride_(stride) { add_node(kNone); }

    // REQUIRES: called in ascending order of prefix length; of equal prefixes the last one stays.
    // value < kNone.
    void insert(const Prefix& prefix, std::uint32_t value) {
        LB_ASSERT(value < kNone);
        const std::uint8_t* const key = prefix.address.data();
        std::size_t node = 0;
        unsigned depth = 0;
        for (; depth + stride_ < prefix.length; depth += stride_) {
            const std::size_t at = node + chunk(key, depth);
            if ((slots_[at] & kChild) == 0) {
                const std::size_t child = add_node(slots_[at]);
                slots_[at] = kChild | static_cast<std::uint32_t>(child >> stride_);
            }
            node = static_cast<std::size_t>(slots_[at] & ~kChild) << stride_;
        }
        const unsigned free_bits = depth + stride_ - prefix.length;
        const std::size_t first = (chunk(key, depth) >> free_bits) << free_bits;
        for (std::size_t i = 0; i < std::size_t{1} << free_bits; ++i) {
            slots_[node + first + i] = value;
        }
    }

    std::uint32_t find(const std::uint8_t* key) const noexcept {
        std::uint32_t slot = slots_[chunk(key, 0)];
        for (unsigned depth = stride_; (slot & kChild) != 0; depth += stride_) {
            const std::size_t node = static_cast<std::size_t>(slot & ~kChild) << stride_;
            slot = slots_[node + chunk(key, depth)];
        }
        return slot;
    }

    std::size_t memory_bytes() const noexcept { return slots_.capacity() * sizeof(std::uint32_t); }

private:
    static constexpr std::uint32_t kChild = 0x80000000;  // the rest is a node's number

    std::size_t chunk(const std::uint8_t* key, unsigned depth) const noexcept {
        const std::uint8_t byte = key[depth / 8];
        if (stride_ == 8) return byte;
        return depth % 8 == 0 ? byte >> 4 : byte & 0x0f;
    }

    std::size_t add_node(std::uint32_t fill) {
        const std::size_t node = slots_.size();
        slots_.resize(node + (std::size_t{1} << stride_), fill);
        return node;
    }

    unsigned stride_;
    std::vector<std::uint32_t> slots_;
};

}  // namespace lb::table
