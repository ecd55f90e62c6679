#include "dp/net/checksum.h"

#include <bit>

namespace lb::net {
namespace {

constexpr std::uint16_t fold(std::uint64_t sum) noexcept {
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16));
}

std::uint32_t load32(const std::uint8_t* at) noexcept {
    std::uint32_t word;
    std::memcpy(&word, at, 4);
    return word;
}

// Byte order does not matter until the end (RFC 1071 2 B), so words are read as they lie. 32-bit
// pieces in 64-bit lanes cannot overflow below 2^32 pieces; the compiler vectorises this loop.
// Always inlined, so that each caller compiles it for its own instruction set.
[[gnu::always_inline]] inline std::uint64_t sum_words(const std::uint8_t* at,
                                                      std::size_t words) noexcept {
    std::uint64_t low = 0, high = 0;
    for (std::size_t i = 0; i < words; ++i) {
        std::uint64_t word;
        std::memcpy(&word, at + 8 * i, 8);
        low += word & 0xffffffff;
        high += word >> 32;
    }
    return low + high;
}

std::uint64_t sum_long_plain(const std::uint8_t* at, std::size_t words) noexcept {
    return sum_words(at, words);
}

// Chosen once at start. A plain pointer and not an ifunc: those crash under ThreadSanitizer.
using SumWords = std::uint64_t (*)(const std::uint8_t*, std::size_t) noexcept;
constinit SumWords sum_long = sum_long_plain;

#if defined(__x86_64__)
__attribute__((target("avx2"))) std::uint64_t sum_long_avx2(const std::uint8_t* at,
                                                            std::size_t words) noexcept {
    return sum_words(at, words);
}

[[maybe_unused]] const bool kChosen = [] {
    if (__builtin_cpu_supports("avx2")) sum_long = sum_long_avx2;
    return true;
}();
#endif

std::uint16_t to_network(std::uint16_t native_sum) noexcept {
    return shift_sum(native_sum, std::endian::native == std::endian::little);
}

// Of an address: 4 or 16 bytes.
std::uint64_t native_sum_of(const IpAddress& address) noexcept {
    const std::uint8_t* const at =
        address.data();  // IPv4 leaves twelve zeros behind its four bytes
    return std::uint64_t{load32(at)} + load32(at + 4) + load32(at + 8) + load32(at + 12);
}

}  // namespace

std::uint16_t sum_of(ConstBytes data) noexcept {
    constexpr std::size_t kLongWords = 16;  // below, the call costs more than wider lanes save
    const std::uint8_t* at = data.data();
    const std::size_t words = data.size() / 8;
    std::uint64_t sum = words < kLongWords ? 0 : sum_long(at, words);
    for (std::size_t i = 0; words < kLongWords && i < words; ++i) {
        sum += std::uint64_t{load32(at + 8 * i)} + load32(at + 8 * i + 4);
    }
    at += 8 * words;
    std::size_t left = data.size() % 8;
    if (left >= 4) {
        sum += load32(at);
        at += 4;
        left -= 4;
    }
    std::uint8_t rest[4] = {};
    for (std::size_t i = 0; i < left; ++i) rest[i] = at[i];
    return to_network(fold(sum + load32(rest)));
}

std::uint16_t ipv4_header_sum(const std::uint8_t* header) noexcept {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < 20; i += 4) sum += load32(header + i);
    return to_network(fold(sum));
}

std::uint16_t address_sum(const IpAddress& source, const IpAddress& target) noexcept {
    return to_network(fold(native_sum_of(source) + native_sum_of(target)));
}

std::uint16_t pseudo_header_sum(const IpAddress& source, const IpAddress& target,
                                std::uint8_t protocol, std::uint32_t length) noexcept {
    const std::uint16_t addresses = address_sum(source, target);
    const std::uint16_t rest = fold(static_cast<std::uint64_t>(length) + protocol);
    return add_sums(addresses, rest);
}

std::uint16_t replace_front(std::uint16_t old_total, ConstBytes old_front,
                            ConstBytes new_front) noexcept {
    return replace_front(old_total, sum_of(old_front), old_front.size() % 2 != 0, sum_of(new_front),
                         new_front.size() % 2 != 0);
}

std::uint16_t payload_sum_of(std::uint16_t checksum, std::uint16_t pseudo_sum,
                             std::uint16_t source_port, std::uint16_t target_port,
                             std::uint16_t udp_length) noexcept {
    std::uint16_t head = add_sums(pseudo_sum, add_sums(source_port, target_port));
    head = add_sums(head, udp_length);
    return subtract_sums(static_cast<std::uint16_t>(~checksum), head);
}

}  // namespace lb::net
