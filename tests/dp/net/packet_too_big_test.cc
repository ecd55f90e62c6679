#include "dp/net/packet_too_big.h"

#include <gtest/gtest.h>

#include "tests/support/frames.h"

namespace lb::test {
namespace {

using net::PacketTooBig;

constexpr std::size_t kEthernet = 14;

FrameSpec router() {
    FrameSpec spec;
    spec.source = "2001:db8:1::1";
    spec.target = "fd77::1";
    return spec;
}

// A datagram of ours as its IP packet, or the piece of it at `offset`.
Octets sent_packet(std::size_t offset = 0, bool in_pieces = false, std::uint8_t protocol = 17) {
    FrameSpec spec;
    spec.source = "fd77::1";
    spec.target = "2001:db8:2::7";
    spec.source_port = 5060;
    spec.target_port = 5080;
    spec.protocol = protocol;
    const Octets udp = udp_datagram(spec, Octets(1400, 'x'));
    const Octets frame =
        ip_frame(spec, ConstBytes(udp).subspan(offset), offset, in_pieces, in_pieces);
    return Octets(frame.begin() + kEthernet, frame.end());
}

bool read(Octets frame, PacketTooBig& about) {
    const net::Packet packet = packet_of(frame);
    net::FrameView view;
    if (net::parse_frame(packet, view, true) != net::FrameError::kNone) return false;
    return net::read_packet_too_big(packet, view, about);
}

TEST(PacketTooBig, NamesTheDatagramAndTheMtu) {
    struct Row {
        const char* name;
        Octets frame;
        std::uint16_t mtu;
    };
    FrameSpec on_vlan = router();
    on_vlan.vlan = 100;
    const Row rows[] = {
        {"least", packet_too_big(router(), 1280, sent_packet()), 1280},
        {"tunnel", packet_too_big(router(), 1420, sent_packet()), 1420},
        {"larger than any packet", packet_too_big(router(), 70000, sent_packet()), 65535},
        {"first fragment", packet_too_big(router(), 1400, sent_packet(0, true)), 1400},
        {"on a VLAN", packet_too_big(on_vlan, 1400, sent_packet()), 1400},
        {"ports alone", packet_too_big(router(), 1400, ConstBytes(sent_packet()).first(48)), 1400},
    };
    for (const Row& row : rows) {
        PacketTooBig about;
        ASSERT_TRUE(read(row.frame, about)) << row.name;
        EXPECT_EQ(about.mtu, row.mtu) << row.name;
        EXPECT_EQ(about.source.text(), "[fd77::1]:5060") << row.name;
        EXPECT_EQ(about.target.text(), "[2001:db8:2::7]:5080") << row.name;
    }
}

TEST(PacketTooBig, IsIgnoredIfItCannotBeTrue) {
    const Octets good = packet_too_big(router(), 1400, sent_packet());
    Octets bad_sum = good;
    bad_sum.back() ^= 1;
    Octets other_type = good;
    other_type[kEthernet + 40] = 1;  // Destination Unreachable, and the sum says so too
    const std::uint16_t sum = load_be16(&other_type[kEthernet + 42]);
    store_be16(&other_type[kEthernet + 42], static_cast<std::uint16_t>(sum + 0x100));
    Octets ipv4_inside = sent_packet();
    ipv4_inside[0] = 0x45;
    FrameSpec by_ipv4;
    by_ipv4.protocol = 58;
    struct Row {
        const char* name;
        Octets frame;
    };
    const Row rows[] = {
        {"checksum", bad_sum},
        {"other type", other_type},
        {"MTU that no link has", packet_too_big(router(), 1279, sent_packet())},
        {"MTU of 0", packet_too_big(router(), 0, sent_packet())},
        {"later fragment", packet_too_big(router(), 1400, sent_packet(8, true))},
        {"about TCP", packet_too_big(router(), 1400, sent_packet(0, false, 6))},
        {"about TCP in pieces", packet_too_big(router(), 1400, sent_packet(0, true, 6))},
        {"about IPv4", packet_too_big(router(), 1400, ipv4_inside)},
        {"over IPv4", ip_frame(by_ipv4, ConstBytes(good).subspan(kEthernet + 40))},
        {"about nothing", packet_too_big(router(), 1400, {})},
        {"no ICMPv6", udp_frame(router(), Octets(100, 'x'))},
    };
    for (const Row& row : rows) {
        PacketTooBig about;
        EXPECT_FALSE(read(row.frame, about)) << row.name;
    }
    PacketTooBig about;
    other_type[kEthernet + 40] = 2;
    store_be16(&other_type[kEthernet + 42], sum);
    EXPECT_TRUE(read(other_type, about)) << "the row above is about its type alone";
}

// Each length of what it quotes, with the lengths and sums that belong to it, in a buffer of that
// size: nothing is read behind the end.
TEST(PacketTooBig, MayQuoteAnyLength) {
    for (const bool in_pieces : {false, true}) {
        const Octets sent = sent_packet(0, in_pieces);
        const std::size_t ports_end = 48U + (in_pieces ? 8U : 0U);
        for (std::size_t size = 0; size < 100; ++size) {
            PacketTooBig about;
            const bool heard =
                read(packet_too_big(router(), 1400, ConstBytes(sent).first(size)), about);
            EXPECT_EQ(heard, size >= ports_end) << size;
        }
    }
}

}  // namespace
}  // namespace lb::test
