#pragma once

// Builds frames by hand, field by field, for tests of what reads and writes them. Independent of
// dp/net's own writer on purpose.

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/address.h"
#include "dp/net/packet.h"
#include "tests/support/slow_checksum.h"

namespace lb::test {

using Octets = std::vector<std::uint8_t>;

// Lets a packet begin `n` bytes earlier. REQUIRES: n <= packet.headroom.
inline void grow_front(net::Packet& packet, std::uint32_t n) {
    packet.data -= n;
    packet.length += n;
    packet.headroom -= n;
}

inline void put16(Octets& out, std::uint32_t value) {
    out.push_back(static_cast<std::uint8_t>(value >> 8));
    out.push_back(static_cast<std::uint8_t>(value));
}

inline void put(Octets& out, ConstBytes bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

inline std::string_view text_of(const Octets& octets) { return as_text(octets); }

inline Octets random_octets(std::mt19937& random, std::size_t size) {
    Octets octets(size);
    for (std::uint8_t& octet : octets) octet = static_cast<std::uint8_t>(random());
    return octets;
}

// One IP packet in an Ethernet frame. Everything a test wants to bend has a field.
struct FrameSpec {
    std::string source = "192.0.2.1", target = "192.0.2.2";  // the family follows the source
    std::uint16_t source_port = 5060, target_port = 5070;
    int vlan = -1;  // TCI in the bytes
    std::uint8_t protocol = 17;
    std::uint8_t ttl = 64, dscp = 0;
    Octets ip_options;  // IPv4; a multiple of four
    std::vector<Octets>
        extensions;  // IPv6: each with its own type in front of its bytes: {60, next..}
    std::uint32_t id = 0;
    bool dont_fragment = false;
    std::size_t padding = 0;  // bytes behind the IP packet
};

inline std::uint16_t ip_checksum(const Octets& header) {
    return static_cast<std::uint16_t>(~slow_sum(header));
}

inline Octets ethernet(const FrameSpec& spec, bool ipv4) {
    Octets frame{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
    if (spec.vlan >= 0) {
        put16(frame, 0x8100);
        put16(frame, static_cast<std::uint32_t>(spec.vlan));
    }
    put16(frame, ipv4 ? 0x0800 : 0x86dd);
    return frame;
}

inline Octets udp_datagram(const FrameSpec& spec, ConstBytes payload) {
    Octets udp;
    put16(udp, spec.source_port);
    put16(udp, spec.target_port);
    put16(udp, static_cast<std::uint32_t>(8 + payload.size()));
    put16(udp, 0);
    put(udp, payload);
    const auto sum =
        slow_udp_sum(*IpAddress::parse(spec.source), *IpAddress::parse(spec.target), udp);
    const auto checksum = static_cast<std::uint16_t>(~sum);
    store_be16(udp.data() + 6, checksum == 0 ? 0xffff : checksum);
    return udp;
}

// The frame around `ip_payload`, or around a piece of a larger one: `offset` in bytes.
inline Octets ip_frame(const FrameSpec& spec, ConstBytes ip_payload, std::size_t offset = 0,
                       bool more = false, bool fragment_header = false) {
    const IpAddress source = *IpAddress::parse(spec.source);
    const IpAddress target = *IpAddress::parse(spec.target);
    Octets frame = ethernet(spec, source.is_ipv4());
    Octets header;
    if (source.is_ipv4()) {
        header = {static_cast<std::uint8_t>(0x45 + spec.ip_options.size() / 4), spec.dscp};
        put16(header, static_cast<std::uint32_t>(20 + spec.ip_options.size() + ip_payload.size()));
        put16(header, spec.id & 0xffff);
        put16(header, static_cast<std::uint32_t>((spec.dont_fragment ? 0x4000 : 0) |
                                                 (more ? 0x2000 : 0) | (offset / 8)));
        header.insert(header.end(), {spec.ttl, spec.protocol, 0, 0});
        put(header, source.bytes());
        put(header, target.bytes());
        put(header, spec.ip_options);
        store_be16(header.data() + 10, ip_checksum(header));
    } else {
        Octets chain;  // built from the back
        std::uint8_t next = spec.protocol;
        if (fragment_header || offset != 0 || more) {
            chain = {next, 0};
            put16(chain, static_cast<std::uint32_t>(offset | (more ? 1U : 0U)));
            put16(chain, spec.id >> 16);
            put16(chain, spec.id & 0xffff);
            next = 44;
        }
        for (auto it = spec.extensions.rbegin(); it != spec.extensions.rend(); ++it) {
            Octets extension(it->begin() + 1, it->end());
            extension[0] = next;
            next = it->front();
            chain.insert(chain.begin(), extension.begin(), extension.end());
        }
        header = {static_cast<std::uint8_t>(0x60 | (spec.dscp >> 4)),
                  static_cast<std::uint8_t>(spec.dscp << 4), 0, 0};
        put16(header, static_cast<std::uint32_t>(chain.size() + ip_payload.size()));
        header.push_back(next);
        header.push_back(spec.ttl);
        put(header, source.bytes());
        put(header, target.bytes());
        put(header, chain);
    }
    put(frame, header);
    put(frame, ip_payload);
    frame.resize(frame.size() + spec.padding, 0xee);
    return frame;
}

// What a router at `spec.source` says of the packet in `sent`, of which it gives no more than IPv6
// lets it (RFC 4443 2.4). `spec` is the router's own packet, to the sender of that one.
inline Octets packet_too_big(FrameSpec spec, std::uint32_t mtu, ConstBytes sent) {
    Octets icmp{2, 0, 0, 0};
    put16(icmp, mtu >> 16);
    put16(icmp, mtu & 0xffff);
    put(icmp, sent.first(std::min<std::size_t>(sent.size(), 1280 - 40 - icmp.size())));
    spec.protocol = 58;
    store_be16(&icmp[2],
               static_cast<std::uint16_t>(~slow_upper_sum(
                   *IpAddress::parse(spec.source), *IpAddress::parse(spec.target), 58, icmp)));
    return ip_frame(spec, icmp);
}

inline Octets udp_frame(const FrameSpec& spec, ConstBytes payload) {
    return ip_frame(spec, udp_datagram(spec, payload));
}

// A packet over writable bytes with no room around them.
inline net::Packet packet_of(std::uint8_t* data, std::size_t size) {
    net::Packet packet;
    packet.data = data;
    packet.length = static_cast<std::uint32_t>(size);
    return packet;
}
inline net::Packet packet_of(Octets& octets) { return packet_of(octets.data(), octets.size()); }

}  // namespace lb::test
