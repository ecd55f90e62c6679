#include "dp/net/frame.h"

#include <algorithm>
#include <cstddef>

#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

#include "dp/base/assert.h"
#include "dp/net/checksum.h"
#include "dp/net/fragment.h"

namespace lb::net {
namespace {

constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;
constexpr std::uint16_t kEtherTypeVlan = 0x8100;
constexpr std::uint16_t kVlanIdMask = 0x0fff;

constexpr std::uint8_t kProtocolHopByHop = 0;
constexpr std::uint8_t kProtocolRouting = 43;
constexpr std::uint8_t kProtocolOptions = 60;

// RFC 8200 4.1 lists each extension header once, destination options twice: more is an attack.
constexpr int kExtensionHeadersMax = 8;

// A priority tag (id 0) names no VLAN: the frame belongs to the untagged interface (IEEE
// 802.1Q 6.9).
constexpr std::uint16_t vlan_id(std::uint16_t tci) noexcept {
    const auto id = static_cast<std::uint16_t>(tci & kVlanIdMask);
    return id == 0 ? kNoVlan : id;
}

// What a UDP checksum covers besides the datagram. REQUIRES: udp_length < 65536.
std::uint64_t raw_pseudo_sum(const IpAddress& source, const IpAddress& target,
                             std::size_t udp_length) noexcept {
    return raw_address_sum(source) + raw_address_sum(target) + raw_word(kProtocolUdp) +
           raw_word(static_cast<std::uint16_t>(udp_length));
}

bool udp_checksum_ok(const Packet& packet, const FrameView& frame, ConstBytes udp,
                     bool verify) noexcept {
    if (packet.udp_checksum == Checksum::kGood || packet.udp_checksum == Checksum::kPartial) {
        return true;
    }
    // Over IPv4 zero says that the sender made none (RFC 768); over IPv6 it is an error (RFC
    // 8200 8.1).
    if (load_be16(udp.data() + 6) == 0) return frame.source.address.is_ipv4();
    if (!verify) return true;
    if (packet.udp_checksum == Checksum::kBad) return false;
    return is_good(raw_pseudo_sum(frame.source.address, frame.target.address, udp.size()) +
                   raw_sum_of(udp.data(), udp.size()));
}

// `ip_payload` is what follows the IP headers of an unfragmented packet.
FrameError parse_udp(const Packet& packet, ConstBytes ip_payload, FrameView& frame,
                     bool verify) noexcept {
    if (ip_payload.size() < kUdpHeader) return FrameError::kUdpLength;
    const std::size_t length = load_be16(ip_payload.data() + 4);
    if (length < kUdpHeader || length > ip_payload.size()) return FrameError::kUdpLength;
    const ConstBytes udp = ip_payload.first(length);
    if (!udp_checksum_ok(packet, frame, udp, verify)) return FrameError::kUdpChecksum;

    frame.is_udp = true;
    frame.source.port = load_be16(udp.data());
    frame.target.port = load_be16(udp.data() + 2);
    frame.payload = as_text(udp.subspan(kUdpHeader));
    frame.payload_offset = static_cast<std::uint32_t>(udp.data() + kUdpHeader - packet.data);
    return FrameError::kNone;
}

FrameError parse_ipv4(const Packet& packet, ConstBytes rest, FrameView& frame,
                      bool verify) noexcept {
    if (rest.size() < kIpv4Header) return FrameError::kTooShort;
    const std::size_t header = (rest[0] & 0x0fU) * 4;
    const std::size_t total = load_be16(rest.data() + 2);
    if (rest[0] >> 4 != 4 || header < kIpv4Header || total < header) return FrameError::kIpHeader;
    if (total > rest.size()) return FrameError::kTooShort;
    if (!is_good(raw_sum_of(rest.data(), header))) return FrameError::kIpChecksum;

    const std::uint16_t flags = load_be16(rest.data() + 6);
    frame.dscp = rest[1];
    frame.ttl = rest[8];
    frame.protocol = rest[9];
    frame.source.address = IpAddress::from_ipv4(rest.data() + 12);
    frame.target.address = IpAddress::from_ipv4(rest.data() + 16);
    const ConstBytes payload = rest.first(total).subspan(header);

    frame.more_fragments = (flags & 0x2000) != 0;
    frame.fragment_offset = static_cast<std::uint16_t>((flags & 0x1fff) * 8);
    frame.is_fragment = frame.more_fragments || frame.fragment_offset != 0;
    if (frame.is_fragment) {
        frame.fragment_id = load_be16(rest.data() + 4);
        frame.fragment_data = payload;
        return FrameError::kNone;
    }
    if (frame.protocol != kProtocolUdp) return FrameError::kNone;
    return parse_udp(packet, payload, frame, verify);
}

// Both endpoints from the addresses of a frame and the UDP header behind them. What is read as one
// word, eight bytes from the family on or a port, is written by one store.
void store_ipv4(Endpoint& source, Endpoint& target, const std::uint8_t* addresses) noexcept {
    static_assert(std::endian::native == std::endian::little);
    static_assert(sizeof(Endpoint) == 20 && offsetof(Endpoint, port) == 18);
    auto* const from = reinterpret_cast<std::uint8_t*>(&source);
    auto* const to = reinterpret_cast<std::uint8_t*>(&target);
#if defined(__SSE4_1__)
    const __m128i read = _mm_loadu_si128(reinterpret_cast<const __m128i*>(addresses));
    const __m128i bytes = _mm_insert_epi16(read, static_cast<int>(Family::kIpv4), 7);
    const auto picked = [bytes](auto... places) {
        return _mm_shuffle_epi8(bytes, _mm_setr_epi8(static_cast<char>(places)...));
    };
    const __m128i ports = picked(-1, -1, 9, 8, -1, -1, 11, 10, -1, -1, -1, -1, -1, -1, -1, -1);
    store_word(from, picked(14, 0, 1, 2, 3, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
    store_word(to, picked(14, 4, 5, 6, 7, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
    store_word(from + 16, _mm_cvtsi128_si32(ports));
    store_word(to + 16, _mm_extract_epi32(ports, 1));
#else
    const auto store = [](std::uint8_t* at, const std::uint8_t* quad, const std::uint8_t* port) {
        const std::uint64_t address = load_word<std::uint32_t>(quad);
        store_word(at, static_cast<std::uint64_t>(Family::kIpv4) | address << 8);
        store_word(at + 8, std::uint64_t{0});
        store_word(at + 16, static_cast<std::uint32_t>(load_be16(port)) << 16);  // behind zeros
    };
    store(from, addresses, addresses + 8);
    store(to, addresses + 4, addresses + 10);
#endif
}

// In its place: a copy of it would read at once, in other widths, what was just written.
void store_ipv6(IpAddress& to, const std::uint8_t* bytes) noexcept {
    auto* const at = reinterpret_cast<std::uint8_t*>(&to);
    store_word(at, Family::kIpv6);
    std::memcpy(at + 1, bytes, 16);
}

// The frame that nearly all are: Ethernet, IPv4 without options, whole, UDP, exactly as long as it
// says. Fills `frame` with one store a field, and leaves its UDP checksum to others. False for any
// other, with nothing said about `frame`.
[[gnu::always_inline]] inline bool parse_plain_ipv4(const Packet& packet,
                                                    FrameView& frame) noexcept {
    const std::uint32_t size = packet.length - std::uint32_t{kPlainHeaders};
    if (size > 65535 - kIpv4Header - kUdpHeader) return false;  // or the frame is too short
    const auto raw_size = [size](std::size_t headers) {
        return raw_word(static_cast<std::uint16_t>(size + headers));
    };
    const std::uint8_t* const data = packet.data;
    const std::uint8_t* const ip = data + kEthernetHeader;
    const std::uint8_t* const udp = ip + kIpv4Header;
    constexpr std::uint16_t kFragment = 0x3fff;  // more to come, or an offset
    if (load_word<std::uint16_t>(data + 12) != raw_word(kEtherTypeIpv4) || ip[0] != 0x45 ||
        load_word<std::uint16_t>(ip + 2) != raw_size(kIpv4Header + kUdpHeader) ||
        (load_word<std::uint16_t>(ip + 6) & raw_word(kFragment)) != 0 || ip[9] != kProtocolUdp ||
        load_word<std::uint16_t>(udp + 4) != raw_size(kUdpHeader) ||
        !is_good(raw_ipv4_header_sum(ip))) {
        return false;
    }

    // Both addresses as they lie, and four bytes that are written over next.
    static_assert(offsetof(FrameView, target_mac) == 0 && offsetof(FrameView, source_mac) == 6);
    static_assert(offsetof(FrameView, ether_type) == 12 && offsetof(FrameView, vlan) == 14);
    store_word(static_cast<void*>(&frame), load_word<Block>(data));
    frame.ether_type = kEtherTypeIpv4;
    frame.vlan = packet.vlan == kNoVlan ? kNoVlan : vlan_id(packet.vlan);
    static_assert(offsetof(FrameView, ttl) + 1 == offsetof(FrameView, protocol));
    store_word(reinterpret_cast<std::uint8_t*>(&frame) + offsetof(FrameView, ttl),
               load_word<std::uint16_t>(ip + 8));  // both
    frame.dscp = ip[1];
    frame.is_fragment = false;
    frame.is_udp = true;
    frame.more_fragments = false;
    frame.fragment_offset = 0;
    store_ipv4(frame.source, frame.target, ip + 12);
    frame.payload = as_text({udp + kUdpHeader, size});
    frame.ip_offset = kEthernetHeader;
    frame.payload_offset = kPlainHeaders;
    return true;
}

FrameError parse_any(const Packet& packet, FrameView& frame, bool verify_checksum) noexcept;

// Of a frame that parse_plain_ipv4() has read, in software.
[[gnu::always_inline]] inline FrameError verify_plain_ipv4(const Packet& packet,
                                                           FrameView& frame) noexcept {
    const std::uint8_t* const udp = packet.data + kEthernetHeader + kIpv4Header;
    constexpr std::size_t kAddresses = 8;  // stand in front of the UDP header
    const std::uint64_t sum =
        raw_sum_of(udp - kAddresses, kAddresses + kUdpHeader + frame.payload.size());
    const std::uint64_t length = load_word<std::uint16_t>(udp + 4);
    if (is_good(sum + raw_word(kProtocolUdp) + length)) return FrameError::kNone;
    return parse_any(packet, frame, true);  // says the same, and what it says of `frame`
}

// Walks the extension headers in `chain` to a UDP header, a fragment header or something that is
// not ours to judge. `next` stands at the byte that names the chain's first header.
FrameError parse_extensions(const Packet& packet, const std::uint8_t* next, ConstBytes chain,
                            FrameView& frame, bool verify) noexcept {
    for (int i = 0; i <= kExtensionHeadersMax; ++i) {
        frame.protocol = *next;
        if (frame.protocol == kProtocolUdp) return parse_udp(packet, chain, frame, verify);
        const bool fragment = frame.protocol == kProtocolFragment;
        const bool extension = fragment || frame.protocol == kProtocolOptions ||
                               frame.protocol == kProtocolRouting ||
                               frame.protocol == kProtocolHopByHop;
        if (!extension) return FrameError::kNone;
        if (frame.protocol == kProtocolHopByHop && i != 0) return FrameError::kExtensions;
        const std::size_t size = (chain.size() < 8 || fragment) ? 8 : (chain[1] + 1U) * 8;
        if (chain.size() < size) return FrameError::kExtensions;
        // A routing header with segments left: we are a waypoint, not the target. The kernel
        // decides.
        if (frame.protocol == kProtocolRouting && chain[3] != 0) return FrameError::kNone;
        if (fragment) {
            frame.is_fragment = true;
            frame.next_header_offset = static_cast<std::uint32_t>(next - packet.data);
            frame.protocol = chain[0];
            frame.fragment_offset = static_cast<std::uint16_t>(load_be16(&chain[2]) & 0xfff8);
            frame.more_fragments = (chain[3] & 1) != 0;
            frame.fragment_id = load_be32(&chain[4]);
            frame.fragment_data = chain.subspan(8);
            return FrameError::kNone;
        }
        next = chain.data();
        chain = chain.subspan(size);
    }
    return FrameError::kExtensions;
}

FrameError parse_ipv6(const Packet& packet, ConstBytes rest, FrameView& frame,
                      bool verify) noexcept {
    if (rest.size() < kIpv6Header) return FrameError::kTooShort;
    if (rest[0] >> 4 != 6) return FrameError::kIpHeader;
    const std::size_t length = load_be16(rest.data() + 4);
    if (kIpv6Header + length > rest.size()) return FrameError::kTooShort;

    frame.dscp = static_cast<std::uint8_t>((rest[0] << 4) | (rest[1] >> 4));
    frame.ttl = rest[7];
    store_ipv6(frame.source.address, rest.data() + 8);
    store_ipv6(frame.target.address, rest.data() + 24);
    return parse_extensions(packet, &rest[6], rest.subspan(kIpv6Header, length), frame, verify);
}

// Any frame, step by step: says what is wrong with one as well.
[[gnu::noinline]] FrameError parse_any(const Packet& packet, FrameView& frame,
                                       bool verify_checksum) noexcept {
    frame = FrameView{};
    ConstBytes rest = packet.bytes();
    if (rest.size() < kEthernetHeader) return FrameError::kTooShort;
    std::copy_n(rest.begin(), 6, frame.target_mac.bytes.begin());
    std::copy_n(rest.begin() + 6, 6, frame.source_mac.bytes.begin());
    frame.ether_type = load_be16(rest.data() + 12);
    std::size_t ethernet = kEthernetHeader;
    if (packet.vlan != kNoVlan) {
        frame.vlan = vlan_id(packet.vlan);
    } else if (frame.ether_type == kEtherTypeVlan) {
        if (rest.size() < kEthernetHeader + kVlanTag) return FrameError::kTooShort;
        frame.vlan = vlan_id(load_be16(rest.data() + 14));
        frame.ether_type = load_be16(rest.data() + 16);
        ethernet += kVlanTag;
    }
    frame.ip_offset = static_cast<std::uint32_t>(ethernet);
    rest = rest.subspan(ethernet);
    if (frame.ether_type == kEtherTypeIpv4) return parse_ipv4(packet, rest, frame, verify_checksum);
    if (frame.ether_type == kEtherTypeIpv6) return parse_ipv6(packet, rest, frame, verify_checksum);
    return FrameError::kNone;
}

// Returns the size of what stands in front of `ip`.
std::size_t write_ethernet(const UdpHeaders& headers, std::uint16_t ether_type,
                           std::uint8_t* ip) noexcept {
    const bool tagged = headers.vlan != kNoVlan;
    const std::size_t size = kEthernetHeader + (tagged ? kVlanTag : 0);
    std::uint8_t* const at = ip - size;
    std::memcpy(at, headers.target_mac.bytes.data(), 6);
    std::memcpy(at + 6, headers.source_mac.bytes.data(), 6);
    if (tagged) {
        store_be16(at + 12, kEtherTypeVlan);
        store_be16(at + 14, headers.vlan);
    }
    store_be16(ip - 2, ether_type);
    return size;
}

// Sums are taken of the values: to read back what was just written in other widths stalls the core.
// `addresses` is the raw sum of both.
void write_ipv4(const UdpHeaders& headers, std::size_t udp_length, std::uint64_t addresses,
                ChecksumMode mode, std::uint8_t* ip) noexcept {
    const auto total = static_cast<std::uint16_t>(kIpv4Header + udp_length);
    const std::uint16_t flags = headers.ip_id == 0 ? 0x4000 : 0;  // DF
    std::uint16_t checksum = 0;
    if (mode != ChecksumMode::kOffload) {
        const std::uint32_t words = 0x4500U + headers.dscp + total + headers.ip_id + flags +
                                    (static_cast<std::uint32_t>(headers.ttl) << 8) + kProtocolUdp;
        checksum = raw_checksum_of(addresses + raw_words(words));
    }
    ip[0] = 0x45;
    ip[1] = headers.dscp;
    store_be16(ip + 2, total);
    store_be16(ip + 4, headers.ip_id);
    store_be16(ip + 6, flags);
    ip[8] = headers.ttl;
    ip[9] = kProtocolUdp;
    store_word(ip + 10, checksum);
    std::memcpy(ip + 12, headers.source.address.data(), 4);
    std::memcpy(ip + 16, headers.target.address.data(), 4);
}

void write_ipv6(const UdpHeaders& headers, std::size_t udp_length, std::uint8_t* ip) noexcept {
    store_be32(ip, 0x60000000U | (static_cast<std::uint32_t>(headers.dscp) << 20));
    store_be16(ip + 4, static_cast<std::uint16_t>(udp_length));
    ip[6] = kProtocolUdp;
    ip[7] = headers.ttl;
    std::memcpy(ip + 8, headers.source.address.data(), 16);
    std::memcpy(ip + 24, headers.target.address.data(), 16);
}

}  // namespace

FrameError parse_frame(const Packet& packet, FrameView& frame, bool verify_checksum) noexcept {
    if (!parse_plain_ipv4(packet, frame)) return parse_any(packet, frame, verify_checksum);
    if (!verify_checksum) return FrameError::kNone;
    switch (packet.udp_checksum) {
        case Checksum::kUnknown:
            if (load_be16(packet.data + kPlainHeaders - 2) == 0) return FrameError::kNone;
            return verify_plain_ipv4(packet, frame);
        case Checksum::kBad:
            return parse_any(packet, frame, true);
        default:
            return FrameError::kNone;
    }
}

std::size_t write_udp_headers(const UdpHeaders& headers, std::uint8_t* payload,
                              std::size_t payload_size, ChecksumMode mode) noexcept {
    const std::uint64_t payload_sum =
        mode == ChecksumMode::kSoftware ? raw_sum_of(payload, payload_size) : 0;
    const bool ipv4 = headers.source.address.is_ipv4();
    const std::size_t udp_length = kUdpHeader + payload_size;
    LB_ASSERT(headers.source.address.family() == headers.target.address.family());
    LB_ASSERT(udp_length <= (ipv4 ? 65535 - kIpv4Header : 65535));
    if (ipv4 && headers.vlan == kNoVlan && mode != ChecksumMode::kOffload) {
        write_plain_headers(headers.source, headers.target,
                            {headers.ttl, headers.dscp, headers.ip_id}, payload, payload_size,
                            payload_sum);
        write_ethernet(headers, kEtherTypeIpv4, payload - kUdpHeader - kIpv4Header);
        return kPlainHeaders;
    }

    const std::uint64_t addresses =
        raw_address_sum(headers.source.address) + raw_address_sum(headers.target.address);
    std::uint8_t* const udp = payload - kUdpHeader;
    std::uint8_t* const ip = udp - (ipv4 ? kIpv4Header : kIpv6Header);
    const std::size_t ethernet =
        write_ethernet(headers, ipv4 ? kEtherTypeIpv4 : kEtherTypeIpv6, ip);
    if (ipv4) {
        write_ipv4(headers, udp_length, addresses, mode, ip);
    } else {
        write_ipv6(headers, udp_length, ip);
    }

    const std::uint16_t length = raw_word(static_cast<std::uint16_t>(udp_length));
    const std::uint64_t pseudo = addresses + raw_word(kProtocolUdp) + length;
    const std::uint16_t source = raw_word(headers.source.port);
    const std::uint16_t target = raw_word(headers.target.port);
    std::uint16_t checksum;
    if (mode == ChecksumMode::kOffload) {
        checksum = static_cast<std::uint16_t>(~raw_checksum_of(pseudo));
    } else {
        checksum = raw_checksum_of(pseudo + source + target + length + payload_sum);
        if (checksum == 0) checksum = 0xffff;
    }
    store_word(udp, source);
    store_word(udp + 2, target);
    store_word(udp + 4, length);
    store_word(udp + 6, checksum);
    return static_cast<std::size_t>(payload - ip) + ethernet;
}

void complete_checksums(Packet& packet) noexcept {
    // Only the lengths matter here: a header checksum of zero must not stop the parser.
    const std::size_t tag = packet.length > 13 && load_be16(packet.data + 12) == kEtherTypeVlan;
    const std::size_t ip_offset = kEthernetHeader + tag * kVlanTag;
    if (packet.length < ip_offset + kIpv4Header) return;
    std::uint8_t* const ip = packet.data + ip_offset;
    if (load_be16(ip - 2) == kEtherTypeIpv4) {
        const std::size_t header = (ip[0] & 0x0fU) * 4;
        if (header < kIpv4Header || packet.length < ip_offset + header) return;
        store_be16(ip + 10, 0);
        store_be16(ip + 10, static_cast<std::uint16_t>(~sum_of({ip, header})));
    }

    FrameView frame;
    if (parse_frame(packet, frame, false) != FrameError::kNone || !frame.is_udp) return;
    std::uint8_t* const udp = packet.data + frame.payload_offset - kUdpHeader;
    const std::size_t length = kUdpHeader + frame.payload.size();
    store_be16(udp + 6, 0);
    const std::uint16_t pseudo =
        pseudo_header_sum(frame.source.address, frame.target.address, kProtocolUdp,
                          static_cast<std::uint32_t>(length));
    store_be16(udp + 6, udp_checksum_of(add_sums(pseudo, sum_of({udp, length}))));
}

}  // namespace lb::net
