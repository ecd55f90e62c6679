// Frames from a hostile network through parse_frame(), Reassembler and fragmentation. An input is a
// sequence of records: one byte of flags, two of length, then a frame. Whatever comes, the views
// stay inside the frame, the books balance, and what was split is put together again.

#include <algorithm>
#include <memory>

#include "dp/net/checksum.h"
#include "dp/net/fragment.h"
#include "dp/net/frame.h"
#include "dp/net/packet_too_big.h"
#include "dp/net/reassembly.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/frames.h"

namespace lb::test {
namespace {

using net::FrameError;
using net::FrameView;
using net::Packet;
using net::Reassembler;
using Status = net::ReassemblyResult::Status;

enum Flags : std::uint8_t {
    kFixIpChecksum = 1,  // else hardly any mutated frame would get past it
    kVouched = 2,        // as if the device had verified the UDP checksum
    kStrippedVlan = 4,
    kFixIcmpChecksum = 8,
    kLater = 16,  // a second passes
};

void fix_ip_checksum(Octets& frame) {
    const std::size_t ip = frame.size() > 16 && load_be16(&frame[12]) == 0x8100 ? 18 : 14;
    if (frame.size() < ip + 20) return;
    const std::size_t header = (frame[ip] & 15U) * 4;
    if (header < 20 || frame.size() < ip + header) return;
    store_be16(&frame[ip + 10], 0);
    const std::uint16_t sum = slow_sum(ConstBytes(frame).subspan(ip, header));
    store_be16(&frame[ip + 10], static_cast<std::uint16_t>(~sum));
}

// Of ICMPv6 right behind the IPv6 header of a frame without a tag.
void fix_icmp_checksum(Octets& frame) {
    constexpr std::size_t kIp = 14, kIcmp = kIp + 40;
    if (frame.size() < kIcmp + 8) return;
    const std::size_t size = load_be16(&frame[kIp + 4]);
    if (size < 8 || frame.size() < kIcmp + size) return;
    store_be16(&frame[kIcmp + 2], 0);
    const std::uint16_t sum = slow_upper_sum(IpAddress::from_ipv6(&frame[kIp + 8]),
                                             IpAddress::from_ipv6(&frame[kIp + 24]), 58,
                                             ConstBytes(frame).subspan(kIcmp, size));
    store_be16(&frame[kIcmp + 2], static_cast<std::uint16_t>(~sum));
}

bool lies_within(const void* at, std::size_t size, const Packet& packet) {
    const auto* const first = static_cast<const std::uint8_t*>(at);
    return size == 0 || (first >= packet.data && first + size <= packet.data + packet.length);
}

void check_view(const Packet& packet, const FrameView& frame) {
    FUZZ_CHECK(lies_within(frame.payload.data(), frame.payload.size(), packet));
    FUZZ_CHECK(lies_within(frame.fragment_data.data(), frame.fragment_data.size(), packet));
    FUZZ_CHECK(!(frame.is_udp && frame.is_fragment));
    FUZZ_CHECK(frame.source.address.family() == frame.target.address.family());
    if (frame.is_udp) {
        FUZZ_CHECK(as_bytes(frame.payload).data() == packet.data + frame.payload_offset);
        FUZZ_CHECK(frame.ip_offset + 28 <= frame.payload_offset);
    }
}

// Splits a UDP frame and puts it together again.
void round_trip(const Packet& packet) {
    const net::FragmentPlan plan = net::plan_fragments(packet.bytes(), 300);
    if (plan.count < 2 || plan.count > kFragmentsMax) return;
    if (plan.payload_size > kDatagramMax) return;
    static const auto reassembler = std::make_unique<Reassembler>(HashKey{3, 4});
    Octets out(plan.header_size + 8 + plan.piece_size);
    for (std::uint32_t i = plan.count; i > 0; --i) {
        const std::size_t size = net::write_fragment(packet.bytes(), plan, i - 1, 7, out);
        FUZZ_CHECK(size != 0);
        FrameView frame;
        const Packet piece = packet_of(out.data(), size);
        FUZZ_CHECK(net::parse_frame(piece, frame, false) == FrameError::kNone);
        FUZZ_CHECK(frame.is_fragment);
        const Status expected = i == 1 ? Status::kComplete : Status::kHeld;
        FUZZ_CHECK(reassembler->add(piece, frame, 0).status == expected);
    }
    Octets whole(plan.header_size + plan.payload_size);
    Packet rebuilt = packet_of(whole.data(), 0);
    rebuilt.tailroom = static_cast<std::uint32_t>(whole.size());
    FUZZ_CHECK(reassembler->take(rebuilt));
    FUZZ_CHECK(
        std::equal(whole.begin() + plan.header_size, whole.end(), packet.data + plan.header_size));
}

// One reassembler serves all inputs, since making one takes longer than an input; each input leaves
// it empty.
struct Session {
    Reassembler* reassembler = shared();
    std::uint64_t now_ms = 0;
    std::size_t held = 0;

    static Reassembler* shared() {
        static const auto reassembler = std::make_unique<Reassembler>(HashKey{1, 2});
        return reassembler.get();
    }

    ~Session() {
        while (reassembler->held_datagrams() != 0) {
            held -= reassembler->expire(now_ms + kReassemblyTimeoutMs);
        }
        FUZZ_CHECK(held == 0);
    }

    void add_fragment(const Packet& packet, const FrameView& frame) {
        const net::ReassemblyResult result = reassembler->add(packet, frame, now_ms);
        FUZZ_CHECK(result.abandoned + result.evicted <= held);
        held -= result.abandoned + result.evicted;
        if (result.status == Status::kHeld) ++held;
        if (result.status == Status::kComplete) take_whole();
        FUZZ_CHECK(reassembler->held_fragments() <= held);
        held = reassembler->held_fragments();
    }

    void take_whole() {
        Octets room(kDatagramMax + 128);
        Packet whole = packet_of(room.data(), 0);
        whole.tailroom = static_cast<std::uint32_t>(room.size());
        FUZZ_CHECK(reassembler->take(whole));
        FrameView frame;
        net::parse_frame(whole, frame, true);
        check_view(whole, frame);
    }

    void feed(Octets octets, std::uint8_t flags) {
        if ((flags & kFixIpChecksum) != 0) fix_ip_checksum(octets);
        if ((flags & kFixIcmpChecksum) != 0) fix_icmp_checksum(octets);
        Packet packet = packet_of(octets);
        if ((flags & kVouched) != 0) packet.udp_checksum = net::Checksum::kGood;
        if ((flags & kStrippedVlan) != 0) packet.vlan = 5;
        if ((flags & kLater) != 0) now_ms += 1000;
        FrameView frame;
        const FrameError error = net::parse_frame(packet, frame, true);
        check_view(packet, frame);
        if (error == FrameError::kNone && frame.is_fragment) add_fragment(packet, frame);
        if (error == FrameError::kNone && frame.is_udp) round_trip(packet);
        net::PacketTooBig about;
        if (error == FrameError::kNone && net::read_packet_too_big(packet, frame, about)) {
            FUZZ_CHECK(about.mtu >= net::kIpv6MtuMin);
            FUZZ_CHECK(about.source.address.is_ipv6() && about.target.address.is_ipv6());
        }
        const std::uint32_t expired = reassembler->expire(now_ms);
        FUZZ_CHECK(reassembler->held_fragments() + expired == held);
        held -= expired;
        net::complete_checksums(packet);
    }
};

std::string record(std::uint8_t flags, const Octets& frame) {
    std::string text{static_cast<char>(flags), static_cast<char>(frame.size() >> 8),
                     static_cast<char>(frame.size())};
    return text.append(text_of(frame));
}

}  // namespace

std::vector<std::string> fuzz_seeds() {
    std::vector<std::string> seeds;
    for (const bool ipv6 : {false, true}) {
        FrameSpec spec;
        if (ipv6) {
            spec.source = "2001:db8::1";
            spec.target = "2001:db8::2";
            spec.extensions = {{60, 0, 0, 1, 4, 0, 0, 0, 0}};
        } else {
            spec.ip_options = {1, 1, 1, 1};
        }
        spec.vlan = 100;
        spec.id = 9;
        const Octets udp = udp_datagram(spec, Octets(600, 'x'));
        std::string fragments;
        for (const std::size_t offset : {400U, 0U, 200U}) {
            const std::size_t size = offset == 400 ? udp.size() - 400 : 200;
            fragments += record(
                kFixIpChecksum,
                ip_frame(spec, ConstBytes(udp).subspan(offset, size), offset, offset != 400));
        }
        seeds.push_back(fragments);
        spec.extensions.clear();
        spec.ip_options.clear();
        seeds.push_back(record(kFixIpChecksum | kVouched, udp_frame(spec, Octets(600, 'y'))));
    }
    FrameSpec ours;
    ours.source = "2001:db8::1";
    ours.target = "2001:db8::2";
    for (const bool in_pieces : {false, true}) {
        const Octets udp = udp_datagram(ours, Octets(300, 'z'));
        const Octets sent = ip_frame(ours, udp, 0, in_pieces, in_pieces);
        seeds.push_back(
            record(kFixIcmpChecksum, packet_too_big(ours, 1400, ConstBytes(sent).subspan(14))));
    }
    return seeds;
}

}  // namespace lb::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    lb::test::Session session;
    while (size >= 3) {
        const std::uint8_t flags = data[0];
        const std::size_t length = std::min<std::size_t>(lb::load_be16(data + 1), size - 3);
        session.feed({data + 3, data + 3 + length}, flags);
        data += 3 + length;
        size -= 3 + length;
    }
    return 0;
}
