#pragma once

// Sets of characters, and the first character of a text that is in one: 16 bytes a step, because
// the values of a SIP message are longer than a loop over bytes is cheap (each loop's end is a
// mispredicted branch).
//
// Threads: constants. Cost: about a nanosecond a step. Safety: reads [at, end) and nothing else.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "dp/base/bits.h"
#include "dp/base/vectors.h"

#if defined(__SSSE3__)
#include <tmmintrin.h>
#endif

namespace lb::sip {

// A set of ASCII characters, or with `complement` everything but those.
class CharSet {
public:
    consteval explicit CharSet(std::string_view chars, bool complement = false)
        : complement_(complement) {
        for (std::size_t c = 0; c < 256; ++c) has_[c] = complement;
        for (const char c : chars) add(c);
    }
    consteval CharSet with_letters_and_digits() const {
        CharSet set = *this;
        for (char c = 'a'; c <= 'z'; ++c) set.add(c);
        for (char c = 'A'; c <= 'Z'; ++c) set.add(c);
        for (char c = '0'; c <= '9'; ++c) set.add(c);
        return set;
    }
    consteval CharSet with_controls() const {  // and the space
        CharSet set = *this;
        for (char c = 0; c <= ' '; ++c) set.add(c);
        set.add('\x7f');
        return set;
    }

    constexpr bool has(char c) const noexcept { return has_[static_cast<std::uint8_t>(c)]; }

    // The first character of the set in [at, end), or end.
    const char* find(const char* at, const char* end) const noexcept {
#if defined(__SSSE3__)
        for (; end - at >= 16; at += 16) {
            const unsigned found = mask(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
            if (found != 0) return at + lowest_bit(found);
        }
        const auto left = static_cast<unsigned>(end - at);
        if (left == 0) return end;
        const unsigned found = mask(load_tail(at, left)) & ((1U << left) - 1);
        return found != 0 ? at + lowest_bit(found) : end;
#else
        while (at != end && !has(*at)) ++at;
        return at;
#endif
    }

    // The first character of the set among 16, or null. REQUIRES: 16 readable bytes.
    [[gnu::always_inline]] const char* find_in_16(const char* at) const noexcept {
#if defined(__SSSE3__)
        const unsigned found = mask(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
        return found != 0 ? at + lowest_bit(found) : nullptr;
#else
        const char* const found = find(at, at + 16);
        return found != at + 16 ? found : nullptr;
#endif
    }

private:
    // A byte is listed when its low nibble's row has the bit of its high nibble. Bytes from 0x80 on
    // have no bit.
    constexpr void add(char c) {
        const auto byte = static_cast<std::uint8_t>(c);
        has_[byte] = !complement_;
        low_[byte & 0x0f] = static_cast<std::uint8_t>(low_[byte & 0x0f] | (1U << (byte >> 4)));
    }

#if defined(__SSSE3__)
    unsigned mask(__m128i bytes) const noexcept {
        const __m128i nibble = repeated<std::uint8_t{0x0f}>();
        const __m128i bits = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
        const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(low_.data()));
        const __m128i rows = _mm_shuffle_epi8(low, bytes);  // zero for a byte from 0x80 on
        const __m128i bit = _mm_shuffle_epi8(bits, _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble));
        const __m128i absent = _mm_cmpeq_epi8(_mm_and_si128(rows, bit), _mm_setzero_si128());
        const auto outside = static_cast<unsigned>(_mm_movemask_epi8(absent));
        return complement_ ? outside : outside ^ 0xffff;
    }

    // 1 to 15 bytes in front of zeros, by two reads that overlap.
    static __m128i load_tail(const char* at, unsigned size) noexcept {
        std::uint64_t first = 0, second = 0;
        if (size >= 8) {
            std::memcpy(&first, at, 8);
            std::memcpy(&second, at + size - 8, 8);
            second = size == 8 ? 0 : second >> (8 * (16 - size));
        } else if (size >= 4) {
            std::uint32_t low, high;
            std::memcpy(&low, at, 4);
            std::memcpy(&high, at + size - 4, 4);
            first = low | static_cast<std::uint64_t>(high) << (8 * (size - 4));
        } else {
            std::uint8_t bytes[3];
            bytes[0] = static_cast<std::uint8_t>(at[0]);
            bytes[1] = static_cast<std::uint8_t>(at[size / 2]);
            bytes[2] = static_cast<std::uint8_t>(at[size - 1]);
            first = bytes[0] | static_cast<std::uint64_t>(bytes[1]) << (8 * (size / 2)) |
                    static_cast<std::uint64_t>(bytes[2]) << (8 * (size - 1));
        }
        return _mm_set_epi64x(static_cast<long long>(second), static_cast<long long>(first));
    }
#endif

    alignas(16) std::array<std::uint8_t, 16> low_{};
    std::array<bool, 256> has_{};
    bool complement_;
};

}  // namespace lb::sip
