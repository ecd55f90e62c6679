#pragma once

// The Internet checksum (RFC 1071).
//
// A *sum* here is a folded one's-complement sum of big-endian 16-bit words, as a host number. Zero
// has two forms, 0 and 0xffff; a sum over bytes that are not all zero is never 0, so it is unique.
// A *checksum* is a sum's complement, as it stands in a header.
//
// A *raw sum* is a sum before it is folded, of words as they lie in memory (RFC 1071 2 B): what is
// added up in a frame stays raw until its checksum is wanted.
//
// Threads: pure functions. Cost: sum_of() and raw_sum_of() are linear, all else constant.

#include <bit>
#include <cstdint>
#include <span>

#include "dp/base/address.h"
#include "dp/base/bytes.h"

namespace lb::net {

// Of at most kRawSumMax bytes, below 2^48. Several add up without overflow; an odd last byte may
// only be in the last one.
inline constexpr std::size_t kRawSumMax = 65536;
using RawSum = std::uint64_t (*)(const std::uint8_t* data, std::size_t size) noexcept;

// The variants that this processor can run, the one in use last; all give the same.
struct RawSumVariant {
    const char* name;
    RawSum sum;
};
std::span<const RawSumVariant> raw_sum_variants() noexcept;

// The fastest of them, chosen once at start. A plain pointer and not an ifunc: those crash under
// ThreadSanitizer.
extern RawSum raw_sum_of;

// One 16-bit number as it lies in memory, and back.
constexpr std::uint16_t raw_word(std::uint16_t number) noexcept {
    return std::endian::native == std::endian::little
               ? static_cast<std::uint16_t>((number << 8) | (number >> 8))
               : number;
}

// A few such numbers added up, below 2^24, as a raw sum.
constexpr std::uint64_t raw_words(std::uint32_t sum) noexcept {
    const std::uint32_t folded = (sum & 0xffff) + (sum >> 16);
    return std::uint64_t{raw_word(static_cast<std::uint16_t>(folded))} +
           raw_word(static_cast<std::uint16_t>(folded >> 16));
}

// The high half of the result is the folded sum as it lies in memory, the low half is rubble.
constexpr std::uint32_t fold_raw(std::uint64_t raw) noexcept {
    raw += std::rotl(raw, 32);  // the high half: both halves with the carry of the low ones
    const auto sum = static_cast<std::uint32_t>(raw >> 32);
    return sum + std::rotl(sum, 16);
}

// True if the sum is one of the two forms of zero: what verifies a checksum. That is divisibility
// by 0xffff, told by a product with its inverse modulo 2^64. REQUIRES: a sum over bytes that are
// not all zero.
constexpr bool is_good(std::uint64_t raw) noexcept {
    constexpr std::uint64_t kMultiples = 0x0001000100010001;  // so many times 0xffff is 2^64 - 1
    constexpr std::uint64_t kInverse = 0 - kMultiples;
    static_assert(kInverse * 0xffff == 1 && kMultiples * 0xffff == ~std::uint64_t{0});
    return raw * kInverse <= kMultiples;
}

// The checksum to store, as it lies in memory.
constexpr std::uint16_t raw_checksum_of(std::uint64_t raw) noexcept {
    return static_cast<std::uint16_t>(~fold_raw(raw) >> 16);
}

// Of the bytes of an address: 4 or 16.
inline std::uint64_t raw_address_sum(const IpAddress& address) noexcept {
    if (address.is_ipv4()) {
        std::uint32_t quad;
        std::memcpy(&quad, address.data(), 4);
        return quad;
    }
    const auto piece = [](std::uint64_t word) { return (word & 0xffffffff) + (word >> 32); };
    return piece(address.word(1)) + piece(address.word(9));
}

// Of the 20 bytes of an IPv4 header without options, in words of eight: the carry out of one comes
// back in at its low end, since 2^64 is 1 modulo 0xffff. REQUIRES: that many readable bytes.
inline std::uint64_t raw_ipv4_header_sum(const std::uint8_t* header) noexcept {
    const auto add = [](std::uint64_t a, std::uint64_t b) { return a + b + (a + b < a); };
    const auto words = add(load_word<std::uint64_t>(header), load_word<std::uint64_t>(header + 8));
    return add(words, load_word<std::uint32_t>(header + 16));
}

// An odd last byte counts as the high half of a word whose low half is zero.
std::uint16_t sum_of(ConstBytes data) noexcept;

// The same for the 20 bytes of an IPv4 header without options. REQUIRES: 20 readable bytes.
std::uint16_t ipv4_header_sum(const std::uint8_t* header) noexcept;

// Sum of two even-length pieces, or of one that ends anywhere and nothing behind it.
constexpr std::uint16_t add_sums(std::uint16_t a, std::uint16_t b) noexcept {
    const std::uint32_t sum = static_cast<std::uint32_t>(a) + b;
    return static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16));
}

// RFC 768, RFC 8200 8.1: addresses, protocol and upper-layer length. REQUIRES: addresses of one
// family.
std::uint16_t pseudo_header_sum(const IpAddress& source, const IpAddress& target,
                                std::uint8_t protocol, std::uint32_t length) noexcept;

// As sent in a UDP header: the complement, where 0 ("no checksum") is written as its other form
// 0xffff.
constexpr std::uint16_t udp_checksum_of(std::uint16_t sum) noexcept {
    const auto checksum = static_cast<std::uint16_t>(~sum);
    return checksum == 0 ? std::uint16_t{0xffff} : checksum;
}

}  // namespace lb::net
