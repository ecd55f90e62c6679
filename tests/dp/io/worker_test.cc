// The real worker on net_pcap ports: frames in from one capture, frames out to another. route() is
// a stand-in, so that each verdict can be asked for.

#include "dp/io/worker.h"

#include <gtest/gtest.h>

#include "dp/net/frame.h"
#include "tests/dp/io/io_fixture.h"

namespace lb::test {
namespace {

using core::Action;
using core::DropReason;

constexpr std::size_t kPayload = 14 + 20 + 8;  // Ethernet, IPv4, UDP

Octets sip_like(std::size_t size, std::uint8_t first) {
    Octets payload(size);
    for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<std::uint8_t>(i * 7);
    payload[0] = first;
    return udp_frame({}, payload);
}

// What the stand-ins saw. One worker, one thread.
struct Seen {
    std::size_t frames = 0;
    std::uint32_t headroom_least = UINT32_MAX;
    std::uint32_t tailroom_least = UINT32_MAX;
    std::size_t longest = 0;
} seen;

void look(const net::Packet& packet) noexcept {
    ++seen.frames;
    seen.headroom_least = std::min(seen.headroom_least, packet.headroom);
    seen.tailroom_least = std::min(seen.tailroom_least, packet.tailroom);
    seen.longest = std::max<std::size_t>(seen.longest, packet.length);
}

core::Verdict bounce(net::Packet& packet, const table::Tables&, core::Scratch&) noexcept {
    look(packet);
    return {Action::kForward, DropReason::kInternal, 0};
}

// Grows the front by as many bytes as the frame's payload begins with, times four.
core::Verdict grow(net::Packet& packet, const table::Tables&, core::Scratch&) noexcept {
    look(packet);
    const std::size_t growth = std::size_t{packet.data[kPayload]} * 4;
    test::grow_front(packet, static_cast<std::uint32_t>(growth));
    std::fill_n(packet.data, growth, std::uint8_t{0xab});
    return {Action::kForward, DropReason::kInternal, 0};
}

// The first byte of the payload says which verdict.
core::Verdict obey(net::Packet& packet, const table::Tables&, core::Scratch&) noexcept {
    switch (packet.data[kPayload]) {
        case 'F':
            return {Action::kForward, DropReason::kInternal, 0};
        case 'R':
            return {Action::kReply, DropReason::kInternal, 0};
        case 'P':
            return {Action::kPunt, DropReason::kInternal, 0};
        case 'S':
            return {Action::kSlowPath, DropReason::kInternal, 0};
        case 'N':
            return {Action::kResolve, DropReason::kInternal, 0};
        case 'O':
            return {Action::kForward, DropReason::kInternal, 77};  // no such interface
        default:
            return core::drop(DropReason::kBadSip);
    }
}

// A transaction for each frame.
core::Verdict remember(net::Packet& packet, const table::Tables&, core::Scratch& scratch) noexcept {
    look(packet);
    const std::uint64_t transaction = seen.frames;
    scratch.state.transactions.store(transaction, table::DestinationId{1}, scratch.state.now_ms,
                                     32);
    return core::drop(DropReason::kBadSip);
}

// Whole datagrams go back as they came; fragments wait for each other.
core::Verdict gather(net::Packet& packet, const table::Tables&, core::Scratch& scratch) noexcept {
    look(packet);
    if (net::parse_frame(packet, scratch.frame, true) != net::FrameError::kNone) {
        return core::drop(DropReason::kBadFrame);
    }
    if (scratch.frame.is_fragment) return {Action::kReassemble, DropReason::kInternal, 0};
    return {Action::kForward, DropReason::kInternal, 0};
}

// The fragments of one datagram, each with `piece` bytes of it (a multiple of eight).
Frames fragments_of(FrameSpec spec, std::size_t payload, std::size_t piece) {
    const Octets datagram = udp_datagram(spec, Octets(payload, 'x'));
    Frames frames;
    for (std::size_t at = 0; at < datagram.size(); at += piece) {
        const std::size_t size = std::min(piece, datagram.size() - at);
        frames.push_back(ip_frame(spec, ConstBytes(datagram).subspan(at, size), at,
                                  at + size < datagram.size()));
    }
    return frames;
}

std::uint64_t dropped(const core::CounterValues& counts, DropReason reason) {
    return counts.dropped[static_cast<std::size_t>(reason)];
}

TEST(Worker, SendsWhatRouteLeftInThePacket) {
    Frames input;
    for (std::size_t i = 0; i < 100; ++i) input.push_back(sip_like(1 + i * 14, 'F'));
    seen = {};
    PcapBench bench({{input}}, bounce);
    bench.run();
    const core::CounterValues counts = bench.counters();
    EXPECT_EQ(counts.received, 100U);
    EXPECT_EQ(counts.forwarded, 100U);
    EXPECT_TRUE(counts.balanced());
    EXPECT_EQ(difference(bench.sent(0), input), "");
}

// Mbufs whose buffers were moved for a large growth come back as they were: three rounds through
// the whole pool, and each frame finds all its headroom.
TEST(Worker, EveryFrameHasHeadroomForTheLargestEdit) {
    constexpr unsigned kMbufs = 1023;
    Frames input, expected;
    for (std::size_t i = 0; i < 3 * kMbufs; ++i) {
        const auto growth = static_cast<std::uint8_t>(i % (kEditGrowthMax / 4 + 1));
        input.push_back(sip_like(600, growth));
        Octets grown(std::size_t{growth} * 4, 0xab);
        put(grown, input.back());
        expected.push_back(grown);
    }
    seen = {};
    PcapBench bench({{input, net::kNoVlan, 9000}}, grow, kMbufs);
    bench.run();
    EXPECT_EQ(seen.frames, input.size());
    EXPECT_EQ(seen.headroom_least, kHeadroom);
    EXPECT_GE(seen.tailroom_least, io::kFrameRoom - 700);
    EXPECT_EQ(bench.counters().forwarded, input.size());
    EXPECT_EQ(bench.frames->available(), kMbufs);
    EXPECT_EQ(difference(bench.sent(0), expected), "");
}

TEST(Worker, CountsTheTransactionsThatItRemembersAndThoseThatItCannot) {
    const Frames input(20, sip_like(100, 'x'));
    seen = {};
    PcapBench bench({{input}}, remember, 4095, kTransactionsMin);  // one bucket
    bench.run();
    const core::CounterValues counts = bench.counters();
    EXPECT_EQ(counts.transactions, 8U) << "a bucket holds eight";
    EXPECT_EQ(counts.transactions_evicted, 12U);
    EXPECT_TRUE(counts.balanced());
}

TEST(Worker, FramesInSeveralSegmentsBecomeOnePiece) {
    Frames input;
    for (const std::size_t size : {2000U, 2100U, 4000U, 8900U})
        input.push_back(sip_like(size, 'F'));
    seen = {};
    PcapBench bench({{input, net::kNoVlan, 9000}}, bounce);
    bench.run();
    EXPECT_EQ(seen.longest, 8900U + kPayload);
    EXPECT_EQ(seen.headroom_least, kHeadroom);
    EXPECT_EQ(bench.counters().forwarded, input.size());
    EXPECT_EQ(bench.jumbos->available(), 31U);
    EXPECT_EQ(difference(bench.sent(0), input), "");
}

TEST(Worker, CountsEachFrameOnce) {
    Frames input;
    for (int i = 0; i < 50; ++i) {
        for (const char verdict : {'F', 'R', 'P', 'S', 'N', 'O', 'D'}) {
            input.push_back(sip_like(200, static_cast<std::uint8_t>(verdict)));
        }
    }
    PcapBench bench({{input}}, obey);
    bench.run();
    const core::CounterValues counts = bench.counters();
    EXPECT_EQ(counts.received, 350U);
    EXPECT_EQ(counts.forwarded, 50U);
    EXPECT_EQ(counts.replied, 50U);
    EXPECT_EQ(counts.punted, 100U);
    EXPECT_EQ(counts.slow_path, 100U);
    EXPECT_EQ(dropped(counts, DropReason::kNoTwin), 50U);
    EXPECT_EQ(dropped(counts, DropReason::kInternal), 50U);
    EXPECT_EQ(dropped(counts, DropReason::kBadSip), 50U);
    EXPECT_TRUE(counts.balanced());
    EXPECT_EQ(bench.sent(0).size(), 100U);
}

TEST(Worker, HandsFramesToTheControlThread) {
    const Frames input{sip_like(300, 'S'), sip_like(1200, 'N')};
    PcapBench bench({{input}}, obey);
    bench.run();
    std::vector<std::pair<Action, Octets>> taken;
    const auto take = [&taken](const io::SlowFrame& item) {
        taken.emplace_back(item.action, Octets(item.frame.begin(), item.frame.end()));
    };
    EXPECT_EQ(bench.slow_path->drain(1, take), 1U);
    EXPECT_EQ(bench.slow_path->drain(8, take), 1U);
    ASSERT_EQ(taken.size(), 2U);
    EXPECT_EQ(taken[0], std::pair(Action::kSlowPath, input[0]));
    EXPECT_EQ(taken[1], std::pair(Action::kResolve, input[1]));
    EXPECT_EQ(bench.frames->available(), 4095U);
}

TEST(Worker, SlowPathIsBounded) {
    Frames input(io::SlowPath::kSlots + 10, sip_like(100, 'S'));
    PcapBench bench({{input}}, obey);
    bench.run();
    const core::CounterValues counts = bench.counters();
    EXPECT_EQ(counts.punted, io::SlowPath::kSlots);
    EXPECT_EQ(dropped(counts, DropReason::kSlowPathFull), 10U);
    EXPECT_TRUE(counts.balanced());
}

FrameSpec ipv4_with_id(std::uint32_t id) {
    FrameSpec spec;
    spec.id = id;
    return spec;
}

FrameSpec ipv6_with_id(std::uint32_t id) {
    FrameSpec spec = ipv4_with_id(id);
    spec.source = "2001:db8::1";
    spec.target = "2001:db8::2";
    return spec;
}

struct FragmentRow {
    const char* name;
    FrameSpec spec;
    std::size_t payload;
    std::size_t piece;
    std::uint64_t parts_out;  // at MTU 1500
};
const FragmentRow kFragmentRows[] = {
    {"invite", ipv4_with_id(7), 2000, 1480, 2},
    {"small_pieces", ipv4_with_id(8), 3000, 256, 3},
    {"ipv6", ipv6_with_id(9), 4000, 1232, 3},
    {"fits_when_whole", ipv4_with_id(10), 1000, 504, 0},
    {"largest", ipv4_with_id(11), kDatagramMax, 1480, 43},
};

// In as fragments, one verdict on the whole, out as fragments that make the same datagram again.
TEST(Worker, RebuildsAndSplitsDatagrams) {
    for (const FragmentRow& row : kFragmentRows) {
        const Frames input = fragments_of(row.spec, row.payload, row.piece);
        seen = {};
        PcapBench bench({{input}}, gather);
        bench.run();
        const core::CounterValues counts = bench.counters();
        EXPECT_EQ(counts.received, input.size()) << row.name;
        EXPECT_EQ(counts.held, input.size() - 1) << row.name;
        EXPECT_EQ(counts.forwarded, 1U) << row.name;
        EXPECT_EQ(counts.fragments_sent, row.parts_out) << row.name;
        EXPECT_TRUE(counts.balanced()) << row.name;
        EXPECT_EQ(seen.headroom_least, kHeadroom) << row.name;
        const Frames output = bench.sent(0);
        for (const Octets& frame : output) EXPECT_LE(frame.size(), 1514U) << row.name;

        PcapBench again({{output, net::kNoVlan, 65000}}, gather);
        again.run();
        const Frames whole{ip_frame(row.spec, udp_datagram(row.spec, Octets(row.payload, 'x')))};
        EXPECT_EQ(again.counters().forwarded, 1U) << row.name;
        Frames sent = again.sent(0);
        ASSERT_EQ(sent.size(), 1U) << row.name;
        EXPECT_EQ(sent[0].size(), whole[0].size()) << row.name;
        const std::size_t tail = sent[0].size() - row.payload;
        EXPECT_EQ(
            difference({Octets(sent[0].begin() + static_cast<std::ptrdiff_t>(tail), sent[0].end())},
                       {Octets(row.payload, 'x')}),
            "")
            << row.name;
    }
}

// route() found a path that takes less than the link.
core::Verdict by_a_narrow_path(net::Packet& packet, const table::Tables& tables,
                               core::Scratch& scratch) noexcept {
    const core::Verdict verdict = gather(packet, tables, scratch);
    packet.path_mtu = 1300;
    return verdict;
}

TEST(Worker, CutsForThePath) {
    const auto frame_of = [](std::size_t size) {
        return ip_frame(ipv6_with_id(3), udp_datagram(ipv6_with_id(3), Octets(size - 48, 'x')));
    };
    PcapBench bench({{{frame_of(1300), frame_of(1301), frame_of(1500)}}}, by_a_narrow_path);
    bench.run();
    const core::CounterValues counts = bench.counters();
    EXPECT_EQ(counts.forwarded, 3U);
    EXPECT_EQ(counts.fragments_sent, 4U);
    EXPECT_TRUE(counts.balanced());
    const Frames sent = bench.sent(0);
    ASSERT_EQ(sent.size(), 5U);
    EXPECT_EQ(sent[0], frame_of(1300));
    for (std::size_t i = 1; i < sent.size(); ++i) EXPECT_LE(sent[i].size(), 14U + 1300U) << i;
}

TEST(Worker, CountsFragmentsThatNeverBecomeWhole) {
    const Frames good = fragments_of(ipv4_with_id(1), 3000, 1000);
    const Frames shifted = fragments_of(ipv4_with_id(1), 3000, 1016);
    const Frames incomplete = fragments_of(ipv4_with_id(2), 3000, 1000);
    // A duplicate is dropped; the overlap takes itself and the two before it along.
    const Frames input{good[0], good[1], good[1], shifted[1], incomplete[0]};
    PcapBench bench({{input}}, gather);
    bench.run();
    const core::CounterValues counts = bench.counters();
    EXPECT_TRUE(counts.balanced());
    EXPECT_EQ(counts.received, 5U);
    EXPECT_EQ(dropped(counts, DropReason::kFragmentOverlap), 3U);
    EXPECT_EQ(dropped(counts, DropReason::kFragmentDuplicate), 1U);
    EXPECT_EQ(counts.held, 1U);
}

}  // namespace
}  // namespace lb::test
