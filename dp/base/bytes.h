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

// Copies a short text: no call, and no loop over bytes. REQUIRES: the two do not overlap.
inline void copy_short(char* to, const char* from, std::size_t size) noexcept {
    const auto copy = [&](auto word, std::size_t at) {
        std::memcpy(&word, from + at, sizeof word);
        std::memcpy(to + at, &word, sizeof word);
    };
    struct Block {
        std::uint64_t words[2];
    };
    if (size >= 16) {
        for (std::size_t at = 0; at + 16 <= size; at += 16) copy(Block{}, at);
        copy(Block{}, size - 16);  // overlaps what is copied already
    } else if (size >= 8) {
        copy(std::uint64_t{}, 0);
        copy(std::uint64_t{}, size - 8);
    } else if (size >= 4) {
        copy(std::uint32_t{}, 0);
        copy(std::uint32_t{}, size - 4);
    } else if (size != 0) {
        to[0] = from[0];
        to[size / 2] = from[size / 2];
        to[size - 1] = from[size - 1];
    }
}

// Moves a text towards the front: `to` is not behind `from`, and the two may overlap.
inline void move_to_front(char* to, const char* from, std::size_t size) noexcept {
    struct Block {
        std::uint64_t words[2];
    };
    const auto load = [&](auto word, std::size_t at) {
        std::memcpy(&word, from + at, sizeof word);
        return word;
    };
    const auto store = [&](auto word, std::size_t at) { std::memcpy(to + at, &word, sizeof word); };
    if (size >= 16) {
        const Block last = load(Block{}, size - 16);  // before anything is written over it
        for (std::size_t at = 0; at + 16 < size; at += 16) store(load(Block{}, at), at);
        store(last, size - 16);
    } else if (size >= 8) {
        const auto first = load(std::uint64_t{}, 0), last = load(std::uint64_t{}, size - 8);
        store(first, 0);
        store(last, size - 8);
    } else {
        for (std::size_t at = 0; at < size; ++at) to[at] = from[at];
    }
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
