#pragma once

// Small text tools that the parts of dp/sip share: character classes, trimming, names that are
// compared whole and without regard to case, and a cursor over one header value.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "dp/sip/char_set.h"
#include "dp/sip/scan.h"

namespace lb::sip {

// LWS inside a value includes the CR LF of a folded line (RFC 3261 25.1): values are views of the
// wire.
constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }
constexpr bool is_lws(char c) noexcept {
    return c <= ' ' && (is_blank(c) || c == '\r' || c == '\n');
}
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr char to_lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
constexpr bool is_letter(char c) noexcept { return to_lower(c) >= 'a' && to_lower(c) <= 'z'; }

// token (RFC 3261 25.1), and what ends one.
inline constexpr CharSet kNoToken = CharSet("-.!%*_+`'~", true).with_letters_and_digits();
constexpr bool is_token(char c) noexcept { return !kNoToken.has(c); }

inline std::string_view between(const char* begin, const char* end) noexcept {
    return {begin, static_cast<std::size_t>(end - begin)};
}
inline const char* end_of(std::string_view text) noexcept { return text.data() + text.size(); }

// The end goes first, so that of nothing but LWS an empty text at its front is left, not one behind
// it.
inline std::string_view trimmed(std::string_view text) noexcept {
    const char* begin = text.data();
    const char* end = end_of(text);
    while (end > begin && is_lws(end[-1])) --end;
    while (begin < end && is_lws(*begin)) ++begin;
    return between(begin, end);
}

// A name of N characters in lower case, letters and '-' only, compared in whole words: a byte is
// or-ed with 0x20 only where the name has a letter, so that CR (0x0d) never passes for '-' (0x2d).
template <std::size_t N>
class Name {
public:
    consteval Name(const char (&text)[N + 1]) {  // NOLINT: implicit on purpose
        for (std::size_t i = 0; i < N; ++i) {
            lower_[i] = text[i];
            fold_[i] = is_letter(text[i]) ? '\x20' : '\0';
        }
    }
    // REQUIRES: N readable bytes.
    bool equals(const char* at) const noexcept {
        if constexpr (N >= 8) {
            unsigned same = word<std::uint64_t>(at, 0) & word<std::uint64_t>(at, N - 8);
            if constexpr (N > 16) same &= word<std::uint64_t>(at, 8);
            static_assert(N <= 24);
            return same != 0;
        } else if constexpr (N >= 4) {
            return (word<std::uint32_t>(at, 0) & word<std::uint32_t>(at, N - 4)) != 0;
        } else if constexpr (N >= 2) {
            return (word<std::uint16_t>(at, 0) & word<std::uint16_t>(at, N - 2)) != 0;
        } else {
            return word<std::uint8_t>(at, 0) != 0;
        }
    }
    static constexpr std::ptrdiff_t size() noexcept { return N; }
    bool is(std::string_view text) const noexcept {
        return text.size() == N && equals(text.data());
    }

private:
    // 1 if equal: a number, so that the caller's & is one of numbers, with no branch between.
    template <class Word>
    unsigned word(const char* at, std::size_t offset) const noexcept {
        Word bytes, fold, lower;
        std::memcpy(&bytes, at + offset, sizeof(Word));
        std::memcpy(&fold, fold_ + offset, sizeof(Word));
        std::memcpy(&lower, lower_ + offset, sizeof(Word));
        return static_cast<Word>(bytes | fold) == lower;
    }
    char lower_[N] = {};
    char fold_[N] = {};
};
template <std::size_t M>
Name(const char (&)[M]) -> Name<M - 1>;

// At most eight characters as one number, the first in its lowest byte, zeros behind the last.
constexpr std::uint64_t packed(std::string_view text) noexcept {
    std::uint64_t number = 0;
    for (std::size_t i = text.size(); i-- > 0;) {
        number = number << 8 | static_cast<std::uint8_t>(text[i]);
    }
    return number;
}

// packed() of a text of one to eight characters, by two reads that overlap.
inline std::uint64_t load_packed(std::string_view text) noexcept {
    const char* const at = text.data();
    const std::size_t size = text.size();
    if (size >= 4) {
        std::uint32_t low, high;
        std::memcpy(&low, at, 4);
        std::memcpy(&high, at + size - 4, 4);
        return low | static_cast<std::uint64_t>(high) << (8 * (size - 4));
    }
    const auto byte = [at](std::size_t i) {
        return std::uint64_t{static_cast<std::uint8_t>(at[i])} << (8 * i);
    };
    return byte(0) | byte(size / 2) | byte(size - 1);
}

// text = {} by one store.
inline void clear(std::string_view& text) noexcept {
    static_assert(sizeof text == 16);
    using Pair [[gnu::vector_size(16)]] = std::uint64_t;
    constexpr Pair kZeros{0, 0};
    std::memcpy(static_cast<void*>(&text), &kZeros, sizeof kZeros);
}

// Characters that a reader stops at. All of them are breaks: no token characters.
class StopSet {
public:
    consteval explicit StopSet(CharSet set) : set_(set) {
        for (int c = 0; c < 256; ++c) {
            const char byte = static_cast<char>(c);
            if (set.has(byte) && is_token(byte)) throw "a token character is no break";
        }
    }
    consteval explicit StopSet(std::string_view chars) : StopSet(CharSet(chars)) {}
    constexpr bool has(char c) const noexcept { return set_.has(c); }

private:
    CharSet set_;
};

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
            const char* const found = at + __builtin_ctzll(bits);
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
        cursor.skip_lws();
        if (!detail::take_value(cursor, param.value)) return false;
        end = cursor.at;
        cursor.skip_lws();
    }
    param.text = between(begin, end);
    return true;
}

// Digits to a number, at most `max`; false when empty, not digits, or more. REQUIRES: max < 2**60.
inline bool parse_number(std::string_view digits, std::uint64_t max,
                         std::uint64_t& number) noexcept {
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

inline bool parse_port(std::string_view digits, std::uint16_t& port) noexcept {
    std::uint64_t number = 0;
    if (!parse_number(digits, 65535, number)) return false;
    port = static_cast<std::uint16_t>(number);
    return true;
}

// The number that the digits at `at` are, seven of them at most, in one step however many; 0 when
// there are none. `at` goes behind them. REQUIRES: eight readable bytes.
[[gnu::always_inline]] inline std::uint32_t take_short_number(const char*& at) noexcept {
    std::uint64_t digits;
    std::memcpy(&digits, at, 8);
    digits ^= 0x3030303030303030;
    // The high bit of the first byte that is no digit is the lowest one.
    const std::uint64_t others =
        ((digits | (digits + 0x7676767676767676)) & 0x8080808080808080) | std::uint64_t{1} << 63;
    const int high_bit = __builtin_ctzll(others);
    digits = digits << (63 - high_bit) << 8;  // the last digit is the highest byte now
    digits = (digits * 10 + (digits >> 8)) & 0x00ff00ff00ff00ff;
    digits = (digits * (100 << 16 | 1)) >> 16;
    at += high_bit / 8;
    return static_cast<std::uint32_t>((digits & 0xffff) * 10000 + (digits >> 32 & 0xffff));
}

}  // namespace lb::sip
