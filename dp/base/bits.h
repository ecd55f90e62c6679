#pragma once

// Bits of a word.

#include <cstddef>
#include <cstdint>

namespace lb {

// The number of the lowest bit that is set. REQUIRES: there is one.
inline std::size_t lowest_bit(std::uint64_t bits) noexcept {
#if defined(__x86_64__) && !defined(__clang__)
    // g++ 12 has an int from its builtin, and extends the sign of what never has one.
    std::uint64_t number;
    asm("rep bsf %1, %0" : "=r"(number) : "r"(bits) : "cc");
    return number;
#else
    return static_cast<std::size_t>(__builtin_ctzll(bits));
#endif
}

}  // namespace lb
