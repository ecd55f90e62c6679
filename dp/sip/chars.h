#pragma once

// Characters of SIP and short texts of them: classes, trimming, names that are compared whole and
// without regard to case, and sets of characters that a reader stops at.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "dp/sip/char_set.h"

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

}  // namespace lb::sip
