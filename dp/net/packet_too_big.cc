#include "dp/net/packet_too_big.h"

#include <algorithm>

#include "dp/net/checksum.h"
#include "dp/net/fragment.h"

namespace lb::net {
namespace {

constexpr std::uint8_t kTypePacketTooBig = 2;
constexpr std::size_t kIcmpHeader = 8;  // type, code, checksum, MTU

// The ICMPv6 message of a packet without extension headers; empty if there is none.
ConstBytes message_in(const Packet& packet, const FrameView& frame) noexcept {
    if (frame.protocol != kProtocolIcmpv6 || !frame.source.address.is_ipv6() || frame.is_fragment)
        return {};
    const ConstBytes ip = packet.bytes().subspan(frame.ip_offset);
    if (ip[6] != kProtocolIcmpv6) return {};
    return ip.subspan(kIpv6Header, load_be16(ip.data() + 4));
}

bool is_whole(ConstBytes message, const FrameView& frame) noexcept {
    const std::uint16_t pseudo =
        pseudo_header_sum(frame.source.address, frame.target.address, kProtocolIcmpv6,
                          static_cast<std::uint32_t>(message.size()));
    return add_sums(pseudo, sum_of(message)) == 0xffff;
}

// `sent`: the beginning of an IPv6 packet.
bool read_sent(ConstBytes sent, PacketTooBig& about) noexcept {
    if (sent.size() < kIpv6Header + kUdpHeader || sent[0] >> 4 != 6) return false;
    ConstBytes udp = sent.subspan(kIpv6Header);
    std::uint8_t protocol = sent[6];
    if (protocol == kProtocolFragment) {
        constexpr std::uint16_t kOffset = 0xfff8;
        if (udp.size() < kFragmentHeader + kUdpHeader || (load_be16(&udp[2]) & kOffset) != 0)
            return false;
        protocol = udp[0];
        udp = udp.subspan(kFragmentHeader);
    }
    if (protocol != kProtocolUdp) return false;
    about.source = {IpAddress::from_ipv6(&sent[8]), load_be16(&udp[0])};
    about.target = {IpAddress::from_ipv6(&sent[24]), load_be16(&udp[2])};
    return true;
}

}  // namespace

bool read_packet_too_big(const Packet& packet, const FrameView& frame,
                         PacketTooBig& about) noexcept {
    const ConstBytes message = message_in(packet, frame);
    if (message.size() < kIcmpHeader || message[0] != kTypePacketTooBig) return false;
    const std::uint32_t mtu = load_be32(&message[4]);
    if (mtu < kIpv6MtuMin || !is_whole(message, frame)) return false;
    about.mtu = static_cast<std::uint16_t>(std::min<std::uint32_t>(mtu, UINT16_MAX));
    return read_sent(message.subspan(kIcmpHeader), about);
}

}  // namespace lb::net
