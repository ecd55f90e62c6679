#pragma once

// The walk of one value of a message from break to break: what reads values of the usual shape
// takes one decision at each and looks at little else.

#include <cstdint>

#include "dp/base/bits.h"
#include "dp/sip/scan.h"

namespace lb::sip {

class BreakWalk {
public:
    // REQUIRES: `from` in the header section that `index` is of, or at its end.
    [[gnu::always_inline]] BreakWalk(const char* from, const TextIndex& index) noexcept
        : index_(index), at_(from), bits_(index.breaks_at(from)), last_(from - 1) {}

    // The first byte that is no token character, from where the walk is; the walk goes behind it.
    // It may lie at or behind the end of what the caller reads: compare before looking at it, and
    // walk no further. Behind the last byte of the text there is always one.
    // REQUIRES: no break that it gave lay behind the header section.
    [[gnu::always_inline]] const char* next() noexcept {
        if (bits_ == 0) [[unlikely]] {
            at_ = last_ + 1;
            while ((bits_ = index_.breaks_at(at_)) == 0) at_ += TextIndex::kBitsAtOnce;
        }
        last_ = at_ + lowest_bit(bits_);
        bits_ &= bits_ - 1;
        return last_;
    }

private:
    const TextIndex& index_;
    const char* at_;      // of bit 0
    std::uint64_t bits_;  // the breaks that were not given yet, among those that were loaded
    const char* last_;    // what was given last
};

// The same over what is short enough for one load of the index.
class ShortBreakWalk {
public:
    // REQUIRES: bit i of `breaks` is set if from[i] is a break.
    [[gnu::always_inline]] ShortBreakWalk(const char* from, std::uint64_t breaks) noexcept
        : from_(from), bits_(breaks) {}

    // REQUIRES: a break is left.
    [[gnu::always_inline]] const char* next() noexcept {
        const char* const found = from_ + lowest_bit(bits_);
        bits_ &= bits_ - 1;
        return found;
    }

private:
    const char* from_;
    std::uint64_t bits_;
};

// TextIndex::next_break() of what is short; of what is longer the place that far behind `at`, which
// may be a break or not. REQUIRES: as next_break().
inline const char* near_break(const char* at, const TextIndex& index) noexcept {
    constexpr auto kUnseen = std::uint64_t{1} << TextIndex::kBitsAtOnce;
    return at + lowest_bit(index.breaks_at(at) | kUnseen);
}

}  // namespace lb::sip
