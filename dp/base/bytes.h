#pragma once

// Bytes as the wire has them: spans, big-endian loads and stores, and text views of bytes.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace lb {

using Bytes = std::span<std::uint8_t>;
using ConstBytes = std::span<const std::uint8_t>;

inline std::string_view as_text(ConstBytes bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline ConstBytes as_bytes(std::string_view text) noexcept {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Sixteen bytes in one register, at any address.
using Block = std::uint64_t __attribute__((vector_size(16)));

// As many as one register has. Not for what was written a moment ago in narrower words, which would
// stall the core.
#if defined(__AVX2__)
using WideBlock = std::uint64_t __attribute__((vector_size(32)));
#else
using WideBlock = Block;
#endif

template <class Word>
inline Word load_word(const void* at) noexcept {
    Word word;
    std::memcpy(&word, at, sizeof word);
    return word;
}

template <class Word>
inline void store_word(void* at, Word word) noexcept {
    std::memcpy(at, &word, sizeof word);
}

// Moves a text by a few wide words that overlap: no call, no loop over bytes, and for 16 to 64
// bytes no branch that depends on how many they are. REQUIRES: `to` is not behind `from` (the two
// may overlap), or they do not overlap.
inline void move_to_front(char* to, const char* from, std::size_t size) noexcept {
    if (size - 16 <= 48) {  // all is read before anything is written
        const std::size_t second = size < 32 ? size - 16 : 16;
        const std::size_t third = size < 32 ? 0 : size - 32;
        const auto a = load_word<Block>(from), b = load_word<Block>(from + second);
        const auto c = load_word<Block>(from + third), d = load_word<Block>(from + size - 16);
        store_word(to, a);
        store_word(to + second, b);
        store_word(to + third, c);
        store_word(to + size - 16, d);
    } else if (size > 64) {
        const auto last = load_word<Block>(from + size - 16);  // before it is written over
        for (std::size_t at = 0; at + 16 < size; at += 16)
            store_word(to + at, load_word<Block>(from + at));
        store_word(to + size - 16, last);
    } else if (size >= 8) {
        const auto first = load_word<std::uint64_t>(from);
        const auto last = load_word<std::uint64_t>(from + size - 8);
        store_word(to, first);
        store_word(to + size - 8, last);
    } else if (size >= 4) {
        const auto first = load_word<std::uint32_t>(from);
        const auto last = load_word<std::uint32_t>(from + size - 4);
        store_word(to, first);
        store_word(to + size - 4, last);
    } else if (size != 0) {
        const char first = from[0], middle = from[size / 2], last = from[size - 1];
        to[0] = first;
        to[size / 2] = middle;
        to[size - 1] = last;
    }
}

// Copies a short text in the same way. REQUIRES: the two do not overlap.
inline void copy_short(char* to, const char* from, std::size_t size) noexcept {
    move_to_front(to, from, size);
}

// 64 bytes in registers: of a text that is no longer, and of what is behind it.
struct Blocks {
    static constexpr std::size_t kSize = 64;
#if defined(__AVX2__)
    WideBlock a, b;

    static Blocks load(const char* at) noexcept {
        return {load_word<WideBlock>(at), load_word<WideBlock>(at + 32)};
    }
    void store(char* at) const noexcept {
        store_word(at, a);
        store_word(at + 32, b);
    }
#else
    Block a, b, c, d;

    static Blocks load(const char* at) noexcept {
        return {load_word<Block>(at), load_word<Block>(at + 16), load_word<Block>(at + 32),
                load_word<Block>(at + 48)};
    }
    void store(char* at) const noexcept {
        store_word(at, a);
        store_word(at + 16, b);
        store_word(at + 32, c);
        store_word(at + 48, d);
    }
#endif
};

// Copies a text of kLongMin bytes at least by whole blocks, one of 64 at most without a branch, and
// so perhaps something up to kLongSpoil bytes behind it. REQUIRES: 64 bytes and kLongSpoil more
// than `size` are readable and writable; the two do not overlap.
inline constexpr std::size_t kLongMin = Blocks::kSize / 2 + 1, kLongSpoil = Blocks::kSize / 2 - 1;
inline void copy_long(char* to, const char* from, std::size_t size) noexcept {
    Blocks::load(from).store(to);
    for (std::size_t at = Blocks::kSize; at < size; at += Blocks::kSize / 2) [[unlikely]] {
            const auto first = load_word<Block>(from + at),
                       second = load_word<Block>(from + at + 16);
            store_word(to + at, first);
            store_word(to + at + 16, second);
        }
}

// True if two short texts of one size are the same. REQUIRES: `size` readable bytes at both.
inline bool same_short(const char* a, const char* b, std::size_t size) noexcept {
    const auto differ = [&]<class Word>(Word, std::size_t at) {
        return load_word<Word>(a + at) ^ load_word<Word>(b + at);
    };
    if (size - 8 <= 8) return (differ(std::uint64_t{}, 0) | differ(std::uint64_t{}, size - 8)) == 0;
    if (size - 4 < 4) return (differ(std::uint32_t{}, 0) | differ(std::uint32_t{}, size - 4)) == 0;
    return size == 0 || std::memcmp(a, b, size) == 0;
}

// REQUIRES for all four: the bytes that the width names are readable (writable) at `at`.
inline std::uint16_t load_be16(const std::uint8_t* at) noexcept {
    return static_cast<std::uint16_t>((at[0] << 8) | at[1]);
}

inline std::uint32_t load_be32(const std::uint8_t* at) noexcept {
    return (static_cast<std::uint32_t>(load_be16(at)) << 16) | load_be16(at + 2);
}

inline void store_be16(std::uint8_t* at, std::uint16_t value) noexcept {
    at[0] = static_cast<std::uint8_t>(value >> 8);
    at[1] = static_cast<std::uint8_t>(value);
}

inline void store_be32(std::uint8_t* at, std::uint32_t value) noexcept {
    store_be16(at, static_cast<std::uint16_t>(value >> 16));
    store_be16(at + 2, static_cast<std::uint16_t>(value));
}

}  // namespace lb
