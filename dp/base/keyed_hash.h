#pragma once

// SipHash (Aumasson and Bernstein, 2012) with 64-bit output: the keyed function behind the seeds of
// tables that strangers could otherwise fill with collisions, and behind all keys. What is asked
// for once a packet is in text_mac.h.

#include <array>
#include <cstdint>
#include <string_view>

#include "dp/base/bytes.h"
#include "dp/base/text_mac.h"
#include "dp/base/vectors.h"

#if defined(__SSSE3__)
#include <tmmintrin.h>
#endif

namespace lb {

struct HashKey {
    std::uint64_t k0 = 0;
    std::uint64_t k1 = 0;
};

// SipHash-c-d of `data`; 2-4 is the reference, 1-3 the fast variant used per packet.
std::uint64_t siphash_2_4(const HashKey& key, ConstBytes data) noexcept;
std::uint64_t siphash_1_3(const HashKey& key, ConstBytes data) noexcept;

// What a fleet shares (design.md 6.5): one master secret, from which each use gets a key of its
// own.
struct Secret {
    TextKey transaction;  // Via branch: transaction part
    TextKey cookie;       // dialog cookie in our Record-Route
    AesKey reply_route;   // Via branch: where the reply must go next
    HashKey probe;        // the prober's branch mark
    HashKey tag;          // To tag of local replies
    HashKey table;        // per-process hash tables

    // REQUIRES: at least 16 bytes of entropy in `master`; any length is accepted.
    static Secret derive(ConstBytes master) noexcept;
};

// 16 lower-case hex digits, and back. REQUIRES: 16 writable chars.
inline void write_hex64(std::uint64_t value, char* out) noexcept {
#if defined(__SSSE3__)
    const __m128i digits = _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b',
                                         'c', 'd', 'e', 'f');
    const __m128i bytes = _mm_cvtsi64_si128(static_cast<long long>(__builtin_bswap64(value)));
    const __m128i nibble = repeated<std::uint8_t{0x0f}>();
    const __m128i low = _mm_and_si128(bytes, nibble);
    const __m128i high = _mm_and_si128(_mm_srli_epi64(bytes, 4), nibble);
    const __m128i text = _mm_shuffle_epi8(digits, _mm_unpacklo_epi8(high, low));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), text);
#else
    constexpr char kDigits[] = "0123456789abcdef";
    for (int i = 15; i >= 0; --i) {
        out[i] = kDigits[value & 15];
        value >>= 4;
    }
#endif
}
// Two of them. REQUIRES: 32 writable chars.
inline void write_hex128(std::uint64_t first, std::uint64_t second, char* out) noexcept {
#if defined(__SSSE3__)
    const __m128i digits = _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b',
                                         'c', 'd', 'e', 'f');
    const __m128i swap = _mm_setr_epi8(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8);
    const __m128i both =
        _mm_set_epi64x(static_cast<long long>(second), static_cast<long long>(first));
    const __m128i bytes = _mm_shuffle_epi8(both, swap);
    const __m128i nibble = repeated<std::uint8_t{0x0f}>();
    const __m128i low = _mm_and_si128(bytes, nibble);
    const __m128i high = _mm_and_si128(_mm_srli_epi64(bytes, 4), nibble);
    const auto write = [&](char* to, __m128i nibbles) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_shuffle_epi8(digits, nibbles));
    };
    write(out, _mm_unpacklo_epi8(high, low));
    write(out + 16, _mm_unpackhi_epi8(high, low));
#else
    write_hex64(first, out);
    write_hex64(second, out + 16);
#endif
}
// False when `text` is not exactly 16 lower-case hex digits.
bool parse_hex64(std::string_view text, std::uint64_t& value) noexcept;
// The same, digit by digit: for processors without SSSE3, and for tests.
bool parse_hex64_plain(std::string_view text, std::uint64_t& value) noexcept;

}  // namespace lb
