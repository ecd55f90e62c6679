#pragma once

// What the readers of values share: a cursor over one header value, its parameters, and numbers.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "dp/base/bits.h"
#include "dp/base/bytes.h"
#include "dp/sip/chars.h"
#include "dp/sip/scan.h"

#if defined(__SSSE3__)
#include <tmmintrin.h>
#endif

namespace lb::sip {

// Walks one header value. Every take_ and skip_ stays within [at, end]. With the index of the
// message that the value is in it goes from break to break, without it looks at every character.
struct Cursor {
    const char* at;
    const char* end;
    const TextIndex* index;

    // An empty text may be one that was never set, and in no message.
    explicit Cursor(std::string_view text, const TextIndex* of_message = nullptr) noexcept
        : at(text.data()), end(end_of(text)), index(text.empty() ? nullptr : of_message) {}

    bool done() const noexcept { return at == end; }
    bool is(char c) const noexcept { return at != end && *at == c; }
    void skip_lws() noexcept {
        while (at != end && is_lws(*at)) ++at;
    }
    bool take(char c) noexcept {
        if (!is(c)) return false;
        ++at;
        return true;
    }
    // LWS around `c`: SLASH, COLON, SEMI and the like.
    bool take_separator(char c) noexcept {
        skip_lws();
        if (!take(c)) return false;
        skip_lws();
        return true;
    }
    // The first byte from `from` on that is no token character, or the end.
    const char* next_break(const char* from) const noexcept {
        if (index == nullptr) return kNoToken.find(from, end);
        const char* const found = index->next_break(from);
        return found < end ? found : end;
    }
    // Moves to the first of `stops`, or to the end.
    [[gnu::always_inline]] void skip_to(const StopSet& stops) noexcept {
        if (index != nullptr) return skip_indexed(stops);
        for (at = next_break(at); at != end && !stops.has(*at); at = next_break(at + 1)) {
        }
    }
    [[gnu::always_inline]] void skip_indexed(const StopSet& stops) noexcept {
        std::uint64_t bits = index->breaks_at(at);
        for (;;) {
            if (bits == 0) [[unlikely]] {
                at += TextIndex::kBitsAtOnce;
                if (at >= end) break;
                bits = index->breaks_at(at);
                continue;
            }
            const char* const found = at + lowest_bit(bits);
            if (found >= end) break;
            if (stops.has(*found)) {
                at = found;
                return;
            }
            bits &= bits - 1;
        }
        at = end;
    }
    std::string_view take_token() noexcept {
        const char* const begin = at;
        at = next_break(at);
        return between(begin, at);
    }
    std::string_view take_digits() noexcept {
        const char* const begin = at;
        while (at != end && is_digit(*at)) ++at;
        return between(begin, at);
    }
    std::string_view rest() const noexcept { return between(at, end); }
    // The quoted string at the cursor, with its quotes. False when it has no end.
    bool skip_quoted() noexcept {
        static constexpr StopSet kQuoteOrEscape("\"\\");
        ++at;
        for (;;) {
            skip_to(kQuoteOrEscape);
            if (at == end) return false;
            if (*at++ == '"') return true;
            if (at == end) return false;
            ++at;  // what is escaped
        }
    }
};

// One parameter of a `;name=value` list.
struct Param {
    std::string_view text;  // with its semicolon
    std::string_view name;
    std::string_view value;  // empty for a flag; a quoted string keeps its quotes
};

namespace detail {

// Ends an unquoted parameter value. Brackets, slashes and colons are let through: real senders put
// addresses there (RFC 5118 4.5).
inline constexpr StopSet kEndsValue(";,\" \t\r\n");

inline bool take_value(Cursor& cursor, std::string_view& value) noexcept {
    const char* const begin = cursor.at;
    if (cursor.is('"')) {
        if (!cursor.skip_quoted()) return false;
    } else {
        cursor.skip_to(kEndsValue);
    }
    value = between(begin, cursor.at);
    return true;
}

}  // namespace detail

// REQUIRES: cursor at ';'. Leaves the cursor behind the parameter and the LWS that follows. False
// when it has no name, or a quoted value no end.
inline bool take_param(Cursor& cursor, Param& param) noexcept {
    const char* const begin = cursor.at++;
    cursor.skip_lws();
    param.name = cursor.take_token();
    if (param.name.empty()) return false;
    param.value = between(cursor.at, cursor.at);  // a flag: empty, but somewhere
    const char* end = cursor.at;
    cursor.skip_lws();
    if (cursor.take('=')) {
        end = cursor.at;
        cursor.skip_lws();
        if (!detail::take_value(cursor, param.value)) return false;
        if (!param.value.empty()) end = cursor.at;  // LWS behind "name=" is no part of it
        cursor.skip_lws();
    }
    param.text = between(begin, end);
    return true;
}

// take_param() of one without LWS and quotes in front of a ';' or of `end`; `at` goes behind it.
// False, and `at` stays, when there is anything else in it, or a very long name. REQUIRES: at <
// end.
[[gnu::always_inline]] inline bool take_plain_param(const char*& at, const char* end,
                                                    const TextIndex& index, Param& param) noexcept {
    if (*at != ';') return false;
    std::uint64_t breaks = index.breaks_at(at + 1);
    if (breaks == 0) [[unlikely]]
        return false;
    const char* const name_end = at + 1 + lowest_bit(breaks);
    const char* value = name_end;
    const char* param_end = name_end;
    if (name_end < end && *name_end == '=') {
        value = name_end + 1;
        breaks &= breaks - 1;
        param_end = breaks != 0 ? at + 1 + lowest_bit(breaks) : index.next_break(value);
    }
    if (param_end > end || name_end == at + 1) return false;
    if (param_end != end && *param_end != ';') return false;
    param.text = between(at, param_end);
    param.name = between(at + 1, name_end);
    param.value = between(value, param_end);
    at = param_end;
    return true;
}

// The number that eight digits less '0' are, the first in the lowest byte.
[[gnu::always_inline]] inline std::uint32_t join_digits(std::uint64_t digits) noexcept {
#if defined(__SSSE3__)
    const __m128i weights = _mm_setr_epi8(10, 1, 10, 1, 10, 1, 10, 1, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m128i pairs =
        _mm_maddubs_epi16(_mm_cvtsi64_si128(static_cast<long long>(digits)), weights);
    const __m128i fours = _mm_madd_epi16(pairs, _mm_setr_epi16(100, 1, 100, 1, 0, 0, 0, 0));
    const __m128i words = _mm_packs_epi32(fours, fours);
    const __m128i all = _mm_madd_epi16(words, _mm_setr_epi16(10000, 1, 0, 0, 0, 0, 0, 0));
    return static_cast<std::uint32_t>(_mm_cvtsi128_si32(all));
#else
    digits = (digits * 10 + (digits >> 8)) & 0x00ff00ff00ff00ff;
    digits = (digits * (100 << 16 | 1)) >> 16;
    return static_cast<std::uint32_t>((digits & 0xffff) * 10000 + (digits >> 32 & 0xffff));
#endif
}

// The high bit of each byte that is no digit less '0': right up to the first of them.
[[gnu::always_inline]] inline std::uint64_t no_digits(std::uint64_t digits) noexcept {
    return (digits | (digits + 0x7676767676767676)) & 0x8080808080808080;
}

// The number that eight digits less '0' are; false when one is none, or it is above `max`.
[[gnu::always_inline]] inline bool take_digits(std::uint64_t digits, std::uint64_t max,
                                               std::uint64_t& number) noexcept {
    if (no_digits(digits) != 0) return false;
    const std::uint64_t value = join_digits(digits);
    if (value > max) return false;
    number = value;
    return true;
}

// Digits to a number, at most `max`; false when empty, not digits, or more. Up to eight of them
// without a loop. REQUIRES: max < 2**60.
inline bool parse_number(std::string_view digits, std::uint64_t max,
                         std::uint64_t& number) noexcept {
    if (digits.size() - 1 < 8) [[likely]] {
        const std::uint64_t bytes = load_packed(digits) ^ 0x3030303030303030;
        return take_digits(bytes << (64 - 8 * digits.size()), max, number);  // zeros in front
    }
    if (digits.empty()) return false;
    std::uint64_t value = 0;
    for (const char c : digits) {
        const auto digit = static_cast<std::uint8_t>(c - '0');
        if (digit > 9) return false;
        value = value * 10 + digit;
        if (value > max) return false;  // before it can overflow
    }
    number = value;
    return true;
}

// The last n bytes of a word, of which [n] tells.
inline constexpr std::array<std::uint64_t, 9> kLastBytes = [] {
    std::array<std::uint64_t, 9> masks{};
    for (std::size_t n = 1; n <= 8; ++n) masks[n] = ~std::uint64_t{0} << (64 - 8 * n);
    return masks;
}();

// parse_number() by one load of what is in front of the end of the digits. REQUIRES: as there;
// eight readable bytes in front of that end.
[[gnu::always_inline]] inline bool parse_number_before_end(std::string_view digits,
                                                           std::uint64_t max,
                                                           std::uint64_t& number) noexcept {
    if (digits.size() - 1 >= 8) [[unlikely]]
        return parse_number(digits, max, number);
    const auto bytes = load_word<std::uint64_t>(end_of(digits) - 8) ^ 0x3030303030303030;
    return take_digits(bytes & kLastBytes[digits.size()], max, number);
}

inline bool parse_port(std::string_view text, std::uint16_t& port) noexcept {
    std::uint64_t number = 0;
    if (!parse_number(text, 65535, number)) return false;
    port = static_cast<std::uint16_t>(number);
    return true;
}

// The number that the digits at `at` are, seven of them at most, in one step however many; 0 when
// there are none. `at` goes behind them. REQUIRES: eight readable bytes.
[[gnu::always_inline]] inline std::uint32_t take_short_number(const char*& at) noexcept {
    std::uint64_t digits;
    std::memcpy(&digits, at, 8);
    digits ^= 0x3030303030303030;
    const auto high_bit = lowest_bit(no_digits(digits) | std::uint64_t{1} << 63);
    at += high_bit / 8;
    return join_digits(digits << (63 - high_bit) << 8);
}

}  // namespace lb::sip
