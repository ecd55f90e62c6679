#include "dp/table/shares.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "dp/base/assert.h"
#include "dp/table/random.h"

namespace lb::table {
namespace {

// Fisher-Yates.
void shuffle(Hundred& slots, std::uint64_t seed) {
    std::uint64_t state = seed;
    for (std::uint32_t i = kHundred - 1; i > 0; --i) {
        std::swap(slots[i], slots[next_random(state) % (i + 1)]);
    }
}

// A number near turn / phi that shares no divisor with it.
std::uint32_t stride_for(std::uint32_t turn) {
    auto stride = static_cast<std::uint32_t>(std::uint64_t{turn} * 6180339887U / 10000000000U);
    stride = std::max(stride, 1U);
    while (std::gcd(stride, turn) != 1) ++stride;  // ends at turn - 1 at the latest
    return stride;
}

}  // namespace

Hundred fill_hundred(std::span<const Share> shares, std::uint32_t rest, std::uint64_t seed) {
    Hundred slots;
    std::uint32_t used = 0;
    for (const Share& share : shares) {
        for (std::uint32_t n = 0; n < share.weight && used < kHundred; ++n) {
            slots[used++] = share.index;
        }
    }
    std::fill(slots.begin() + used, slots.end(), rest);
    shuffle(slots, seed);
    return slots;
}

FairTurns::FairTurns(std::span<const Share> shares) {
    std::uint32_t divisor = 0;
    for (const Share& share : shares) divisor = std::gcd(divisor, share.weight);
    ends_.reserve(shares.size());
    index_.reserve(shares.size());
    for (const Share& share : shares) {
        LB_ASSERT(share.weight >= 1 && share.weight <= kHundred);
        turn_ += share.weight / divisor;
        ends_.push_back(turn_);
        index_.push_back(share.index);
    }
    stride_ = stride_for(turn_);

    // guide_[g]: the first sum that reaches beyond the place where section g of the turn begins.
    guide_.reserve(shares.size());
    std::uint32_t at = 0;
    for (std::size_t g = 0; g < shares.size(); ++g) {
        const std::uint64_t begin = g * std::uint64_t{turn_} / shares.size();
        while (ends_[at] <= begin) ++at;
        guide_.push_back(at);
    }
}

std::uint32_t FairTurns::at(std::uint32_t slot) const noexcept {
    const auto place = static_cast<std::uint32_t>(std::uint64_t{slot} * stride_ % turn_);
    // Sections are average weights long, at most 100, and a weight is 1 at least: so few sums in
    // each.
    const std::size_t section = place * std::uint64_t{guide_.size()} / turn_;
    const auto first = ends_.begin() + guide_[section];
    const auto last =
        section + 1 < guide_.size() ? ends_.begin() + guide_[section + 1] + 1 : ends_.end();
    return index_[static_cast<std::size_t>(std::upper_bound(first, last, place) - ends_.begin())];
}

}  // namespace lb::table
