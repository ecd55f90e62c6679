#include "tests/bench/load/stamp.h"

#include <algorithm>
#include <cstring>

namespace lb::bench {
namespace {

constexpr std::size_t kEthernet = 14, kUdp = 8;

// Bytes of the IP header, 0 for what is no plain UDP datagram.
std::size_t ip_header_size(ConstBytes frame) noexcept {
    if (frame.size() < kEthernet + 40 + kUdp) return 0;
    const std::uint16_t type = load_be16(&frame[12]);
    if (type == 0x0800 && frame[14] == 0x45 && frame[23] == 17) return 20;
    if (type == 0x86dd && frame[20] == 17) return 40;
    return 0;
}

std::size_t body_size(std::string_view message) noexcept {
    const std::size_t end = message.find("\r\n\r\n");
    return end == std::string_view::npos ? 0 : message.size() - end - 4;
}

void write_checksum(test::Octets& frame) {
    const std::size_t ip = ip_header_size(frame);
    std::uint8_t* udp = frame.data() + kEthernet + ip;
    const std::uint8_t* addresses = frame.data() + kEthernet + (ip == 20 ? 12 : 8);
    const IpAddress source =
        ip == 20 ? IpAddress::from_ipv4(addresses) : IpAddress::from_ipv6(addresses);
    const IpAddress target =
        ip == 20 ? IpAddress::from_ipv4(addresses + 4) : IpAddress::from_ipv6(addresses + 16);
    store_be16(udp + 6, 0);
    const std::uint16_t sum = test::slow_udp_sum(source, target, {udp, load_be16(udp + 4)});
    const auto checksum = static_cast<std::uint16_t>(~sum);
    store_be16(udp + 6, checksum == 0 ? 0xffff : checksum);
}

}  // namespace

ConstBytes udp_payload(ConstBytes frame) noexcept {
    const std::size_t ip = ip_header_size(frame);
    if (ip == 0) return {};
    const std::uint8_t* udp = frame.data() + kEthernet + ip;
    const std::size_t length = load_be16(udp + 4);
    if (length < kUdp || kEthernet + ip + length > frame.size()) return {};
    return {udp + kUdp, length - kUdp};
}

StampedFrame prepare_stamp(test::Octets frame) {
    StampedFrame out{std::move(frame), 0};
    const ConstBytes payload = udp_payload(out.octets);
    if (body_size(as_text(payload)) < kStampSize) return out;
    out.stamp =
        static_cast<std::size_t>(payload.data() - out.octets.data()) + payload.size() - kStampSize;
    write_stamp(out.octets.data() + out.stamp, 0);
    write_checksum(out.octets);
    return out;
}

void write_stamp(std::uint8_t* at, std::uint64_t number) noexcept {
    const std::uint64_t words[2] = {number, ~number};
    std::memcpy(at, words, kStampSize);
}

std::optional<std::uint64_t> read_stamp(ConstBytes payload) noexcept {
    if (payload.size() < kStampSize) return {};
    std::uint64_t words[2];
    std::memcpy(words, payload.data() + payload.size() - kStampSize, kStampSize);
    if (words[0] != ~words[1]) return {};
    return words[0];
}

}  // namespace lb::bench
