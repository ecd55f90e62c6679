#include "dp/core/send.h"

namespace lb::core {
namespace {

constexpr std::uint8_t kTtl = 64;

std::uint8_t* buffer_begin(const net::Packet& packet) noexcept {
    return packet.data - packet.headroom;
}

std::uint8_t* buffer_end(const net::Packet& packet) noexcept {
    return packet.data + packet.length + packet.tailroom;
}

void point_at(net::Packet& packet, std::uint8_t* first, std::uint8_t* end) noexcept {
    std::uint8_t* const begin = buffer_begin(packet);
    std::uint8_t* const limit = buffer_end(packet);
    packet.data = first;
    packet.length = static_cast<std::uint32_t>(end - first);
    packet.headroom = static_cast<std::uint32_t>(first - begin);
    packet.tailroom = static_cast<std::uint32_t>(limit - end);
}

// A datagram that will be cut into fragments cannot leave its checksum to the device.
net::ChecksumMode checksum_mode(const Context& context, const table::Interface& out,
                                std::size_t size) noexcept {
    const bool fits = size + net::kIpv6Header + net::kUdpHeader <= out.mtu;
    return fits ? context.scratch.checksum_mode : net::ChecksumMode::kSoftware;
}

// The finished frame is [payload - written, payload + size).
[[gnu::always_inline]] inline Verdict finish(net::Packet& packet, const table::Hop& hop,
                                             net::ChecksumMode mode, std::uint8_t* payload,
                                             std::size_t size, std::size_t written) noexcept {
    point_at(packet, payload - written, payload + size);
    if (mode != net::ChecksumMode::kSoftware)
        packet.unsummed_udp = static_cast<std::uint16_t>(written - net::kUdpHeader);
    const Action action = hop.mac != nullptr ? Action::kForward : Action::kSlowPath;
    return {action, DropReason::kInternal, hop.interface};
}

constexpr MacAddress kUnknownMac{};

const MacAddress& target_mac(const table::Hop& hop) noexcept {
    return hop.mac != nullptr ? *hop.mac : kUnknownMac;
}

// Any frame: with a tag, of IPv6, or with a checksum that the device completes.
[[gnu::noinline]] Verdict send_odd(Context& context, const Endpoint& source, const Endpoint& target,
                                   const table::Hop& hop, std::uint8_t* payload,
                                   std::size_t size) noexcept {
    const table::Interface& out = context.network().interface(hop.interface);
    const net::ChecksumMode mode = checksum_mode(context, out, size);
    const net::UdpHeaders headers{out.mac, target_mac(hop),      out.vlan, source, target,
                                  kTtl,    context.frame().dscp, 0};
    const std::size_t written = net::write_udp_headers(headers, payload, size, mode);
    return finish(context.packet, hop, mode, payload, size, written);
}

}  // namespace

std::size_t room_for_payload(const net::Packet& packet) noexcept {
    const std::size_t room = std::size_t{packet.headroom} + packet.length + packet.tailroom;
    return room > net::kHeadersMax ? room - net::kHeadersMax : 0;
}

std::uint8_t* place_payload(const net::Packet& packet, std::size_t size) noexcept {
    // Behind the frame's old headers if it fits there (the usual case), else as far forward as need
    // be.
    std::uint8_t* const usual = packet.data + net::kHeadersMax;
    std::uint8_t* const last = buffer_end(packet) - size;
    return usual <= last ? usual : last;
}

Verdict send(Context& context, const Endpoint& source, const Endpoint& target,
             const table::Hop& hop, std::uint8_t* payload, std::size_t size) noexcept {
    if (hop.interface == table::kNoInterface) return drop(DropReason::kNoRoute);
    const table::Interface& out = context.network().interface(hop.interface);
    const net::ChecksumMode mode = checksum_mode(context, out, size);
    const bool plain = out.vlan == net::kNoVlan && mode != net::ChecksumMode::kOffload &&
                       source.address.is_ipv4() && target.address.is_ipv4();
    if (!plain) [[unlikely]]
        return send_odd(context, source, target, hop, payload, size);
    const bool now = mode == net::ChecksumMode::kSoftware;
    net::write_plain_headers(out.mac, target_mac(hop), source, target,
                             {kTtl, context.frame().dscp, 0}, payload, size,
                             now ? net::raw_sum_of(payload, size) : 0);
    return finish(context.packet, hop, mode, payload, size, net::kPlainHeaders);
}

Verdict send_back(Context& context, const net::FrameView& received, const Endpoint& target,
                  std::uint8_t* payload, std::size_t size) noexcept {
    table::Hop hop = context.network().resolve(target.address);
    const MacAddress source_mac = received.source_mac;
    if (hop.mac == nullptr) hop = {context.interface, target.address, &source_mac};
    Verdict verdict = send(context, received.target, target, hop, payload, size);
    if (verdict.action == Action::kForward) verdict.action = Action::kReply;
    return verdict;
}

}  // namespace lb::core
