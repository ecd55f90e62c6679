#pragma once

// Weighted rendezvous hashing (Thaler and Ravishankar 1998; weights after Schindelhauer and
// Schomaker 2005): every member scores every key, the best score wins. A member that comes or goes
// moves exactly its own share; shares are proportional to weights.
//
// Bounds:  12 bytes a member. Threads: immutable after construction.
// Cost:    O(members) per key, about 2 ns each. Integers only: every node computes the same.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lb::table {

// -log2(u / 2^64) in units of 2^-40, by table and straight lines between (absolute error below
// 4e-6).
std::uint64_t negative_log2(std::uint64_t u) noexcept;

class Rendezvous {
public:
    Rendezvous() = default;
    // One identity per member (well mixed, the same on every node) and its weight. All weights 0:
    // they count as equal; otherwise a weight of 0 gets no keys.
    Rendezvous(std::span<const std::uint64_t> identities, std::span<const std::uint32_t> weights);

    // The member with the best score among those that `usable(index)` admits; kNone if there is
    // none.
    static constexpr std::uint32_t kNone = 0xffffffff;
    template <class Usable>
    std::uint32_t best(std::uint64_t key, Usable usable) const noexcept;

    std::size_t memory_bytes() const noexcept {
        return identities_.capacity() * 8 + weights_.capacity() * 4;
    }

private:
    std::vector<std::uint64_t> identities_;
    std::vector<std::uint32_t> weights_;
    bool equal_ = true;
};

std::uint64_t rendezvous_score(std::uint64_t key, std::uint64_t identity) noexcept;

template <class Usable>
std::uint32_t Rendezvous::best(std::uint64_t key, Usable usable) const noexcept {
    std::uint32_t best = kNone;
    std::uint64_t best_log = 0;
    std::uint64_t best_score = 0;
    for (std::uint32_t i = 0; i < identities_.size(); ++i) {
        if (weights_[i] == 0 || !usable(i)) continue;
        const std::uint64_t score = rendezvous_score(key, identities_[i]);
        if (equal_) {
            if (best == kNone || score > best_score) best = i, best_score = score;
            continue;
        }
        // The smallest log / weight wins; cross-multiplied. 46 bits times 7 bits.
        const std::uint64_t log = negative_log2(score);
        if (best == kNone || log * weights_[best] < best_log * weights_[i])
            best = i, best_log = log;
    }
    return best;
}

}  // namespace lb::table
