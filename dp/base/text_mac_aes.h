#pragma once

// What text_mac.h is made of: in a header because who is built for a processor with AES calls it in
// line. Not for others to call.

#if defined(__x86_64__)
#include <smmintrin.h>
#include <wmmintrin.h>
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dp/base/bytes.h"
#include "dp/base/text_key.h"

namespace lb {

inline std::uint64_t lengths_of(std::string_view first, std::string_view second) noexcept {
    return first.size() | static_cast<std::uint64_t>(second.size()) << 32;
}

// A text of sixteen bytes at most, and zeros behind it. Reads nothing behind the text.
inline AesBlock short_block(std::string_view text) noexcept {
    const char* const at = text.data();
    const std::size_t size = text.size();
    if (size >= 8) {
        const std::uint64_t last = load_word<std::uint64_t>(at + size - 8);
        return {load_word<std::uint64_t>(at), size == 8 ? 0 : last >> (8 * (16 - size))};
    }
    if (size >= 4) {
        const std::uint64_t last = load_word<std::uint32_t>(at + size - 4);
        return {load_word<std::uint32_t>(at) | last << (8 * (size - 4)), 0};
    }
    if (size == 0) return {};
    const std::uint64_t middle = load_word<std::uint8_t>(at + size / 2);
    const std::uint64_t last = load_word<std::uint8_t>(at + size - 1);
    return {load_word<std::uint8_t>(at) | middle << (8 * (size / 2)) | last << (8 * (size - 1)), 0};
}

// x^64 is this modulo text_hash()'s polynomial. What of the product is above x^63 is left out: four
// bits, so that two sums in 2^60 may fold into one.
inline constexpr std::uint64_t kReduction = 0x1b;

// By the processor's instructions. REQUIRES: it has AVX, AES and PCLMUL.
#if defined(__x86_64__)
namespace aes {

#define LB_AES_INLINE __attribute__((target("avx,aes,pclmul"), always_inline)) inline

LB_AES_INLINE __m128i load_block(const void* at) noexcept {
    return _mm_loadu_si128(static_cast<const __m128i*>(at));
}

LB_AES_INLINE __m128i vector_of(std::uint64_t low, std::uint64_t high) noexcept {
    return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
}

LB_AES_INLINE std::uint64_t low_of(__m128i block) noexcept {
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(block));
}

LB_AES_INLINE __m128i encrypted(const AesKey& key, __m128i block) noexcept {
    const auto* const rounds = reinterpret_cast<const __m128i*>(key.rounds.data());
    block = _mm_xor_si128(block, rounds[0]);
    for (int round = 1; round < 10; ++round) block = _mm_aesenc_si128(block, rounds[round]);
    return _mm_aesenclast_si128(block, rounds[10]);
}

LB_AES_INLINE AesBlock encrypt(const AesKey& key, std::uint64_t low, std::uint64_t high) noexcept {
    const __m128i result = encrypted(key, vector_of(low, high));
    return {low_of(result), static_cast<std::uint64_t>(_mm_extract_epi64(result, 1))};
}

// A shuffle by the sixteen bytes from n on moves a block to the front by n bytes, zeros behind it.
inline constexpr std::array<std::uint8_t, 32> kToFront{
    0,    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,   11,   12,   13,   14,   15,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80};

LB_AES_INLINE __m128i product(__m128i block, const void* key) noexcept {
    const __m128i factors = _mm_xor_si128(block, load_block(key));
    return _mm_clmulepi64_si128(factors, factors, 0x10);
}

// The last block is read from the last sixteen bytes of the text, in front of which it may begin.
LB_AES_INLINE __m128i sum_of(const std::uint64_t* key, std::string_view part,
                             __m128i sum) noexcept {
    if (part.size() < 16) {
        if (part.empty()) return sum;
        const AesBlock block = short_block(part);
        return _mm_xor_si128(sum, product(vector_of(block.low, block.high), key));
    }
    const auto last = static_cast<std::ptrdiff_t>(part.size() - 16);
    const char* const text = part.data() + last;
    const char* const words = reinterpret_cast<const char*>(key) + last;
    std::ptrdiff_t at = -last;
    for (; at < 0; at += 16) {
        sum = _mm_xor_si128(sum, product(load_block(text + at), words + at));
        asm("" : "+x"(sum));  // gcc would copy it each turn
        asm("" : "+r"(at));   // gcc would work out anew what it is behind the loop
    }
    const __m128i block = _mm_shuffle_epi8(load_block(text), load_block(kToFront.data() + at));
    return _mm_xor_si128(sum, product(block, words + at));
}

// All parts of a long text but the last one.
LB_AES_INLINE __m128i take_long(const TextKey& key, const std::uint64_t* words,
                                std::string_view& text, __m128i state) noexcept {
    for (; text.size() > TextKey::kPartMax; text.remove_prefix(TextKey::kPartMax))
        state = encrypted(key.cipher, sum_of(words, text.substr(0, TextKey::kPartMax), state));
    return state;
}

LB_AES_INLINE std::uint64_t folded(__m128i sum) noexcept {
    const __m128i high = _mm_clmulepi64_si128(sum, vector_of(kReduction, 0), 0x01);
    return low_of(_mm_xor_si128(sum, high));
}

// The sum when one of the texts is longer than kPartMax.
__attribute__((target("avx,aes,pclmul"))) __m128i sum_long(const TextKey& key, std::uint64_t number,
                                                           std::string_view first,
                                                           std::string_view second) noexcept;

LB_AES_INLINE __m128i sum_of(const TextKey& key, std::uint64_t number, std::string_view first,
                             std::string_view second) noexcept {
    if (first.size() > TextKey::kPartMax || second.size() > TextKey::kPartMax) [[unlikely]]
        return sum_long(key, number, first, second);
    __m128i sum = vector_of(number, lengths_of(first, second));
    sum = sum_of(key.of_first(), first, sum);
    return sum_of(key.of_second(), second, sum);
}

LB_AES_INLINE std::uint64_t text_mac(const TextKey& key, std::uint64_t number,
                                     std::string_view first, std::string_view second) noexcept {
    return low_of(encrypted(key.cipher, sum_of(key, number, first, second)));
}

LB_AES_INLINE std::uint64_t text_hash(const TextKey& key, std::uint64_t number,
                                      std::string_view first, std::string_view second) noexcept {
    return folded(sum_of(key, number, first, second));
}

#undef LB_AES_INLINE
}  // namespace aes
#endif
}  // namespace lb
