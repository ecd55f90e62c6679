#pragma once

// HashIndex: an immutable open-addressing index from a key to its position in the vector it was
// built from. At most half full. Since neighbours on a link can choose their IPv6 addresses, the
// builder tries several seeds and keeps the one with the shortest longest probe.
//
// Threads: immutable after construction. Cost: one probe as a rule.

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

namespace lb::table {

class HashIndex {
public:
    static constexpr std::uint32_t kNone = 0xffffffff;

    HashIndex() : HashIndex(std::span<const std::uint64_t>{}) {}

    // `hashes[i]` belongs to key i. REQUIRES: fewer than 2^30 keys.
    explicit HashIndex(std::span<const std::uint64_t> hashes) {
        constexpr std::size_t kProbeGood = 8;
        constexpr std::uint64_t kSeedsMax = 8;
        slots_.resize(std::bit_ceil(std::max<std::size_t>(8, hashes.size() * 2)));
        mask_ = slots_.size() - 1;
        std::size_t best = ~std::size_t{0};
        std::uint64_t best_seed = 0;
        for (std::uint64_t i = 0; i < kSeedsMax && best > kProbeGood; ++i) {
            const std::uint64_t seed = (2 * i + 1) * 0x9e3779b97f4a7c15;
            const std::size_t longest = fill(hashes, seed);
            if (longest < best) {
                best = longest;
                best_seed = seed;
            }
        }
        if (seed_ != best_seed) fill(hashes, best_seed);
    }

    // The position for which `equal(position)` holds among those with this hash, or kNone.
    template <class Equal>
    std::uint32_t find(std::uint64_t hash, Equal equal) const noexcept {
        for (std::size_t at = slot_of(hash);; at = (at + 1) & mask_) {
            const std::uint32_t position = slots_[at];
            if (position == kNone || equal(position)) return position;
        }
    }

    std::size_t memory_bytes() const noexcept { return slots_.capacity() * sizeof(std::uint32_t); }

private:
    std::size_t slot_of(std::uint64_t hash) const noexcept {
        return static_cast<std::size_t>(hash * seed_ >> 32) & mask_;
    }

    // Returns the longest probe.
    std::size_t fill(std::span<const std::uint64_t> hashes, std::uint64_t seed) {
        seed_ = seed;
        std::fill(slots_.begin(), slots_.end(), kNone);
        std::size_t longest = 0;
        for (std::size_t i = 0; i < hashes.size(); ++i) {
            std::size_t at = slot_of(hashes[i]);
            std::size_t probe = 1;
            for (; slots_[at] != kNone; ++probe) at = (at + 1) & mask_;
            slots_[at] = static_cast<std::uint32_t>(i);
            longest = std::max(longest, probe);
        }
        return longest;
    }

    std::uint64_t seed_ = 0;  // odd
    std::size_t mask_ = 0;
    std::vector<std::uint32_t> slots_;
};

}  // namespace lb::table
