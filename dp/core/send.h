#pragma once

// The last step of a packet that leaves: Ethernet, IP and UDP headers in front of a finished SIP
// message.

#include "dp/core/context.h"
#include "dp/core/verdict.h"

namespace lb::core {

// Payload bytes that a packet's buffer can hold behind the largest headers.
std::size_t room_for_payload(const net::Packet& packet) noexcept;

// A place for `size` payload bytes in the packet's buffer with room for headers in front of it.
// REQUIRES: size <= room_for_payload(packet).
std::uint8_t* place_payload(const net::Packet& packet, std::size_t size) noexcept;

inline constexpr std::uint8_t kTtlSent = 64;

// send() for any frame: with a tag, of IPv6, too large, or with a checksum that the device
// completes.
Verdict send_odd(Context& context, const Endpoint& source, const Endpoint& target,
                 const table::Hop& hop, std::uint8_t* payload, std::size_t size) noexcept;

// Points the packet at the finished frame: [payload - written, payload + size).
[[gnu::always_inline]] inline void finish(net::Packet& packet, net::ChecksumMode mode,
                                          std::uint8_t* payload, std::size_t size,
                                          std::size_t written) noexcept {
    std::uint8_t* const first = payload - written;
    const auto moved = static_cast<std::uint32_t>(first - packet.data);  // modulo 2^32
    const auto length = static_cast<std::uint32_t>(written + size);
    packet.tailroom += packet.length - moved - length;
    packet.headroom += moved;
    packet.length = length;
    packet.data = first;
    if (mode != net::ChecksumMode::kSoftware)
        packet.unsummed_udp = static_cast<std::uint16_t>(written - net::kUdpHeader);
}

// Makes the frame that carries [payload, payload + size) from `source` to `target` and points the
// packet at it. kForward with the interface to leave by; kSlowPath if the neighbour's MAC is not
// known; kDrop(no_route) if there is no route. REQUIRES: the payload lies in the packet's buffer
// with net::kHeadersMax bytes in front; both addresses are of the family of `hop`.
[[gnu::always_inline]] inline Verdict send(Context& context, const Endpoint& source,
                                           const Endpoint& target, const table::Hop& hop,
                                           std::uint8_t* payload, std::size_t size) noexcept {
    const net::ChecksumMode mode = context.scratch.checksum_mode;
    if (size >= hop.plain_end || mode == net::ChecksumMode::kOffload) [[unlikely]]
        return send_odd(context, source, target, hop, payload, size);
    const bool now = mode == net::ChecksumMode::kSoftware;
    const std::uint64_t sum = now ? net::raw_sum_of(payload, size) : 0;
    net::write_plain_headers(source, target, {kTtlSent, context.frame().dscp, 0}, payload, size,
                             sum);
    hop.ethernet.write_in_front_of(payload - net::kUdpHeader - net::kIpv4Header);
    finish(context.packet, mode, payload, size, net::kPlainHeaders);
    return {Action::kForward, DropReason::kInternal, hop.interface};
}

// The same for a reply to the frame that came in: by the routes if they know the way, else to the
// MAC it came from. `received` is the view of the incoming frame.
Verdict send_back(Context& context, const net::FrameView& received, const Endpoint& target,
                  std::uint8_t* payload, std::size_t size) noexcept;

}  // namespace lb::core
