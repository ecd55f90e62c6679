#include "dp/table/hash.h"

#include <array>

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

// Byte by byte, as the reference has it. `at` stands at a group.
[[gnu::noinline]] std::uint32_t sum_plain(const char* at, const char* end) noexcept {
    std::uint32_t sum = 0;
    for (; end - at >= 4; at += 4) {
        sum +=
            mix((widen(at[0]) << 24) + (widen(at[1]) << 16) + (widen(at[2]) << 8) + widen(at[3]));
    }
    std::uint32_t rest = 0;
    for (; at != end; ++at) rest = (rest << 8) + widen(*at);
    return sum + mix(rest);
}

#if defined(__SSSE3__)
// Row n - 1: which of sixteen bytes goes where when only the last n are new (all: n is 16): groups
// with their first byte on top, the last and shorter one at the bottom of its word, nothing (0x80)
// elsewhere.
constexpr auto kTail = [] {
    std::array<std::array<std::uint8_t, 16>, 16> rows{};
    for (std::size_t left = 1; left <= 16; ++left) {
        std::array<std::uint8_t, 16>& row = rows[left - 1];
        row.fill(0x80);
        for (std::size_t i = 0; i < left; ++i) {
            const std::size_t group = i / 4 * 4;
            const std::size_t size = left - group < 4 ? left - group : 4;
            row[group + size - 1 - i % 4] = static_cast<std::uint8_t>(16 - left + i);
        }
    }
    return rows;
}();

__m128i load(const void* at) noexcept { return _mm_loadu_si128(static_cast<const __m128i*>(at)); }

// Four groups a step, and what is left by the sixteen bytes that end with it. Exact as long as no
// byte is above 0x7f; false otherwise. REQUIRES: 16 bytes at least.
[[gnu::always_inline]] inline bool sum_ascii(const char* at, std::size_t size,
                                             std::uint32_t& sum) noexcept {
    const auto mixed = [](__m128i groups) {
        return _mm_xor_si128(groups, _mm_srli_epi32(groups, 3));
    };
    const char* const last = at + size - 16;
    __m128i seen = _mm_shuffle_epi8(load(last), load(kTail[(size - 1) % 16].data()));
    __m128i sums = mixed(seen);
    const __m128i swap = load(kTail[15].data());
    for (; at < last; at += 16) {
        const __m128i groups = _mm_shuffle_epi8(load(at), swap);
        seen = _mm_or_si128(seen, groups);
        sums = _mm_add_epi32(sums, mixed(groups));
        asm("" : "+x"(seen), "+x"(sums));  // gcc would copy one of them each turn
    }
    sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0x4e));
    sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0xb1));
    sum = static_cast<std::uint32_t>(_mm_cvtsi128_si32(sums));
    return _mm_movemask_epi8(seen) == 0;
}
#endif

[[gnu::always_inline]] inline std::uint32_t sum_of(std::string_view text) noexcept {
#if defined(__SSSE3__)
    std::uint32_t sum;
    if (text.size() >= 16 && sum_ascii(text.data(), text.size(), sum)) return sum;
#endif
    return text.empty() ? 0 : sum_plain(text.data(), text.data() + text.size());
}

std::uint32_t finish(std::uint32_t sum) noexcept {
    const std::uint32_t hash = sum + (sum >> 11) + (sum >> 13) + (sum >> 23);
    return hash == 0 ? 1 : hash;
}

}  // namespace

std::uint32_t dispatcher_hash(std::string_view x) noexcept { return finish(sum_of(x)); }

std::uint32_t dispatcher_hash(std::string_view x, std::string_view y) noexcept {
    return finish(sum_of(x) + sum_of(y));
}

}  // namespace lb::table
