#pragma once

// Small numbers as decimal digits, and what a Via says of the source port (RFC 3581), by tables.

#include <array>
#include <bit>
#include <cstdint>
#include <string_view>

#include "dp/base/bytes.h"

namespace lb::core {

// The numbers 0 to 99 as two digits, the first one lowest.
inline constexpr auto kPairs = [] {
    std::array<std::uint16_t, 100> rows{};
    for (unsigned i = 0; i < 100; ++i)
        rows[i] = static_cast<std::uint16_t>(('0' + i / 10) | ('0' + i % 10) << 8);
    return rows;
}();

// The numbers 0 to 999 as three.
inline constexpr auto kTriples = [] {
    std::array<std::uint32_t, 1000> rows{};
    for (unsigned i = 0; i < 1000; ++i)
        rows[i] = ('0' + i / 100) | std::uint32_t{kPairs[i % 100]} << 8;
    return rows;
}();

// ";rport=5060" in two words, and how long it is: no loop, no branch for the number of digits.
struct RportText {
    static constexpr std::string_view kName = ";rport=";
    static constexpr std::size_t kRoom = 16;
    std::uint64_t low, high;
    std::size_t size;

    RportText() = default;  // says nothing yet
    explicit RportText(std::uint16_t port) noexcept {
        constexpr std::uint64_t kZeros = 0x3030303030, kLast = std::uint64_t{1} << 32;
        const std::uint64_t digits =
            std::uint64_t{kPairs[port / 1000U]} | std::uint64_t{kTriples[port % 1000U]} << 16;
        const int unused = std::countr_zero((digits ^ kZeros) | kLast) & ~7;  // bits
        const std::uint64_t used = digits >> unused;
        static_assert(std::endian::native == std::endian::little && kName.size() == 7);
        low = kNameWord | used << 56;
        high = used >> 8;
        size = kName.size() + 5 - static_cast<std::size_t>(unused) / 8;
    }
    // REQUIRES: kRoom writable bytes.
    void write(char* to) const noexcept {
        store_word(to, low);
        store_word(to + 8, high);
    }

private:
    static constexpr std::uint64_t kNameWord = [] {
        std::uint64_t word = 0;
        for (std::size_t i = 0; i < kName.size(); ++i)
            word |= std::uint64_t{static_cast<unsigned char>(kName[i])} << (8 * i);
        return word;
    }();
};

}  // namespace lb::core
