// Copies for a trace: the ring, and the real worker that fills it.

#include "dp/io/trace.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "dp/net/frame.h"
#include "tests/dp/io/io_fixture.h"

namespace lb::test {
namespace {

using core::Action;
using core::DropReason;

Octets octets_of(ConstBytes bytes) { return {bytes.begin(), bytes.end()}; }

// --- The ring

TEST(TraceRing, GivesBackWhatWentInInOrder) {
    std::mt19937 random(1);
    io::TraceRing ring(4096);
    for (std::uint32_t i = 0; i < 5000; ++i) {
        const Octets received = random_octets(random, random() % 700);
        const Octets sent = random_octets(random, random() % 700);
        io::TraceHead in;
        in.slot = i;
        ASSERT_TRUE(ring.push(in, received, sent));
        io::TraceHead out;
        ConstBytes a, b;
        ASSERT_TRUE(ring.front(out, a, b));
        EXPECT_EQ(out.slot, i);
        EXPECT_EQ(octets_of(a), received);
        EXPECT_EQ(octets_of(b), sent);
        ring.pop();
        EXPECT_FALSE(ring.front(out, a, b));
    }
    EXPECT_EQ(ring.lost(), 0U);
}

TEST(TraceRing, FullMeansLostAndCounted) {
    io::TraceRing ring(4096);
    const Octets frame(500, 7);
    io::TraceHead head;
    std::uint64_t fit = 0;
    while (ring.push(head, frame, {})) ++fit;
    EXPECT_GE(fit, 6U);
    EXPECT_LE(fit, 8U);
    EXPECT_FALSE(ring.push(head, frame, {}));
    EXPECT_EQ(ring.lost(), 2U);
    ConstBytes received, sent;
    std::uint64_t out = 0;
    for (; ring.front(head, received, sent); ++out) ring.pop();
    EXPECT_EQ(out, fit);
    EXPECT_TRUE(ring.push(head, frame, {}));
}

TEST(TraceRing, AFrameLargerThanTheRingIsLost) {
    io::TraceRing ring(4096);
    io::TraceHead head;
    EXPECT_FALSE(ring.push(head, Octets(5000, 1), {}));
    EXPECT_EQ(ring.lost(), 1U);
    EXPECT_TRUE(ring.push(head, Octets(3000, 1), {}));
}

// Writer and reader at the same time: nothing torn, nothing out of order.
TEST(TraceRing, OneWriterOneReader) {
    constexpr std::uint32_t kRecords = 20'000;
    io::TraceRing ring(16384);
    std::thread writer([&ring] {
        for (std::uint32_t i = 0; i < kRecords; ++i) {
            io::TraceHead head;
            head.slot = i;
            const Octets frame(1 + i % 900, static_cast<std::uint8_t>(i));
            ring.push(head, frame, {});
        }
    });
    std::uint64_t seen = 0;
    std::uint32_t next = 0;
    bool torn = false;
    while (seen + ring.lost() < kRecords) {
        io::TraceHead head;
        ConstBytes received, sent;
        if (!ring.front(head, received, sent)) continue;
        torn = torn || head.slot < next || received.size() != 1 + head.slot % 900;
        for (const std::uint8_t octet : received) {
            torn = torn || octet != static_cast<std::uint8_t>(head.slot);
        }
        next = head.slot + 1;
        ++seen;
        ring.pop();
    }
    writer.join();
    EXPECT_FALSE(torn);
    EXPECT_GT(seen, 0U);
}

// --- The worker

Octets sip_frame(const std::string& call_id, const std::string& source = "192.0.2.1") {
    const std::string text =
        "OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP " + source +
        ";branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: " + call_id +
        "\r\nCSeq: 1 OPTIONS\r\n\r\n";
    FrameSpec spec;
    spec.source = source;
    return udp_frame(spec, as_bytes(text));
}

Octets marked(Octets frame) {
    frame.insert(frame.begin(), {0xaa, 0xaa});
    return frame;
}

// Edits in place, as the real one: two bytes in front.
core::Verdict edit(net::Packet& packet, const table::Tables&, core::Scratch& scratch) noexcept {
    net::FrameView frame;
    if (net::parse_frame(packet, frame, true) != net::FrameError::kNone)
        return core::drop(DropReason::kBadFrame);
    if (frame.is_fragment) {
        scratch.frame = frame;
        return {Action::kReassemble, DropReason::kInternal, 0};
    }
    if (frame.payload.find("Call-ID: drop") != std::string_view::npos)
        return core::drop(DropReason::kRuleDrop);
    if (frame.payload.find("Call-ID: answer") == std::string_view::npos) {
        scratch.last_request = {7, true};
        return {Action::kForward, DropReason::kInternal, 0};
    }
    test::grow_front(packet, 2);
    packet.data[0] = packet.data[1] = 0xaa;
    return {Action::kReply, DropReason::kInternal, 0};
}

std::unique_ptr<const table::Tables> with_listener(const table::Tables& plain) {
    table::Dispatch::Input input;
    table::Listener listener;
    listener.endpoint = *Endpoint::parse("192.0.2.2:5070");  // where FrameSpec sends
    input.listeners.push_back(listener);
    input.services.resize(1);
    input.services[0].listeners.push_back(0);
    auto tables = std::make_unique<table::Tables>(plain);
    tables->dispatch = table::Dispatch::build(std::move(input));
    return tables;
}

struct Traced {
    Octets received, sent;
    core::Verdict verdict;
    std::uint32_t slot;
    bool dispatched;
    std::int64_t time_ns;
};

struct TraceBench {
    explicit TraceBench(const Frames& input) : bench({{input}}, edit) {
        bench.snapshot->publish(with_listener(bench.snapshot->read()));
    }
    std::vector<Traced> drained() {
        std::vector<Traced> out;
        bench.tracing.drain([&out](const core::TracedMessage& m) {
            out.push_back({octets_of(m.received), octets_of(m.sent), m.verdict, m.slot,
                           m.dispatched, m.time_ns});
        });
        return out;
    }
    PcapBench bench;
};

TEST(Trace, NothingIsCopiedWithoutOne) {
    TraceBench bench({sip_frame("one")});
    bench.bench.run();
    EXPECT_TRUE(bench.drained().empty());
    bench.bench.tracing.start({});
    bench.bench.tracing.stop();
    bench.bench.run();
    EXPECT_TRUE(bench.drained().empty());
}

TEST(Trace, TheFramesOfOneCallAsTheyCameAndWent) {
    TraceBench bench({sip_frame("one"), sip_frame("answer"), sip_frame("drop"), sip_frame("one")});
    core::TraceFilter filter;
    filter.call_id = "one";
    const std::int64_t before = std::int64_t{std::time(nullptr)} * 1'000'000'000;
    bench.bench.tracing.start(filter);
    bench.bench.run();
    const auto traced = bench.drained();
    ASSERT_EQ(traced.size(), 2U);
    for (const Traced& one : traced) {
        EXPECT_EQ(one.received, sip_frame("one"));
        EXPECT_EQ(one.sent, sip_frame("one"));
        EXPECT_EQ(one.verdict.action, Action::kForward);
        EXPECT_EQ(one.slot, 7U);
        EXPECT_TRUE(one.dispatched);
        EXPECT_GE(one.time_ns, before);
        EXPECT_LE(one.time_ns - before, 60'000'000'000);
    }
    EXPECT_EQ(bench.bench.counters().forwarded, 2U);
    EXPECT_EQ(bench.bench.tracing.lost(), 0U);
}

TEST(Trace, AnswersAndDropsAreToldToo) {
    TraceBench bench({sip_frame("answer"), sip_frame("drop")});
    bench.bench.tracing.start({});
    bench.bench.run();
    const auto traced = bench.drained();
    ASSERT_EQ(traced.size(), 2U);
    EXPECT_EQ(traced[0].verdict.action, Action::kReply);
    EXPECT_EQ(traced[0].received, sip_frame("answer")) << "as it was before the edit";
    EXPECT_EQ(traced[0].sent, marked(sip_frame("answer")));
    EXPECT_EQ(traced[1].verdict.reason, DropReason::kRuleDrop);
    EXPECT_EQ(traced[1].received, sip_frame("drop"));
    EXPECT_TRUE(traced[1].sent.empty());
    EXPECT_EQ(traced[1].slot, kNoTrafficSlot);
}

TEST(Trace, BySource) {
    TraceBench bench({sip_frame("x", "198.51.100.7"), sip_frame("x", "192.0.2.1")});
    core::TraceFilter filter;
    filter.source = core::TracePeer::parse("198.51.100.0/24");
    bench.bench.tracing.start(filter);
    bench.bench.run();
    const auto traced = bench.drained();
    ASSERT_EQ(traced.size(), 1U);
    EXPECT_EQ(traced[0].received, sip_frame("x", "198.51.100.7"));
}

TEST(Trace, FragmentsAreShownWhole) {
    const std::string text =
        "MESSAGE sip:b@c SIP/2.0\r\nCall-ID: whole\r\nX: " + std::string(2500, 'x') + "\r\n\r\n";
    FrameSpec spec;
    spec.id = 9;
    const Octets datagram = udp_datagram(spec, as_bytes(text));
    const ConstBytes all(datagram);
    Frames input{ip_frame(spec, all.first(1480), 0, true),
                 ip_frame(spec, all.subspan(1480), 1480, false)};
    TraceBench bench(input);
    core::TraceFilter filter;
    filter.call_id = "whole";
    bench.bench.tracing.start(filter);
    bench.bench.run();
    const auto traced = bench.drained();
    ASSERT_EQ(traced.size(), 1U);
    EXPECT_EQ(traced[0].received.size(), 14U + 20U + datagram.size());
}

TEST(Trace, AFullRingLosesCopiesNotMessages) {
    Frames input;
    for (int i = 0; i < 3000; ++i) input.push_back(sip_frame("many"));
    TraceBench bench(input);
    bench.bench.tracing.start({});
    bench.bench.run();
    EXPECT_EQ(bench.bench.counters().forwarded, 3000U);
    const std::uint64_t lost = bench.bench.tracing.lost();
    EXPECT_GT(lost, 0U);
    EXPECT_EQ(bench.drained().size() + lost, 3000U);
}

}  // namespace
}  // namespace lb::test
