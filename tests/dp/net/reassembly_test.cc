#include "dp/net/reassembly.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "dp/net/fragment.h"
#include "tests/support/frames.h"
#include "tests/support/slow_reassembly.h"

namespace lb::net {
namespace {

using test::FrameSpec;
using test::Octets;
using test::SlowReassembly;
using Status = ReassemblyResult::Status;

constexpr HashKey kKey{0x1234, 0x5678};

FrameSpec spec_of(bool ipv6, bool tagged = false) {
    FrameSpec spec;
    if (ipv6) spec.source = "2001:db8::1", spec.target = "2001:db8::2";
    if (tagged) spec.vlan = 100;
    spec.id = 77;
    return spec;
}

// Feeds one frame.
ReassemblyResult add(Reassembler& reassembler, Octets octets, std::uint64_t now_ms = 0,
                     std::uint16_t device = 0) {
    Packet packet = test::packet_of(octets);
    packet.device = device;
    FrameView frame;
    EXPECT_EQ(parse_frame(packet, frame, true), FrameError::kNone);
    EXPECT_TRUE(frame.is_fragment);
    return reassembler.add(packet, frame, now_ms);
}

Octets take(Reassembler& reassembler) {
    Octets room(kDatagramMax + 128);
    Packet packet = test::packet_of(room.data(), 0);
    packet.tailroom = static_cast<std::uint32_t>(room.size());
    if (!reassembler.take(packet)) return {};
    EXPECT_EQ(packet.udp_checksum, Checksum::kUnknown);
    EXPECT_EQ(packet.length + packet.tailroom, room.size());
    room.resize(packet.length);
    return room;
}

struct Piece {
    std::size_t offset, size;
    bool more;
};

Octets frame_of(const FrameSpec& spec, const Octets& udp, Piece piece) {
    return test::ip_frame(spec, ConstBytes(udp).subspan(piece.offset, piece.size), piece.offset,
                          piece.more);
}

// Cuts `size` bytes at random multiples of eight into at most `most` pieces.
std::vector<Piece> random_pieces(std::mt19937& random, std::size_t size, std::size_t most) {
    std::vector<Piece> pieces;
    std::size_t at = 0;
    while (pieces.size() + 1 < most && size - at > 8) {
        const std::size_t units = (size - at - 1) / 8;
        const std::size_t n = 8 * (1 + random() % std::min<std::size_t>(units, 200));
        pieces.push_back({at, n, true});
        at += n;
    }
    pieces.push_back({at, size - at, false});
    return pieces;
}

TEST(Reassembly, AnyOrderWithDuplicatesRebuildsTheDatagram) {
    std::mt19937 random(31);
    Reassembler reassembler(kKey);
    for (int round = 0; round < 3000; ++round) {
        FrameSpec spec = spec_of(round % 2 != 0, round % 4 > 1);
        spec.id = static_cast<std::uint32_t>(round);
        const Octets udp =
            test::udp_datagram(spec, test::random_octets(random, 2 + random() % 9000));
        std::vector<Piece> pieces = random_pieces(random, udp.size(), 2 + random() % 12);
        if (pieces.size() < 2) continue;
        std::shuffle(pieces.begin(), pieces.end(), random);

        for (std::size_t i = 0; i < pieces.size(); ++i) {
            spec.padding = random() % 9;
            const bool last = i + 1 == pieces.size();
            const ReassemblyResult result = add(reassembler, frame_of(spec, udp, pieces[i]));
            ASSERT_EQ(result.status, last ? Status::kComplete : Status::kHeld);
            ASSERT_EQ(result.abandoned + result.evicted, 0U);
            if (last) break;
            const Piece again = pieces[random() % (i + 1)];
            ASSERT_EQ(add(reassembler, frame_of(spec, udp, again)).status, Status::kDuplicate);
        }
        spec.padding = 0;
        FrameSpec whole = spec;
        ASSERT_EQ(take(reassembler), test::ip_frame(whole, udp));
        ASSERT_EQ(reassembler.held_fragments(), 0U);
        ASSERT_EQ(reassembler.held_datagrams(), 0U);
    }
}

TEST(Reassembly, WhatIsRebuiltParsesAsTheOriginalDatagram) {
    std::mt19937 random(32);
    Reassembler reassembler(kKey);
    for (const bool ipv6 : {false, true}) {
        for (const int mtu : {1280, 1492, 1500, 1501, 4000, 9000}) {
            for (const std::size_t size : {9100UL, 20000UL, kDatagramMax}) {
                const FrameSpec spec = spec_of(ipv6);
                const Octets payload = test::random_octets(random, size);
                const Octets whole = test::udp_frame(spec, payload);
                const FragmentPlan plan = plan_fragments(whole, static_cast<std::uint16_t>(mtu));
                ASSERT_GT(plan.count, 1U);
                std::vector<std::uint32_t> order(plan.count);
                for (std::uint32_t i = 0; i < plan.count; ++i) order[i] = i;
                std::shuffle(order.begin(), order.end(), random);
                ReassemblyResult result;
                for (const std::uint32_t i : order) {
                    Octets out(static_cast<std::size_t>(mtu) + 18);
                    out.resize(write_fragment(whole, plan, i, 99, out));
                    result = add(reassembler, out);
                }
                ASSERT_EQ(result.status, Status::kComplete);
                Octets rebuilt = take(reassembler);
                FrameView frame;
                ASSERT_EQ(parse_frame(test::packet_of(rebuilt), frame, true), FrameError::kNone);
                ASSERT_TRUE(frame.is_udp && !frame.is_fragment);
                ASSERT_EQ(frame.payload, test::text_of(payload));
                ASSERT_EQ(frame.source.address.text(), spec.source);
                ASSERT_EQ(frame.target.port, spec.target_port);
            }
        }
    }
    EXPECT_EQ(reassembler.held_fragments(), 0U);
}

TEST(Reassembly, KeepsOptionsAndUnfragmentableHeadersOfTheFirst) {
    Reassembler reassembler(kKey);
    FrameSpec four = spec_of(false), six = spec_of(true);
    four.ip_options = {0x94, 4, 0, 0};  // router alert
    six.extensions = {{60, 0, 0, 1, 4, 0, 0, 0, 0}};
    for (const FrameSpec& spec : {four, six}) {
        const Octets udp = test::udp_datagram(spec, Octets(100, 'x'));
        FrameSpec bare = spec;
        bare.ip_options.clear();
        ASSERT_EQ(add(reassembler, frame_of(bare, udp, {48, 60, false})).status, Status::kHeld);
        ASSERT_EQ(add(reassembler, frame_of(spec, udp, {0, 48, true})).status, Status::kComplete);
        EXPECT_EQ(take(reassembler), test::ip_frame(spec, udp));
    }
}

TEST(Reassembly, AnAtomicFragmentStandsAlone) {  // RFC 6946
    Reassembler reassembler(kKey);
    const FrameSpec spec = spec_of(true);
    const Octets udp = test::udp_datagram(spec, Octets(100, 'x'));
    ASSERT_EQ(add(reassembler, frame_of(spec, udp, {0, 48, true})).status, Status::kHeld);
    ASSERT_EQ(add(reassembler, test::ip_frame(spec, udp, 0, false, true)).status,
              Status::kComplete);
    EXPECT_EQ(take(reassembler), test::ip_frame(spec, udp));
    EXPECT_EQ(reassembler.held_fragments(), 1U);
    ASSERT_EQ(add(reassembler, frame_of(spec, udp, {48, 60, false})).status, Status::kComplete);
    EXPECT_EQ(take(reassembler), test::ip_frame(spec, udp));
}

TEST(Reassembly, AgreesWithItsSlowTwinOnOverlapsGapsAndLies) {
    std::mt19937 random(33);
    Reassembler reassembler(kKey);
    int complete = 0, abandoned = 0;
    for (int round = 0; round < 20000; ++round) {
        FrameSpec spec = spec_of(round % 2 != 0);
        spec.id = static_cast<std::uint32_t>(round);
        const std::size_t units = 2 + random() % 5;
        const Octets udp = test::udp_datagram(spec, test::random_octets(random, units * 8 - 8));
        SlowReassembly slow;
        std::size_t held = 0;
        for (int i = 0; i < 12; ++i) {
            const std::size_t from = random() % units;
            const std::size_t n = 1 + random() % std::min<std::size_t>(2, units - from);
            const bool reaches_end = from + n == units;
            const bool more = random() % 20 == 0 ? reaches_end : !reaches_end;
            if (from == 0 && !more) continue;  // atomic: not matched with others
            Octets bytes(udp.begin() + static_cast<std::ptrdiff_t>(from * 8),
                         udp.begin() + static_cast<std::ptrdiff_t>((from + n) * 8));
            if (random() % 30 == 0) bytes[0] ^= 1;  // same place, other bytes
            const auto expected = slow.add(from * 8, bytes, more);
            const ReassemblyResult result =
                add(reassembler, test::ip_frame(spec, bytes, from * 8, more));
            ASSERT_EQ(result.evicted, 0U);
            if (expected == SlowReassembly::Answer::kAbandoned) {
                ASSERT_EQ(result.status, Status::kRefused);
                ASSERT_EQ(result.error, ReassemblyError::kOverlap);
                ASSERT_EQ(result.abandoned, held);
                held = 0;
                abandoned += result.abandoned != 0;
            } else if (expected == SlowReassembly::Answer::kComplete) {
                ASSERT_EQ(result.status, Status::kComplete);
                ASSERT_EQ(take(reassembler), test::ip_frame(spec, slow.payload()));
                ++complete;
                held = 0;
                break;
            } else if (expected == SlowReassembly::Answer::kDuplicate) {
                ASSERT_EQ(result.status, Status::kDuplicate);
            } else {
                ASSERT_EQ(result.status, Status::kHeld);
                ++held;
            }
            ASSERT_EQ(reassembler.held_fragments(), held);
        }
        std::uint32_t released = 0;
        while (reassembler.held_datagrams() != 0) {
            released += reassembler.expire(1'000'000);
        }
        ASSERT_EQ(released, held);
    }
    EXPECT_GT(complete, 1000);  // the input reaches both ends
    EXPECT_GT(abandoned, 1000);
}

struct BadRow {
    const char* name;
    bool ipv6;
    std::size_t offset, size;
    bool more;
};

TEST(Reassembly, RefusesWhatCannotBe) {
    constexpr BadRow kRows[] = {
        {"empty_first", false, 0, 0, true},
        {"empty_last", false, 64, 0, false},
        {"odd_size_with_more", false, 0, 12, true},
        {"odd_size_with_more_six", true, 0, 12, true},
        {"beyond_65535", false, 65528, 16, false},
        {"beyond_65535_six", true, 65528, 8, false},
        {"beyond_datagram_max", false, kDatagramMax, 16, true},
    };
    Reassembler reassembler(kKey);
    for (const BadRow& row : kRows) {
        const Octets bytes(row.size, 'x');
        const ReassemblyResult result =
            add(reassembler, test::ip_frame(spec_of(row.ipv6), bytes, row.offset, row.more));
        EXPECT_EQ(result.status, Status::kRefused) << row.name;
        EXPECT_EQ(result.error, ReassemblyError::kBad) << row.name;
    }
    EXPECT_EQ(reassembler.held_datagrams(), 0U);
}

TEST(Reassembly, RefusesAFirstFragmentWithEndlessHeaders) {
    Reassembler reassembler(kKey);
    FrameSpec spec = spec_of(true);
    Octets extension(1 + 72, 0);
    extension[0] = 60;
    extension[2] = 8;
    spec.extensions = {extension};
    const Octets bytes(64, 'x');
    EXPECT_EQ(add(reassembler, test::ip_frame(spec, bytes, 0, true)).error, ReassemblyError::kBad);
    spec.extensions[0].resize(1 + 64);
    spec.extensions[0][2] = 7;
    EXPECT_EQ(add(reassembler, test::ip_frame(spec, bytes, 0, true)).status, Status::kHeld);
}

TEST(Reassembly, TellsDatagramsApart) {
    Reassembler reassembler(kKey);
    const FrameSpec base = spec_of(false);
    FrameSpec source = base, target = base, protocol = base, id = base, vlan = base;
    source.source = "192.0.2.9";
    target.target = "192.0.2.9";
    protocol.protocol = 6;
    id.id = 78;
    vlan.vlan = 5;
    const Octets udp = test::udp_datagram(base, Octets(24, 'x'));
    ASSERT_EQ(add(reassembler, frame_of(base, udp, {0, 16, true})).status, Status::kHeld);
    for (const FrameSpec& other : {source, target, protocol, id, vlan}) {
        ASSERT_EQ(add(reassembler, frame_of(other, udp, {16, 16, false})).status, Status::kHeld);
    }
    ASSERT_EQ(add(reassembler, frame_of(base, udp, {16, 16, false}), 0, 1).status, Status::kHeld);
    EXPECT_EQ(reassembler.held_datagrams(), 7U);
    ASSERT_EQ(add(reassembler, frame_of(base, udp, {16, 16, false})).status, Status::kComplete);

    // IPv6 fragments may disagree about the next header; the first one's counts (RFC 8200 4.5).
    FrameSpec six = spec_of(true), odd = spec_of(true);
    odd.protocol = 59;
    const Octets udp6 = test::udp_datagram(six, Octets(24, 'x'));
    ASSERT_EQ(add(reassembler, frame_of(odd, udp6, {16, 16, false})).status, Status::kHeld);
    ASSERT_EQ(add(reassembler, frame_of(six, udp6, {0, 16, true})).status, Status::kComplete);
    EXPECT_EQ(take(reassembler), test::ip_frame(six, udp6));
}

TEST(Reassembly, KeepsATagThatTheDeviceStripped) {
    Reassembler reassembler(kKey);
    const FrameSpec spec = spec_of(false);
    const Octets udp = test::udp_datagram(spec, Octets(24, 'x'));
    Packet whole;
    for (const Piece piece : {Piece{0, 16, true}, Piece{16, 16, false}}) {
        Octets octets = frame_of(spec, udp, piece);
        Packet packet = test::packet_of(octets);
        packet.vlan = 42;
        packet.device = 3;
        FrameView frame;
        ASSERT_EQ(parse_frame(packet, frame, true), FrameError::kNone);
        reassembler.add(packet, frame, 0);
    }
    Octets room(200);
    whole.data = room.data();
    whole.tailroom = 200;
    ASSERT_TRUE(reassembler.take(whole));
    EXPECT_EQ(whole.vlan, 42);
    EXPECT_EQ(whole.device, 3);
}

TEST(Reassembly, ForgetsWhatIsNotTakenOrDoesNotFit) {
    Reassembler reassembler(kKey);
    const FrameSpec spec = spec_of(false);
    const Octets udp = test::udp_datagram(spec, Octets(24, 'x'));
    Octets room(65);  // one byte short
    Packet small = test::packet_of(room.data(), 0);
    small.tailroom = 65;
    EXPECT_FALSE(reassembler.take(small));
    for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(add(reassembler, frame_of(spec, udp, {0, 16, true})).status, Status::kHeld);
        ASSERT_EQ(add(reassembler, frame_of(spec, udp, {16, 16, false})).status, Status::kComplete);
        if (i == 1) {
            EXPECT_FALSE(reassembler.take(small));
        }
    }
    EXPECT_EQ(take(reassembler), test::ip_frame(spec, udp));
    EXPECT_TRUE(take(reassembler).empty());
    EXPECT_EQ(reassembler.held_datagrams(), 0U);

    add(reassembler, frame_of(spec, udp, {0, 16, true}));
    add(reassembler, frame_of(spec, udp, {16, 16, false}));
    room.resize(66);
    Packet exact = test::packet_of(room.data(), 0);
    exact.tailroom = 66;
    EXPECT_TRUE(reassembler.take(exact));
    EXPECT_EQ(room, test::ip_frame(spec, udp));
}

TEST(Reassembly, ExpiresInBoundedSteps) {
    Reassembler reassembler(kKey);
    FrameSpec spec = spec_of(false);
    const std::size_t count = kReassemblyExpireMax + 10;
    for (std::size_t i = 0; i < count; ++i) {
        spec.id = static_cast<std::uint32_t>(i);
        add(reassembler, test::ip_frame(spec, Octets(8, 'x'), 8, true), 1000 + i);
    }
    EXPECT_EQ(reassembler.expire(1000 + kReassemblyTimeoutMs - 1), 0U);
    EXPECT_EQ(reassembler.expire(1000 + kReassemblyTimeoutMs), 1U);
    EXPECT_EQ(reassembler.expire(1'000'000), kReassemblyExpireMax);
    EXPECT_EQ(reassembler.expire(1'000'000), count - 1 - kReassemblyExpireMax);
    EXPECT_EQ(reassembler.held_fragments(), 0U);
}

TEST(Reassembly, BoundsTheFragmentsOfOneDatagram) {
    Reassembler reassembler(kKey);
    const FrameSpec spec = spec_of(false);
    for (std::size_t i = 0; i < kFragmentsMax; ++i) {
        ASSERT_EQ(add(reassembler, test::ip_frame(spec, Octets(8, 'x'), i * 8, true)).status,
                  Status::kHeld);
    }
    const ReassemblyResult result =
        add(reassembler, test::ip_frame(spec, Octets(8, 'x'), kFragmentsMax * 8, false));
    EXPECT_EQ(result.error, ReassemblyError::kBad);
    EXPECT_EQ(result.abandoned, kFragmentsMax);
}

// A flood of half datagrams between any two fragments of a legitimate sender. All books must
// balance.
struct Flood {
    const char* name;
    bool many_sources;
    std::size_t size;     // of each fragment
    std::size_t between;  // flood fragments between two of the sender's
};

class ReassemblyFlood : public testing::TestWithParam<Flood> {};

TEST_P(ReassemblyFlood, ALegitimateSenderStillCompletes) {
    const Flood& flood = GetParam();
    std::mt19937 random(34);
    Reassembler reassembler(kKey);
    const std::size_t memory = reassembler.memory_bytes();
    std::uint64_t fed = 0, held = 0, completed_fragments = 0, dropped = 0;
    int completed = 0;
    const auto count = [&](const ReassemblyResult& result) {
        ++fed;
        dropped += result.evicted + result.abandoned;
        held -= result.evicted + result.abandoned;
        if (result.status == Status::kHeld) ++held;
        if (result.status == Status::kRefused || result.status == Status::kDuplicate) ++dropped;
    };
    const auto attack = [&] {
        FrameSpec spec = spec_of(false);
        const auto n = static_cast<std::uint32_t>(random());
        const std::uint8_t bytes[4] = {10, static_cast<std::uint8_t>(n >> 16),
                                       static_cast<std::uint8_t>(n >> 8),
                                       static_cast<std::uint8_t>(n)};
        if (flood.many_sources)
            spec.source = IpAddress::from_ipv4(bytes).text();
        else
            spec.source = "10.6.6.6";
        spec.id = static_cast<std::uint32_t>(random());
        const std::size_t offset = random() % 3 * flood.size;
        count(add(reassembler, test::ip_frame(spec, Octets(flood.size, 'z'), offset, true)));
    };

    constexpr int kRounds = 40;
    for (int i = 0; i < 4000; ++i) attack();  // the table is as full as the flood can make it
    for (int round = 0; round < kRounds; ++round) {
        FrameSpec spec = spec_of(round % 2 != 0);
        spec.id = static_cast<std::uint32_t>(1000 + round);
        const Octets udp = test::udp_datagram(spec, Octets(4000, 'x'));
        for (const Piece piece : {Piece{0, 1480, true}, {1480, 1480, true}, {2960, 1048, false}}) {
            const ReassemblyResult result = add(reassembler, frame_of(spec, udp, piece));
            count(result);
            if (result.status == Status::kComplete) {
                ++completed;
                completed_fragments += 3;
                held -= 2;
                ASSERT_EQ(take(reassembler), test::ip_frame(spec, udp));
            }
            for (std::size_t i = 0; i < flood.between; ++i) attack();
        }
        ASSERT_EQ(reassembler.held_fragments(), held);
        ASSERT_EQ(fed, held + dropped + completed_fragments);
    }
    EXPECT_EQ(completed, kRounds);
    EXPECT_EQ(reassembler.memory_bytes(), memory);
    EXPECT_LT(memory, 6U << 20);
    while (reassembler.held_datagrams() != 0) held -= reassembler.expire(1'000'000);
    EXPECT_EQ(held, 0U);
}

INSTANTIATE_TEST_SUITE_P(Floods, ReassemblyFlood,
                         testing::Values(Flood{"one_source_small", false, 8, 3000},
                                         Flood{"one_source_large", false, 8184, 3000},
                                         Flood{"many_sources_small", true, 8, 400},
                                         Flood{"many_sources_large", true, 8184, 150}),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace lb::net
