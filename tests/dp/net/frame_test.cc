#include "dp/net/frame.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "tests/support/frames.h"
#include "tests/support/guarded_bytes.h"

namespace lb::net {
namespace {

using test::FrameSpec;
using test::ip_frame;
using test::Octets;
using test::packet_of;
using test::udp_datagram;
using test::udp_frame;

const Octets kPayload = {'O', 'P', 'T', 'I', 'O', 'N', 'S', ' ', 'x'};

FrameSpec ipv6_spec() {
    FrameSpec spec;
    spec.source = "2001:db8::1";
    spec.target = "2001:db8::2";
    return spec;
}

Octets extension(std::uint8_t type, std::size_t units) {
    Octets bytes(1 + 8 * units, 0);
    bytes[0] = type;
    bytes[2] = static_cast<std::uint8_t>(units - 1);
    return bytes;
}

FrameError parse(Octets octets, FrameView& frame, Checksum checksum = Checksum::kUnknown,
                 bool verify = true) {
    const test::GuardedBytes guarded(test::text_of(octets));
    static std::string kept;  // views must outlive the guarded copy: tests read ports and text
    kept = guarded.text();
    Packet packet =
        packet_of(const_cast<std::uint8_t*>(as_bytes(guarded.text()).data()), octets.size());
    packet.udp_checksum = checksum;
    const FrameError error = parse_frame(packet, frame, verify);
    if (frame.is_udp) {
        frame.payload = std::string_view(kept).substr(frame.payload_offset, frame.payload.size());
    }
    return error;
}

struct Good {
    const char* name;
    FrameSpec spec;
    std::uint16_t vlan;
    std::uint32_t ip_offset;
};

std::vector<Good> good_frames() {
    FrameSpec plain, tagged, priority, options, padded;
    tagged.vlan = 0x6064;  // priority 3, id 100
    priority.vlan = 0xe000;
    options.ip_options = {7, 7, 4, 0, 0, 0, 0, 0};
    padded.padding = 9;
    FrameSpec six = ipv6_spec(), six_tagged = ipv6_spec(), six_extended = ipv6_spec();
    six_tagged.vlan = 4094;
    six_tagged.padding = 3;
    six_extended.extensions = {extension(0, 1), extension(60, 2), extension(43, 3),
                               extension(60, 1)};
    return {
        {"plain", plain, kNoVlan, 14},           {"vlan", tagged, 100, 18},
        {"priority_tag", priority, kNoVlan, 18}, {"ip_options", options, kNoVlan, 14},
        {"padding", padded, kNoVlan, 14},        {"ipv6", six, kNoVlan, 14},
        {"ipv6_vlan", six_tagged, 4094, 18},     {"ipv6_extensions", six_extended, kNoVlan, 14}};
}

TEST(Frame, ReadsGoodFrames) {
    for (Good& row : good_frames()) {
        row.spec.dscp = 0xb9;
        row.spec.ttl = 17;
        FrameView frame;
        ASSERT_EQ(parse(udp_frame(row.spec, kPayload), frame), FrameError::kNone) << row.name;
        EXPECT_TRUE(frame.is_udp && !frame.is_fragment) << row.name;
        EXPECT_EQ(frame.vlan, row.vlan) << row.name;
        EXPECT_EQ(frame.ip_offset, row.ip_offset) << row.name;
        EXPECT_EQ(frame.payload, test::text_of(kPayload)) << row.name;
        EXPECT_EQ(frame.source.address.text(), row.spec.source) << row.name;
        EXPECT_EQ(frame.target.address.text(), row.spec.target) << row.name;
        EXPECT_EQ(frame.source.port, 5060) << row.name;
        EXPECT_EQ(frame.target.port, 5070) << row.name;
        EXPECT_EQ(frame.dscp, 0xb9) << row.name;
        EXPECT_EQ(frame.ttl, 17) << row.name;
        EXPECT_EQ(frame.protocol, 17) << row.name;
        EXPECT_EQ(frame.source_mac.text(), "02:00:00:00:00:01") << row.name;
        EXPECT_EQ(frame.target_mac.text(), "02:00:00:00:00:02") << row.name;
    }
}

TEST(Frame, ATagStrippedByTheDeviceCounts) {
    Octets octets = udp_frame(FrameSpec(), kPayload);
    Packet packet = packet_of(octets);
    FrameView frame;
    packet.vlan = 7;
    ASSERT_EQ(parse_frame(packet, frame, true), FrameError::kNone);
    EXPECT_EQ(frame.vlan, 7);
    packet.vlan = 0;
    ASSERT_EQ(parse_frame(packet, frame, true), FrameError::kNone);
    EXPECT_EQ(frame.vlan, kNoVlan);
}

// Its lengths have 16 bits: what is behind them is padding, also where the rest would be as long.
TEST(Frame, IsAsLongAsItSays) {
    for (const std::size_t padding : {65535U, 65536U, 65537U}) {
        FrameSpec spec;
        spec.padding = padding;
        FrameView frame;
        for (const Checksum checksum : {Checksum::kUnknown, Checksum::kGood}) {
            ASSERT_EQ(parse(udp_frame(spec, {}), frame, checksum), FrameError::kNone);
            EXPECT_TRUE(frame.payload.empty()) << padding;
        }
    }
}

TEST(Frame, ASecondTagIsNotOurs) {
    FrameSpec spec;
    spec.vlan = 5;
    Octets octets = udp_frame(spec, kPayload);
    Packet packet = packet_of(octets);
    packet.vlan = 9;
    FrameView frame;
    ASSERT_EQ(parse_frame(packet, frame, true), FrameError::kNone);
    EXPECT_EQ(frame.vlan, 9);
    EXPECT_EQ(frame.ether_type, 0x8100);
    EXPECT_TRUE(frame.source.address.is_none());
}

TEST(Frame, WhatIsNotUdpIsToldAsFarAsItGoes) {
    FrameView frame;
    Octets arp = test::ethernet(FrameSpec(), true);
    store_be16(&arp[12], 0x0806);
    ASSERT_EQ(parse(arp, frame), FrameError::kNone);
    EXPECT_EQ(frame.ether_type, 0x0806);
    EXPECT_TRUE(frame.target.address.is_none());

    FrameSpec icmp;
    icmp.protocol = 1;
    ASSERT_EQ(parse(ip_frame(icmp, kPayload), frame), FrameError::kNone);
    EXPECT_EQ(frame.protocol, 1);
    EXPECT_EQ(frame.target.address.text(), "192.0.2.2");
    EXPECT_FALSE(frame.is_udp);

    FrameSpec esp = ipv6_spec();
    esp.protocol = 50;
    ASSERT_EQ(parse(ip_frame(esp, kPayload), frame), FrameError::kNone);
    EXPECT_EQ(frame.protocol, 50);

    FrameSpec routed = ipv6_spec();
    routed.extensions = {extension(43, 3)};
    routed.extensions[0][4] = 1;  // one segment left: we are a waypoint
    ASSERT_EQ(parse(udp_frame(routed, kPayload), frame), FrameError::kNone);
    EXPECT_FALSE(frame.is_udp);
}

TEST(Frame, ReadsFragments) {
    FrameSpec spec;
    spec.id = 0xbeef;
    FrameView frame;
    ASSERT_EQ(parse(ip_frame(spec, kPayload, 0, true), frame), FrameError::kNone);
    EXPECT_TRUE(frame.is_fragment && frame.more_fragments && !frame.is_udp);
    ASSERT_EQ(parse(ip_frame(spec, kPayload, 1480, false), frame), FrameError::kNone);
    EXPECT_TRUE(frame.is_fragment && !frame.more_fragments);
    EXPECT_EQ(frame.fragment_offset, 1480);
    EXPECT_EQ(frame.fragment_id, 0xbeefU);
    EXPECT_EQ(frame.fragment_data.size(), kPayload.size());
    EXPECT_EQ(frame.protocol, 17);

    FrameSpec six = ipv6_spec();
    six.id = 0xdeadbeef;
    six.extensions = {extension(60, 1)};
    ASSERT_EQ(parse(ip_frame(six, kPayload, 65528, true), frame), FrameError::kNone);
    EXPECT_TRUE(frame.is_fragment && frame.more_fragments && !frame.is_udp);
    EXPECT_EQ(frame.fragment_offset, 65528);
    EXPECT_EQ(frame.fragment_id, 0xdeadbeefU);
    EXPECT_EQ(frame.protocol, 17);
    EXPECT_EQ(frame.next_header_offset, 14 + 40U);  // the options header names the fragment header
    EXPECT_EQ(frame.fragment_data.size(), kPayload.size());

    ASSERT_EQ(parse(ip_frame(six, kPayload, 0, false, true), frame), FrameError::kNone);
    EXPECT_TRUE(frame.is_fragment);  // an atomic one (RFC 6946)
}

// Each row bends one byte (or word) of a good frame and fixes the IPv4 header checksum unless told
// not to.
struct Bad {
    const char* name;
    bool ipv6;
    std::size_t at;
    std::uint16_t value;  // 16 bits at `at`
    bool fix;
    FrameError error;
};

constexpr Bad kBad[] = {
    {"version_5", false, 14, 0x5500, true, FrameError::kIpHeader},
    {"header_length_4", false, 14, 0x4400, false, FrameError::kIpHeader},
    {"header_beyond_total", false, 14, 0x4f00, false, FrameError::kIpHeader},
    {"total_below_header", false, 16, 19, true, FrameError::kIpHeader},
    {"total_beyond_frame", false, 16, 38, true, FrameError::kTooShort},
    {"header_checksum", false, 24, 0x1234, false, FrameError::kIpChecksum},
    {"udp_length_7", false, 38, 7, false, FrameError::kUdpLength},
    {"udp_length_long", false, 38, 18, false, FrameError::kUdpLength},
    {"udp_checksum", false, 40, 0x1234, false, FrameError::kUdpChecksum},
    {"udp_checksum_none", false, 40, 0, false, FrameError::kNone},
    {"total_without_udp", false, 16, 27, true, FrameError::kUdpLength},
    {"six_version", true, 14, 0x4000, false, FrameError::kIpHeader},
    {"six_long", true, 18, 18, false, FrameError::kTooShort},
    {"six_empty", true, 18, 0, false, FrameError::kUdpLength},
    {"six_checksum_none", true, 60, 0, false, FrameError::kUdpChecksum},
    {"six_checksum", true, 60, 0x1234, false, FrameError::kUdpChecksum},
    {"six_extension_cut", true, 20, 60 * 256 + 64, false, FrameError::kExtensions},
    {"six_late_hop_by_hop", true, 20, 64, false, FrameError::kExtensions},
};

TEST(Frame, RefusesLies) {
    for (const Bad& row : kBad) {
        Octets octets = udp_frame(row.ipv6 ? ipv6_spec() : FrameSpec(), kPayload);
        store_be16(&octets[row.at], row.value);
        if (row.fix) {
            store_be16(&octets[24], 0);
            const Octets header(octets.begin() + 14, octets.begin() + 34);
            store_be16(&octets[24], test::ip_checksum(header));
        }
        FrameView frame;
        EXPECT_EQ(parse(octets, frame), row.error) << row.name;
    }
}

TEST(Frame, BoundsTheExtensionChain) {
    FrameSpec spec = ipv6_spec();
    FrameView frame;
    spec.extensions.assign(8, extension(60, 1));
    EXPECT_EQ(parse(udp_frame(spec, kPayload), frame), FrameError::kNone);
    EXPECT_TRUE(frame.is_udp);
    spec.extensions.assign(9, extension(60, 1));
    EXPECT_EQ(parse(udp_frame(spec, kPayload), frame), FrameError::kExtensions);
    spec.extensions = {extension(60, 1), extension(0, 1)};  // hop-by-hop only stands first
    EXPECT_EQ(parse(udp_frame(spec, kPayload), frame), FrameError::kExtensions);
}

TEST(Frame, BelievesTheDeviceAboutUdpChecksums) {
    for (const bool ipv6 : {false, true}) {
        const Octets good = udp_frame(ipv6 ? ipv6_spec() : FrameSpec(), kPayload);
        Octets bad = good;
        bad.back() ^= 1;
        FrameView frame;
        EXPECT_EQ(parse(bad, frame), FrameError::kUdpChecksum);
        EXPECT_EQ(parse(bad, frame, Checksum::kGood), FrameError::kNone);
        EXPECT_EQ(parse(bad, frame, Checksum::kPartial), FrameError::kNone);
        EXPECT_EQ(parse(bad, frame, Checksum::kUnknown, false), FrameError::kNone);
        EXPECT_EQ(parse(good, frame, Checksum::kBad), FrameError::kUdpChecksum);
        EXPECT_EQ(parse(good, frame, Checksum::kBad, false), FrameError::kNone);
    }
}

TEST(Frame, PaddingAndALongerIpPayloadAreNotThePayload) {
    FrameSpec spec;
    Octets udp = udp_datagram(spec, kPayload);
    udp.resize(udp.size() + 5, 0xaa);  // IP says more than UDP does
    FrameView frame;
    ASSERT_EQ(parse(ip_frame(spec, udp), frame), FrameError::kNone);
    EXPECT_EQ(frame.payload, test::text_of(kPayload));
}

// A frame as long as it says is read in one go, one with a byte of padding step by step.
void expect_same_with_padding(Octets octets, Packet packet, bool verify) {
    octets.push_back(0);
    const auto read = [&](std::size_t padding, FrameView& frame) {
        packet.data = octets.data();
        packet.length = static_cast<std::uint32_t>(octets.size() - 1 + padding);
        return parse_frame(packet, frame, verify);
    };
    FrameView frame, padded;
    const FrameError error = read(0, frame);
    ASSERT_EQ(read(1, padded), error);
    if (error != FrameError::kNone) return;
    EXPECT_EQ(frame.target_mac, padded.target_mac);
    EXPECT_EQ(frame.source_mac, padded.source_mac);
    EXPECT_EQ(frame.ether_type, padded.ether_type);
    EXPECT_EQ(frame.vlan, padded.vlan);
    EXPECT_EQ(frame.protocol, padded.protocol);
    EXPECT_EQ(frame.ttl, padded.ttl);
    EXPECT_EQ(frame.dscp, padded.dscp);
    EXPECT_EQ(frame.is_fragment, padded.is_fragment);
    EXPECT_EQ(frame.is_udp, padded.is_udp);
    EXPECT_EQ(frame.more_fragments, padded.more_fragments);
    EXPECT_EQ(frame.fragment_offset, padded.fragment_offset);
    EXPECT_EQ(frame.source, padded.source);
    EXPECT_EQ(frame.target, padded.target);
    EXPECT_EQ(frame.payload.size(), padded.payload.size());
    EXPECT_EQ(frame.ip_offset, padded.ip_offset);
    EXPECT_EQ(frame.payload_offset, padded.payload_offset);
    if (!frame.is_udp) return;
    EXPECT_EQ(frame.payload.data(),
              reinterpret_cast<const char*>(packet.data) + frame.payload_offset);
}

TEST(Frame, IsReadInOneGoAsItIsStepByStep) {
    constexpr Checksum kChecksums[] = {Checksum::kUnknown, Checksum::kGood, Checksum::kBad,
                                       Checksum::kPartial};
    std::mt19937 random(8);
    for (int i = 0; i < 30000; ++i) {
        FrameSpec spec;
        spec.dont_fragment = random() % 2 == 0;
        spec.dscp = static_cast<std::uint8_t>(random());
        spec.ttl = static_cast<std::uint8_t>(random());
        spec.id = random() % 65536;
        spec.source_port = static_cast<std::uint16_t>(random());
        Octets octets = udp_frame(spec, test::random_octets(random, random() % 60));
        std::uint8_t* const ip = octets.data() + kEthernetHeader;
        const std::size_t size = octets.size() - kEthernetHeader;
        if (random() % 4 != 0) {
            const std::size_t at = random() % (kPlainHeaders + 4);
            octets[at % octets.size()] ^= static_cast<std::uint8_t>(1U << random() % 8);
        }
        if (load_be16(ip + 2) > size) continue;  // the padding would belong to it
        if (random() % 4 != 0 && ip[0] >> 4 == 4 && (ip[0] & 15) >= 5 &&
            (ip[0] & 15U) * 4 <= size) {
            const std::size_t header = (ip[0] & 15U) * 4;
            store_be16(ip + 10, 0);
            store_be16(ip + 10, test::ip_checksum(Octets(ip, ip + header)));
        }
        if (random() % 8 == 0) store_be16(ip + kIpv4Header + 6, 0);  // no UDP checksum
        Packet packet;
        packet.udp_checksum = kChecksums[random() % 4];
        if (random() % 4 == 0) packet.vlan = static_cast<std::uint16_t>(random() % 3 * 4096);
        expect_same_with_padding(octets, packet, random() % 4 != 0);
    }
}

TEST(Frame, TheLongestAndTheShortestAreReadInOneGoAsWell) {
    for (const std::size_t size : {0U, 1U, 65535U - 28U}) {
        FrameView frame;
        const Octets octets = udp_frame({}, Octets(size, 'x'));
        ASSERT_EQ(parse(octets, frame), FrameError::kNone) << size;
        EXPECT_EQ(frame.payload.size(), size);
    }
    // 64 KB longer than it says: the lengths are right modulo 2^16.
    Octets octets = udp_frame({}, Octets(9, 'x'));
    octets.resize(octets.size() + 65536);
    FrameView frame;
    ASSERT_EQ(parse(octets, frame), FrameError::kNone);
    EXPECT_EQ(frame.payload, "xxxxxxxxx");
}

TEST(Frame, EveryPrefixAndEveryByteChangeIsSafe) {
    for (const Good& row : good_frames()) {
        const Octets good = udp_frame(row.spec, kPayload);
        const std::size_t real = good.size() - row.spec.padding;
        FrameView frame;
        for (std::size_t size = 0; size < real; ++size) {
            EXPECT_NE(parse(Octets(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)),
                            frame),
                      FrameError::kNone)
                << row.name << " cut at " << size;
        }
        for (std::size_t at = 0; at < good.size(); ++at) {
            for (const int value : {0, 1, 0x7f, 0x80, 0xff, good[at] ^ 1, good[at] ^ 0x40}) {
                Octets changed = good;
                changed[at] = static_cast<std::uint8_t>(value);
                const FrameError error = parse(changed, frame, Checksum::kGood);
                if (error == FrameError::kNone && frame.is_udp) {
                    EXPECT_LE(frame.payload_offset + frame.payload.size(), changed.size());
                }
            }
        }
    }
}

TEST(Frame, RandomBytesBehindAnIpHeaderAreSafe) {
    std::mt19937 random(5);
    int udp = 0;
    for (int i = 0; i < 50000; ++i) {
        FrameSpec spec = i % 2 == 0 ? FrameSpec() : ipv6_spec();
        constexpr std::uint8_t kProtocols[] = {0, 17, 43, 44, 60, 50, 1};
        spec.protocol = kProtocols[random() % std::size(kProtocols)];
        Octets rest = test::random_octets(random, random() % 80);
        for (std::uint8_t& octet : rest) {  // lengths small and types known, so that chains go deep
            if (random() % 2 == 0) octet = kProtocols[random() % std::size(kProtocols)];
            if (random() % 2 == 0) octet &= 3;
        }
        FrameView frame;
        const FrameError error = parse(ip_frame(spec, rest), frame, Checksum::kGood);
        udp += error == FrameError::kNone && frame.is_udp;
    }
    EXPECT_GT(udp, 100);  // the input does reach the end
}

UdpHeaders headers_for(bool ipv6, std::uint16_t vlan) {
    const FrameSpec spec = ipv6 ? ipv6_spec() : FrameSpec();
    UdpHeaders headers;
    headers.source_mac = *MacAddress::parse("02:00:00:00:00:01");
    headers.target_mac = *MacAddress::parse("02:00:00:00:00:02");
    headers.vlan = vlan;
    headers.source = {*IpAddress::parse(spec.source), spec.source_port};
    headers.target = {*IpAddress::parse(spec.target), spec.target_port};
    headers.dscp = 0xb8;
    return headers;
}

TEST(WriteUdpHeaders, WritesWhatTheHandMadeFrameHas) {
    std::mt19937 random(6);
    for (int i = 0; i < 4000; ++i) {
        const bool ipv6 = i % 2 != 0, tagged = i % 4 > 1;
        FrameSpec spec = ipv6 ? ipv6_spec() : FrameSpec();
        spec.dscp = 0xb8;
        spec.vlan = tagged ? 100 : -1;
        spec.id = i % 3 == 0 ? 0U : static_cast<std::uint32_t>(1 + random() % 65535);
        spec.dont_fragment = spec.id == 0;
        const Octets payload = test::random_octets(random, random() % 100);
        const Octets expected = udp_frame(spec, payload);

        UdpHeaders headers = headers_for(ipv6, tagged ? 100 : kNoVlan);
        headers.ip_id = static_cast<std::uint16_t>(spec.id);
        Octets room(kHeadersMax, 0xcc);
        test::put(room, payload);
        const std::size_t written = write_udp_headers(headers, room.data() + kHeadersMax,
                                                      payload.size(), ChecksumMode::kSoftware);
        ASSERT_EQ(
            Octets(room.begin() + static_cast<std::ptrdiff_t>(kHeadersMax - written), room.end()),
            expected);
        for (std::size_t k = 0; k < kHeadersMax - written; ++k) ASSERT_EQ(room[k], 0xcc);
    }
}

TEST(WriteUdpHeaders, WritesAnyHeaderSoThatItParses) {
    std::mt19937 random(11);
    for (int i = 0; i < 2000; ++i) {
        UdpHeaders headers = headers_for(i % 4 == 0, random() % 4 == 0 ? 7 : kNoVlan);
        headers.dscp = static_cast<std::uint8_t>(random());
        headers.ttl = static_cast<std::uint8_t>(1 + random() % 255);
        headers.ip_id = static_cast<std::uint16_t>(random() % 3 == 0 ? 0 : random());
        headers.source.port = static_cast<std::uint16_t>(random());
        const Octets payload = test::random_octets(random, random() % 2000);
        Octets room(kHeadersMax, 0);
        test::put(room, payload);
        const std::size_t written = write_udp_headers(headers, room.data() + kHeadersMax,
                                                      payload.size(), ChecksumMode::kSoftware);
        room.erase(room.begin(), room.begin() + static_cast<std::ptrdiff_t>(kHeadersMax - written));
        FrameView frame;
        ASSERT_EQ(parse(room, frame), FrameError::kNone);
        ASSERT_EQ(frame.payload, test::text_of(payload));
        ASSERT_EQ(frame.source, headers.source);
        ASSERT_EQ(frame.target, headers.target);
        ASSERT_EQ(frame.source_mac, headers.source_mac);
        ASSERT_EQ(frame.target_mac, headers.target_mac);
        ASSERT_EQ(frame.dscp, headers.dscp);
        ASSERT_EQ(frame.ttl, headers.ttl);
        ASSERT_EQ(frame.vlan, headers.vlan);
    }
}

// 0 would say that there is none, which IPv6 does not allow (RFC 768, RFC 8200 8.1).
TEST(WriteUdpHeaders, AChecksumOfZeroIsWrittenAsOnes) {
    for (const bool ipv6 : {false, true}) {
        for (const std::uint16_t vlan : {kNoVlan, std::uint16_t{7}}) {
            const UdpHeaders headers = headers_for(ipv6, vlan);
            Octets room(kHeadersMax + 4, 0);
            std::uint8_t* const payload = room.data() + kHeadersMax;
            write_udp_headers(headers, payload, 4, ChecksumMode::kSoftware);
            std::memcpy(payload, payload - 2, 2);  // adds what is missing to a sum of ones
            const std::size_t written =
                write_udp_headers(headers, payload, 4, ChecksumMode::kSoftware);
            EXPECT_EQ(load_be16(payload - 2), 0xffff) << ipv6 << vlan;
            Packet packet = test::packet_of(payload - written, written + 4);
            store_be16(payload - 2, 1);
            complete_checksums(packet);
            EXPECT_EQ(load_be16(payload - 2), 0xffff) << ipv6 << vlan;
        }
    }
}

TEST(WriteUdpHeaders, LeavesTheRestToTheDeviceWithOffload) {
    for (const bool ipv6 : {false, true}) {
        Octets room(kHeadersMax);
        test::put(room, kPayload);
        const UdpHeaders headers = headers_for(ipv6, kNoVlan);
        const std::size_t written = write_udp_headers(headers, room.data() + kHeadersMax,
                                                      kPayload.size(), ChecksumMode::kOffload);
        std::uint8_t* const udp = room.data() + kHeadersMax - 8;
        const std::size_t ip = kHeadersMax - written + kEthernetHeader;
        EXPECT_TRUE(ipv6 || load_be16(&room[ip + 10]) == 0);
        // What a device does: sum from the UDP header to the end, complemented, into the field.
        const auto completed =
            static_cast<std::uint16_t>(~test::slow_sum({udp, kPayload.size() + 8}));
        store_be16(udp + 6, completed);
        EXPECT_EQ(test::slow_udp_sum(headers.source.address, headers.target.address,
                                     {udp, kPayload.size() + 8}),
                  0xffff);
    }
}

TEST(WriteUdpHeaders, DeferredBecomesWhatSoftwareWrites) {
    for (const bool ipv6 : {false, true}) {
        for (const std::uint16_t vlan : {kNoVlan, std::uint16_t{7}}) {
            // Two bytes take all values, so that every checksum comes up, the zero among them.
            for (unsigned value = 0; value < 0x10000; value += ipv6 || vlan != kNoVlan ? 97 : 1) {
                Octets now(kHeadersMax), later;
                test::put(now, kPayload);
                store_be16(&now[kHeadersMax + 2], static_cast<std::uint16_t>(value));
                later = now;
                const UdpHeaders headers = headers_for(ipv6, vlan);
                const std::size_t written = write_udp_headers(
                    headers, now.data() + kHeadersMax, kPayload.size(), ChecksumMode::kSoftware);
                ASSERT_EQ(write_udp_headers(headers, later.data() + kHeadersMax, kPayload.size(),
                                            ChecksumMode::kDeferred),
                          written);
                finish_udp_checksum(later.data() + kHeadersMax - kUdpHeader,
                                    kUdpHeader + kPayload.size());
                ASSERT_EQ(later, now) << ipv6 << vlan << " " << value;
            }
        }
    }
}

}  // namespace
}  // namespace lb::net
