#pragma once

// ICMPv6 Packet Too Big (RFC 4443 3.2): what a router says of a packet of ours that the next link
// does not take. Over IPv6 no router cuts a packet, so its sender must (RFC 8201).

#include <cstdint>

#include "dp/base/address.h"
#include "dp/net/frame.h"
#include "dp/net/packet.h"

namespace lb::net {

inline constexpr std::uint8_t kProtocolIcmpv6 = 58;
inline constexpr std::uint16_t kIpv6MtuMin = 1280;  // RFC 8200 5

struct PacketTooBig {
    std::uint16_t mtu = 0;    // that the next link takes, kIpv6MtuMin or more
    Endpoint source, target;  // of the datagram that was too large, as it was sent
};

// False: the frame is no such message, or one to be ignored: its checksum is wrong, the packet in
// it is no UDP datagram nor the first fragment of one, or the MTU is below what every link takes
// (RFC 8201 4). `frame` is the view of `packet` by parse_frame().
bool read_packet_too_big(const Packet& packet, const FrameView& frame,
                         PacketTooBig& about) noexcept;

}  // namespace lb::net
