#pragma once

// Tables of shares: slot to member, so that each turn around the table gives every member its
// weight.
//
// Hundred    100 slots in a shuffled order, what Kamailio makes (spec/dispatcher.md 2.5, 2.6).
// FairTurns  exact shares of any number of weights: one turn is as long as the sum of the weights
// (over
//            their common divisor), each weight occurs exactly that often, evenly spread over the
//            turn.
//
// Bounds:  100 slots; FairTurns takes 8 bytes a member. Threads: immutable after construction.
// Cost:    at() is O(1): weights are at most 100, so FairTurns searches at most 7 steps.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace lb::table {

inline constexpr std::uint32_t kHundred = 100;

// A member and its weight (1 or more).
struct Share {
    std::uint32_t index = 0;
    std::uint32_t weight = 0;
};

using Hundred = std::array<std::uint32_t, kHundred>;

// Slots for `shares` in their order, `weight` slots each until 100 are full; slots left over become
// `rest`. Then shuffled by `seed`.
Hundred fill_hundred(std::span<const Share> shares, std::uint32_t rest, std::uint64_t seed);

class FairTurns {
public:
    FairTurns() = default;
    // REQUIRES: every weight is 1..100.
    explicit FairTurns(std::span<const Share> shares);

    std::uint32_t turn() const noexcept { return turn_; }  // 0: no members
    // REQUIRES: slot < turn().
    std::uint32_t at(std::uint32_t slot) const noexcept;

    std::size_t memory_bytes() const noexcept {
        return (ends_.capacity() * 3) * sizeof(std::uint32_t);
    }

private:
    std::uint32_t turn_ = 0;
    std::uint32_t stride_ =
        1;  // coprime to turn_, about its golden section: neighbours land far apart
    std::vector<std::uint32_t> ends_;   // running sum of the weights
    std::vector<std::uint32_t> index_;  // member of each sum
    std::vector<std::uint32_t> guide_;  // where to begin the search, one entry per member
};

}  // namespace lb::table
