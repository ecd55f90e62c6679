#include "dp/core/send.h"

#include <algorithm>

#include "dp/net/packet_too_big.h"

namespace lb::core {
namespace {

// A datagram that will be cut into fragments cannot leave its checksum to the device.
net::ChecksumMode checksum_mode(const Context& context, std::size_t mtu,
                                std::size_t size) noexcept {
    const bool fits = size + net::kIpv6Header + net::kUdpHeader <= mtu;
    return fits ? context.scratch.checksum_mode : net::ChecksumMode::kSoftware;
}

// That of the way to an IPv6 address behind a gateway, or the link's.
std::uint16_t path_mtu(const Context& context, const IpAddress& target, std::size_t size,
                       std::uint16_t link) noexcept {
    const bool fits_any = size + net::kIpv6Header + net::kUdpHeader <= net::kIpv6MtuMin;
    const PathMtus* const known = context.scratch.path_mtus;
    if (fits_any || known == nullptr || !target.is_ipv6()) return link;
    const std::uint16_t mtu = known->find(target, context.scratch.state.now_ms);
    return mtu == 0 ? link : std::min(mtu, link);
}

constexpr MacAddress kUnknownMac{};

// Not 0: that is for what may not be cut.
std::uint16_t next_ip_id(Scratch& scratch) noexcept {
    const auto id = static_cast<std::uint16_t>(scratch.next_datagram_id());
    return id != 0 ? id : static_cast<std::uint16_t>(scratch.next_datagram_id());
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
    std::uint8_t* const last = packet.data + packet.length + packet.tailroom - size;
    return usual <= last ? usual : last;
}

Verdict send_odd(Context& context, const Endpoint& source, const Endpoint& target,
                 const table::Hop& hop, std::uint8_t* payload, std::size_t size) noexcept {
    if (hop.interface == table::kNoInterface) return drop(DropReason::kNoRoute);
    const table::Interface& out = context.network().interface(hop.interface);
    const bool by_gateway = hop.neighbour != target.address;
    const std::uint16_t mtu =
        by_gateway ? path_mtu(context, target.address, size, out.mtu) : out.mtu;
    const net::ChecksumMode mode = checksum_mode(context, mtu, size);
    const MacAddress& target_mac = hop.mac != nullptr ? *hop.mac : kUnknownMac;
    const bool cuttable = by_gateway && target.address.is_ipv4() && size >= table::kCuttable;
    const std::uint16_t ip_id = cuttable ? next_ip_id(context.scratch) : std::uint16_t{0};
    const net::UdpHeaders headers{out.mac,  target_mac,           out.vlan, source, target,
                                  kTtlSent, context.frame().dscp, ip_id};
    const std::size_t written = net::write_udp_headers(headers, payload, size, mode);
    finish(context.packet, mode, payload, size, written);
    if (mtu < out.mtu) context.packet.path_mtu = mtu;
    const Action action = hop.mac != nullptr ? Action::kForward : Action::kSlowPath;
    return {action, DropReason::kInternal, hop.interface};
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
