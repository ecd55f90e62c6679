#pragma once

// The Internet checksum (RFC 1071): one's-complement sums, and their update when only the front of
// a datagram changed (RFC 1624, extended to a tail that moved).
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

// What `part` was added to, congruent modulo 0xffff.
constexpr std::uint16_t subtract_sums(std::uint16_t total, std::uint16_t part) noexcept {
    return add_sums(total, static_cast<std::uint16_t>(~part));
}

// The sum of the same bytes when they begin at an odd offset: each byte changes its half of the
// word.
constexpr std::uint16_t shift_sum(std::uint16_t sum, bool odd) noexcept {
    return odd ? static_cast<std::uint16_t>((sum << 8) | (sum >> 8)) : sum;
}

// The sum over the bytes of two addresses: 4 or 16 each.
std::uint16_t address_sum(const IpAddress& source, const IpAddress& target) noexcept;

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

// Whatever a sum covers, split in a front and the tail behind it: the sum after the front was
// replaced by another, longer or shorter by any number of bytes, while the tail kept its bytes.
constexpr std::uint16_t replace_front(std::uint16_t old_total, std::uint16_t old_front,
                                      bool old_front_odd, std::uint16_t new_front,
                                      bool new_front_odd) noexcept {
    const std::uint16_t tail = subtract_sums(old_total, old_front);
    return add_sums(new_front, shift_sum(tail, old_front_odd != new_front_odd));
}

// The same on bytes: the sum over new_front + tail, given the sum over old_front + tail.
std::uint16_t replace_front(std::uint16_t old_total, ConstBytes old_front,
                            ConstBytes new_front) noexcept;

// The sum over the UDP payload alone, told from a checksum that is known to be right (verified here
// or by the device). REQUIRES: checksum != 0 and the pseudo header's sum for `payload_size` + 8
// bytes of UDP.
std::uint16_t payload_sum_of(std::uint16_t checksum, std::uint16_t pseudo_sum,
                             std::uint16_t source_port, std::uint16_t target_port,
                             std::uint16_t udp_length) noexcept;

}  // namespace lb::net
