#pragma once

// Ethernet (one VLAN tag at most), IPv4 with options, IPv6 with extension headers, UDP: bytes in,
// views out, and the way back.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "dp/base/address.h"
#include "dp/base/assert.h"
#include "dp/base/bytes.h"
#include "dp/net/checksum.h"
#include "dp/net/packet.h"

namespace lb::net {

inline constexpr std::size_t kEthernetHeader = 14;
inline constexpr std::size_t kVlanTag = 4;
inline constexpr std::size_t kIpv4Header = 20;
inline constexpr std::size_t kIpv6Header = 40;
inline constexpr std::size_t kUdpHeader = 8;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::size_t kHeadersMax = kEthernetHeader + kVlanTag + kIpv6Header + kUdpHeader;

enum class FrameError : std::uint8_t {
    kNone,
    kTooShort,     // shorter than an Ethernet header, or than its headers say
    kIpHeader,     // version, header length or total length lies
    kIpChecksum,   // IPv4 header checksum wrong
    kExtensions,   // IPv6 extension header chain broken or too long
    kUdpLength,    // UDP length below 8 or beyond the IP payload
    kUdpChecksum,  // wrong and the device did not vouch for it; or zero over IPv6
};

// What one frame is. `source` and `target` have addresses for IPv4/IPv6, ports for unfragmented
// UDP. For anything that is no IP (ARP, LLDP ...) the addresses are none: the caller punts it.
struct FrameView {
    MacAddress target_mac, source_mac;
    std::uint16_t ether_type = 0;  // behind the VLAN tag
    std::uint16_t vlan = kNoVlan;  // from the device or from the bytes
    std::uint8_t ttl = 0;          // or hop limit
    std::uint8_t protocol = 0;     // IP protocol behind extension headers; 17 is UDP
    std::uint8_t dscp = 0;         // the whole DS/ECN byte (traffic class)
    bool is_fragment = false;      // offset or more-fragments; IPv6: a fragment header
    bool is_udp = false;
    // Fragments (RFC 791, RFC 8200 4.5). What follows the offset means something with is_fragment
    // only.
    bool more_fragments = false;
    std::uint16_t fragment_offset = 0;  // bytes
    std::uint32_t fragment_id = 0;
    ConstBytes fragment_data;  // what follows the IP (fragment) header
    std::uint32_t next_header_offset =
        0;  // IPv6: of the byte in the frame that names the fragment header

    Endpoint source, target;
    std::string_view payload;     // UDP payload; padding behind the IP length is not part of it
    std::uint32_t ip_offset = 0;  // of the IP header in the frame
    std::uint32_t payload_offset = 0;  // of the UDP payload in the frame
};

// kNone also for what is not ours to judge (not IP, not UDP, a second VLAN tag, a source-routed
// packet). A UDP checksum is verified in software only if `packet.udp_checksum` is kUnknown and
// `verify_checksum` is set; without `verify_checksum` a device's kBad is not believed either (the
// way out for a device that lies). On an error `frame` holds what was read before it.
FrameError parse_frame(const Packet& packet, FrameView& frame, bool verify_checksum) noexcept;

// Addresses of a UDP datagram on its way out.
struct UdpHeaders {
    MacAddress source_mac, target_mac;
    std::uint16_t vlan = kNoVlan;  // written into the bytes
    Endpoint source, target;       // of one family
    std::uint8_t ttl = 64;
    std::uint8_t dscp = 0;
    std::uint16_t ip_id = 0;  // IPv4; DF is set when 0
};

// How the UDP checksum gets into the frame.
enum class ChecksumMode : std::uint8_t {
    kSoftware,  // computed here
    kOffload,   // pseudo-header sum here, the device completes it (IPv4 header checksum likewise)
    kDeferred,  // all but the payload here, finish_udp_checksum() has to follow: whoever reads what
                // was written a moment ago stalls the core, so the payload is read a message later
};

// Adds the payload to a checksum that was written with kDeferred. REQUIRES: `length` readable bytes
// from the UDP header on, which is as long as it says.
inline void finish_udp_checksum(std::uint8_t* udp, std::size_t length) noexcept {
    const std::uint64_t payload = raw_sum_of(udp + kUdpHeader, length - kUdpHeader);
    const std::uint64_t rest = load_word<std::uint16_t>(udp + 6) ^ 0xffffU;
    const std::uint16_t checksum = raw_checksum_of(rest + payload);
    store_word(udp + 6, checksum == 0 ? std::uint16_t{0xffff} : checksum);
}

// Writes Ethernet, VLAN, IP and UDP headers in front of `payload_size` payload bytes that start at
// `payload`. Returns the size of the headers written. REQUIRES: that many writable bytes (<=
// kHeadersMax) in front of payload, addresses of one family.
std::size_t write_udp_headers(const UdpHeaders& headers, std::uint8_t* payload,
                              std::size_t payload_size, ChecksumMode mode) noexcept;

// For what nearly all datagrams are, IPv4 without a tag, in pieces.
inline constexpr std::size_t kPlainHeaders = kEthernetHeader + kIpv4Header + kUdpHeader;

// The Ethernet header of such a frame, to be stored whole: two bytes of nothing are in front of it.
struct PlainEthernet {
    Block block{};

    PlainEthernet() = default;
    PlainEthernet(const MacAddress& source, const MacAddress& target) noexcept {
        std::array<std::uint8_t, sizeof block> bytes{};
        std::copy_n(target.bytes.data(), 6, bytes.data() + 2);
        std::copy_n(source.bytes.data(), 6, bytes.data() + 8);
        bytes[14] = 0x08;  // IPv4
        block = load_word<Block>(bytes.data());
    }
    // REQUIRES: sizeof block writable bytes in front of `ip`.
    void write_in_front_of(std::uint8_t* ip) const noexcept {
        store_word(ip - sizeof block, block);
    }
};

// Its IP and UDP headers in front of the payload. `payload_sum` is raw. REQUIRES: as above; both
// addresses IPv4.
struct PlainFields {
    std::uint8_t ttl = 64;
    std::uint8_t dscp = 0;
    std::uint16_t ip_id = 0;
};
inline void write_plain_headers(const Endpoint& source, const Endpoint& target, PlainFields fields,
                                std::uint8_t* payload, std::size_t payload_size,
                                std::uint64_t payload_sum) noexcept {
    static_assert(std::endian::native == std::endian::little);
    LB_ASSERT(payload_size <= 65535 - kIpv4Header - kUdpHeader);
    const std::uint64_t udp_length =
        raw_word(static_cast<std::uint16_t>(kUdpHeader + payload_size));
    const std::uint64_t total =
        raw_word(static_cast<std::uint16_t>(kIpv4Header + kUdpHeader + payload_size));
    // All is read before anything is written: what is written might be anything, for the compiler.
    const std::uint64_t source_quad = load_word<std::uint32_t>(source.address.data());
    const std::uint64_t target_quad = load_word<std::uint32_t>(target.address.data());
    const std::uint64_t addresses = source_quad + target_quad;
    const std::uint64_t ports =
        raw_word(source.port) | static_cast<std::uint64_t>(raw_word(target.port)) << 16;

    // Whole words, and sums of them: to read back what was just written in other widths stalls the
    // core.
    const std::uint64_t id_and_flags =
        fields.ip_id == 0 ? 0x400000U : raw_word(fields.ip_id);  // DF
    const std::uint64_t first = 0x45U | static_cast<std::uint64_t>(fields.dscp) << 8 | total << 16;
    const std::uint64_t ttl = fields.ttl | static_cast<std::uint64_t>(kProtocolUdp) << 8;
    const std::uint64_t header = raw_checksum_of(first + id_and_flags + ttl + addresses);
    std::uint8_t* const ip = payload - kUdpHeader - kIpv4Header;
    store_word(ip, first | id_and_flags << 32);
    store_word(ip + 8, ttl | header << 16 | source_quad << 32);
    store_word(ip + 16, static_cast<std::uint32_t>(target_quad));

    std::uint64_t checksum = raw_checksum_of(addresses + raw_word(kProtocolUdp) + udp_length +
                                             ports + udp_length + payload_sum);
    if (checksum == 0) checksum = 0xffff;
    store_word(payload - kUdpHeader, ports | udp_length << 32 | checksum << 48);
}

// Does in software what write_udp_headers() left to the device with kOffload: for a frame that must
// be fragmented or leaves by a way without offload. Anything but an unfragmented UDP frame stays as
// it is.
void complete_checksums(Packet& packet) noexcept;

}  // namespace lb::net
