#pragma once

// Keys of text_mac() and its like (dp/base/text_mac.h).

#include <array>
#include <cstddef>
#include <cstdint>

namespace lb {

// Sixteen bytes: `low` are the first eight of them, little-endian.
struct AesBlock {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    friend bool operator==(const AesBlock&, const AesBlock&) noexcept = default;
};

// An expanded key of AES-128 (FIPS 197).
struct AesKey {
    alignas(16) std::array<std::uint8_t, 11 * 16> rounds{};

    static AesKey expand(AesBlock key) noexcept;
};

struct TextKey {
    static constexpr std::size_t kPartMax = 128;  // bytes of a text that have key words
    static constexpr std::size_t kWords = 2 * kPartMax / 8;
    alignas(64) std::array<std::uint64_t, kWords> words{};
    AesKey cipher;

    const std::uint64_t* of_first() const noexcept { return words.data(); }
    const std::uint64_t* of_second() const noexcept { return words.data() + kWords / 2; }
};

}  // namespace lb
