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

}  // namespace

std::uint16_t sum_of(ConstBytes data) noexcept {
    // Byte order does not matter until the end (RFC 1071 2 B), so words are read as they lie.
    // 32-bit pieces in 64-bit lanes cannot overflow below 2^32 pieces; the compiler vectorises this
    // loop.
    const std::uint8_t* at = data.data();
    std::size_t left = data.size();
    std::uint64_t low = 0, high = 0;
    for (; left >= 8; at += 8, left -= 8) {
        std::uint64_t word;
        std::memcpy(&word, at, 8);
        low += word & 0xffffffff;
        high += word >> 32;
    }
    std::uint64_t rest = 0;
    if (left != 0) std::memcpy(&rest, at, left);
    std::uint64_t sum = low + high + (rest & 0xffffffff) + (rest >> 32);
    const std::uint16_t folded = fold(sum);
    if constexpr (std::endian::native == std::endian::big) return folded;
    return shift_sum(folded, true);
}

std::uint16_t pseudo_header_sum(const IpAddress& source, const IpAddress& target,
                                std::uint8_t protocol, std::uint32_t length) noexcept {
    const std::uint16_t addresses = add_sums(sum_of(source.bytes()), sum_of(target.bytes()));
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
