#pragma once

// Registers of equal numbers, for x86.

#if defined(__SSE2__)
#include <emmintrin.h>

#include <concepts>
#include <cstdint>
#include <limits>

namespace lb {

// Read from memory: where it has AVX2, gcc 12 would make a constant one by three instructions.
template <std::unsigned_integral auto kNumber>
inline __m128i repeated() noexcept {
    constexpr std::uint64_t kOnes =
        ~std::uint64_t{0} / std::numeric_limits<decltype(kNumber)>::max();
    alignas(16) static constexpr std::uint64_t kWords[2] = {kOnes * kNumber, kOnes * kNumber};
    const auto* const words = reinterpret_cast<const __m128i*>(kWords);
#if defined(__AVX2__) && !defined(__clang__)
    __m128i result;
    asm("vmovdqa %1, %0" : "=x"(result) : "m"(*words));
    return result;
#else
    return _mm_load_si128(words);
#endif
}

}  // namespace lb
#endif
