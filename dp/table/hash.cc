#include "dp/table/hash.h"

#if defined(__SSSE3__)
#include <tmmintrin.h>
#endif

namespace lb::table {
namespace {

// One byte as a signed number, widened as the reference does: bytes from 0x80 on borrow from above.
std::uint32_t widen(char byte) noexcept {
    return static_cast<std::uint32_t>(static_cast<signed char>(byte));
}

std::uint32_t mix(std::uint32_t group) noexcept { return group ^ (group >> 3); }

#if defined(__SSSE3__)
// Four groups a step, as long as no byte is above 0x7f. Moves `at` behind what was summed.
std::uint32_t sum_of_blocks(const char*& at, const char* end) noexcept {
    const __m128i swap = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
    __m128i sums = _mm_setzero_si128();
    for (; end - at >= 16; at += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
        if (_mm_movemask_epi8(bytes) != 0) break;
        const __m128i groups = _mm_shuffle_epi8(bytes, swap);
        sums = _mm_add_epi32(sums, _mm_xor_si128(groups, _mm_srli_epi32(groups, 3)));
    }
    sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0x4e));
    sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0xb1));
    return static_cast<std::uint32_t>(_mm_cvtsi128_si32(sums));
}
#endif

std::uint32_t sum_of(std::string_view text) noexcept {
    std::uint32_t sum = 0;
    const char* at = text.data();
    const char* const end = at + text.size();
#if defined(__SSSE3__)
    sum = sum_of_blocks(at, end);
#endif
    for (; end - at >= 4; at += 4) {
        sum +=
            mix((widen(at[0]) << 24) + (widen(at[1]) << 16) + (widen(at[2]) << 8) + widen(at[3]));
    }
    std::uint32_t rest = 0;
    for (; at != end; ++at) rest = (rest << 8) + widen(*at);
    return sum + mix(rest);
}

}  // namespace

std::uint32_t dispatcher_hash(std::string_view x, std::string_view y) noexcept {
    const std::uint32_t sum = sum_of(x) + sum_of(y);
    const std::uint32_t hash = sum + (sum >> 11) + (sum >> 13) + (sum >> 23);
    return hash == 0 ? 1 : hash;
}

}  // namespace lb::table
