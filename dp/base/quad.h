#pragma once

// A dotted quad read in one step, whatever the length of its numbers: a loop over them ends at a
// place that the processor guesses wrong for every second address.

#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE4_1__)
#include <smmintrin.h>

#include <array>

#include "dp/base/vectors.h"

namespace lb {

// How the digits of a quad lie is one of 81 shapes, known by where its numbers end: bit i of `ends`
// is set for a dot at i, and for the end of the text.
struct QuadShape {
    std::uint32_t ends = 0;  // 0: no shape
    // Where the three digits of each number are, for a shuffle, behind a byte that is not used.
    alignas(16) std::array<std::uint8_t, 16> places{};
    // What a number must be at least for its number of digits: 0, 10 or 100.
    alignas(16) std::array<std::int32_t, 4> least{};
};

// The shapes, found by a product of `ends`.
class QuadShapes {
public:
    const QuadShape& find(std::uint32_t ends) const noexcept {
        return shapes_[index_[place(ends, factor_)]];
    }
    consteval QuadShapes() {
        for (std::size_t i = 0; i < kCount; ++i) shapes_[i + 1] = shape(i);
        while (!fill()) factor_ += 0x9e3779b2;
    }

private:
    static constexpr std::size_t kCount = 3 * 3 * 3 * 3;
    static constexpr unsigned kBits = 10;

    static constexpr std::size_t place(std::uint32_t ends, std::uint32_t by) noexcept {
        return (ends * by) >> (32 - kBits);
    }
    // Digits of a number: one more than a digit of `i` in base 3.
    static consteval QuadShape shape(std::size_t i) {
        constexpr std::uint8_t kNowhere = 0x80;
        QuadShape result;
        std::size_t end = 0;
        for (std::size_t number = 0; number < 4; ++number, i /= 3, ++end) {
            const std::size_t digits = 1 + i % 3;
            end += digits;
            result.ends |= 1U << end;
            result.least[number] = digits == 1 ? 0 : digits == 2 ? 10 : 100;
            for (std::size_t n = 0; n < 4; ++n) {  // from the last digit on
                result.places[4 * number + 3 - n] =
                    n < digits ? static_cast<std::uint8_t>(end - 1 - n) : kNowhere;
            }
        }
        return result;
    }
    consteval bool fill() {
        index_ = {};
        for (std::size_t i = 1; i <= kCount; ++i) {
            std::uint8_t& to = index_[place(shapes_[i].ends, factor_)];
            if (to != 0) return false;
            to = static_cast<std::uint8_t>(i);
        }
        return true;
    }

    std::array<QuadShape, kCount + 1> shapes_{};  // the first is none
    std::array<std::uint8_t, std::size_t{1} << kBits> index_{};
    std::uint32_t factor_ = 1;
};
inline constexpr QuadShapes kQuadShapes;

// True for a strict dotted quad; `quad` gets its bytes. Reads `text` only.
inline bool parse_whole_quad(std::string_view text, std::uint8_t* quad) noexcept {
    const char* const at = text.data();
    const std::size_t size = text.size();
    if (size - 7 > 8) return false;  // 7 to 15 characters
    std::uint64_t first = 0, second = 0;
    if (size >= 8) [[likely]] {
        std::memcpy(&first, at, 8);
        std::memcpy(&second, at + size - 8, 8);
        second = second >> (8 * (15 - size)) >> 8;
    } else {
        std::uint32_t front, back;
        std::memcpy(&front, at, 4);
        std::memcpy(&back, at + 3, 4);
        first = front | std::uint64_t{back} << 24;
    }
    const __m128i chars =
        _mm_set_epi64x(static_cast<long long>(second), static_cast<long long>(first));
    const auto dots = static_cast<unsigned>(
        _mm_movemask_epi8(_mm_cmpeq_epi8(chars, repeated<std::uint8_t{'.'}>())));
    const std::uint32_t ends = dots | 1U << size;
    const QuadShape& shape = kQuadShapes.find(ends);
    if (shape.ends != ends) return false;

    const auto load = [](const auto& array) {
        return _mm_load_si128(reinterpret_cast<const __m128i*>(array.data()));
    };
    const __m128i digits =
        _mm_shuffle_epi8(_mm_sub_epi8(chars, repeated<std::uint8_t{'0'}>()), load(shape.places));
    const __m128i is_digit =
        _mm_cmpeq_epi8(_mm_min_epu8(digits, repeated<std::uint8_t{9}>()), digits);
    const __m128i tens = _mm_maddubs_epi16(digits, _mm_set1_epi32(0x010a6400));
    const __m128i numbers = _mm_madd_epi16(tens, repeated<std::uint16_t{1}>());
    const __m128i wrong = _mm_or_si128(_mm_cmpgt_epi32(numbers, repeated<std::uint32_t{255}>()),
                                       _mm_cmpgt_epi32(load(shape.least), numbers));
    if (_mm_movemask_epi8(_mm_andnot_si128(wrong, is_digit)) != 0xffff) return false;
    const __m128i words = _mm_packus_epi32(numbers, numbers);
    const int bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    std::memcpy(quad, &bytes, 4);
    return true;
}

}  // namespace lb

#else

namespace lb {

bool parse_whole_quad(std::string_view text, std::uint8_t* quad) noexcept;  // address.cc

}  // namespace lb

#endif
