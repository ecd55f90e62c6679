#pragma once

// Latencies counted in buckets: 64 to each power of two, so that a percentile is at most 1.6 %
// above the value it stands for. add() is a few instructions and never allocates.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace lb::bench {

class Histogram {
public:
    void add(std::uint64_t value) noexcept {
        ++counts_[bucket_of(value)];
        ++count_;
        largest_ = std::max(largest_, value);
    }

    std::uint64_t count() const noexcept { return count_; }
    std::uint64_t largest() const noexcept { return largest_; }

    // The smallest value that `share` (0 to 1) of all are not above; 0 where there are none.
    std::uint64_t percentile(double share) const noexcept {
        const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < kBuckets; ++i) {
            seen += counts_[i];
            if (seen != 0 && seen >= wanted) return std::min(top_of(i), largest_);
        }
        return largest_;
    }

private:
    static constexpr unsigned kFineBits = 6;
    static constexpr std::uint64_t kFine = 1U << kFineBits;
    static constexpr std::size_t kBuckets = (64 - kFineBits + 1) << kFineBits;

    static std::size_t bucket_of(std::uint64_t value) noexcept {
        if (value < kFine) return value;
        const auto shift = static_cast<unsigned>(std::bit_width(value)) - kFineBits - 1;
        return ((shift + 1) << kFineBits) + static_cast<std::size_t>((value >> shift) - kFine);
    }

    // The largest value of a bucket.
    static std::uint64_t top_of(std::size_t bucket) noexcept {
        if (bucket < kFine) return bucket;
        const std::size_t shift = (bucket >> kFineBits) - 1;
        return (((bucket & (kFine - 1)) + kFine + 1) << shift) - 1;
    }

    std::array<std::uint64_t, kBuckets> counts_{};
    std::uint64_t count_ = 0;
    std::uint64_t largest_ = 0;
};

}  // namespace lb::bench
