// Two workers and one queue: messages go to the worker that owns their call, in order.

#include "dp/io/spread.h"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <chrono>
#include <map>
#include <thread>

#include "dp/io/idle.h"
#include "dp/io/worker.h"
#include "dp/net/fragment.h"
#include "dp/net/frame.h"
#include "tests/dp/io/io_fixture.h"

namespace lb::test {
namespace {

constexpr std::size_t kPayload = 14 + 20 + 8;  // Ethernet, IPv4, UDP

std::string message_of(unsigned call, unsigned number, std::size_t body = 20) {
    return "INVITE sip:a SIP/2.0\r\nVia: v\r\nCall-ID: call" + std::to_string(call) +
           "\r\nCSeq: " + std::to_string(number) + " INVITE\r\n\r\n" + std::string(body, 'x');
}

Octets frame_of(const std::string& text) { return udp_frame({}, as_bytes(std::string_view(text))); }

std::string number_behind(const std::string& text, std::string_view name) {
    const std::size_t at = text.find(name) + name.size();
    return text.substr(at, text.find_first_of(" \r", at) - at);
}

// Sends back what is whole, and waits for fragments.
core::Verdict bounce(net::Packet& packet, const table::Tables&, core::Scratch& scratch) noexcept {
    if (net::parse_frame(packet, scratch.frame, true) != net::FrameError::kNone) {
        return core::drop(core::DropReason::kBadFrame);
    }
    if (scratch.frame.is_fragment) return {core::Action::kReassemble};
    return {core::Action::kForward, core::DropReason::kInternal, 0};
}

// Worker 0 has the only receive queue.
struct TwoWorkers {
    explicit TwoWorkers(const Frames& input) {
        eal();
        static unsigned number = 0;
        const std::string name = "9" + std::to_string(number++);
        frames.emplace(io::MbufPool::create("spread_frames_" + name, 8191, -1).value());
        jumbos.emplace(io::MbufPool::create_jumbo("spread_jumbos_" + name, 31, -1).value());
        slow_path = io::SlowPath::create().value();
        spread = io::Spread::create(2, 1).value();
        if (!write_pcap(dir.path("in"), input)) std::abort();
        io::PortConfig config;
        config.device =
            "net_pcap" + name + ",rx_pcap=" + dir.path("in") + ",tx_pcap=" + dir.path("out");
        config.queues = 2;
        port.emplace(io::Port::create(config, *frames).value());

        table::Interface interface;
        interface.name = "spread";
        interface.mac = port->mac();
        interface.mtu = 1500;
        io::Devices devices;
        devices.ports.push_back(&*port);
        devices.slow_path = slow_path.get();
        devices.spread = spread.get();
        devices.frames = &*frames;
        devices.jumbos = &*jumbos;
        snapshot = std::make_unique<table::Snapshot<table::Tables>>(make_tables({interface}));
        for (unsigned i = 0; i < 2; ++i) {
            workers.push_back(
                io::Worker::create({i, 2, io::IdleMode::kPoll, bounce}, devices, *snapshot)
                    .value());
        }
    }

    // In turns on this thread, which can be one RCU reader at a time.
    void run(std::vector<unsigned> who, int turns) {
        for (int turn = 0; turn < turns; ++turn) {
            for (const unsigned i : who) {
                workers[i]->enter();
                workers[i]->run_once();
                workers[i]->leave();
            }
        }
    }
    Frames sent() {
        workers.clear();
        port.reset();
        return read_pcap(dir.path("out"));
    }
    std::uint64_t refused(unsigned worker) const {
        return workers[worker]
            ->counters()
            .dropped[static_cast<std::size_t>(core::DropReason::kSpreadFull)];
    }

    TempDir dir;
    std::optional<io::MbufPool> frames, jumbos;
    std::unique_ptr<io::SlowPath> slow_path;
    std::unique_ptr<io::Spread> spread;
    std::optional<io::Port> port;
    std::unique_ptr<table::Snapshot<table::Tables>> snapshot;
    std::vector<std::unique_ptr<io::Worker>> workers;
};

TEST(Spread, OneFlowKeepsBothWorkersBusyAndEachCallInOrder) {
    constexpr unsigned kCalls = 50, kEach = 20;
    Frames input;
    for (unsigned n = 0; n < kEach; ++n) {
        for (unsigned call = 0; call < kCalls; ++call)
            input.push_back(frame_of(message_of(call, n)));
    }
    TwoWorkers both(input);
    both.run({0, 1}, 200);
    const core::CounterValues first = both.workers[0]->counters(),
                              second = both.workers[1]->counters();
    EXPECT_TRUE(first.balanced());
    EXPECT_TRUE(second.balanced());
    EXPECT_EQ(first.forwarded + second.forwarded, input.size());
    EXPECT_EQ(first.handed_over, second.received);
    EXPECT_GT(first.forwarded, input.size() / 4);
    EXPECT_GT(second.forwarded, input.size() / 4);

    std::map<std::string, unsigned> next;
    for (const Octets& frame : both.sent()) {
        const std::string text(text_of(frame).substr(kPayload));
        const std::string call = number_behind(text, "Call-ID: ");
        EXPECT_EQ(number_behind(text, "CSeq: "), std::to_string(next[call]++)) << call;
    }
    EXPECT_EQ(next.size(), kCalls);
    for (const auto& [call, count] : next) EXPECT_EQ(count, kEach) << call;
}

TEST(Spread, WhatHasNoCallStaysWhereItCame) {
    Octets arp(60);
    arp[12] = 8, arp[13] = 6;
    TwoWorkers both({frame_of("\r\n\r\n"), arp, frame_of("noise")});
    both.run({0, 1}, 8);
    EXPECT_EQ(both.workers[0]->counters().received, 3U);
    EXPECT_EQ(both.workers[0]->counters().handed_over, 0U);
    EXPECT_EQ(both.workers[1]->counters().received, 0U);
}

TEST(Spread, AFullInboxDropsAndCounts) {
    Frames input;
    for (unsigned call = 0; call < 3 * io::Spread::kSlots; ++call) {
        input.push_back(frame_of(message_of(call, 0)));
    }
    TwoWorkers both(input);
    both.run({0}, 400);  // the other one never turns
    const core::CounterValues first = both.workers[0]->counters();
    EXPECT_TRUE(first.balanced());
    EXPECT_EQ(first.handed_over, io::Spread::kSlots);
    EXPECT_GT(both.refused(0), 100U);
    EXPECT_EQ(first.handed_over + first.received, input.size());
    both.run({1}, 100);
    EXPECT_EQ(both.workers[1]->counters().forwarded, io::Spread::kSlots);
}

TEST(Spread, AReassembledMessageGoesToItsOwnerWhole) {
    constexpr unsigned kCalls = 64;  // that all of them have one owner is a chance of 2^-63
    Frames input;
    for (unsigned call = 0; call < kCalls; ++call) {
        const Octets whole = frame_of(message_of(call, 0, 2000));
        const net::FragmentPlan plan = net::plan_fragments(whole, 1500);
        ASSERT_EQ(plan.count, 2U);
        for (std::uint32_t i = 0; i < plan.count; ++i) {
            Octets piece(1600);
            piece.resize(net::write_fragment(whole, plan, i, call, piece));
            input.push_back(piece);
        }
    }
    TwoWorkers both(input);
    both.run({0, 1}, 60);
    const core::CounterValues first = both.workers[0]->counters(),
                              second = both.workers[1]->counters();
    EXPECT_TRUE(first.balanced());
    EXPECT_TRUE(second.balanced());
    EXPECT_EQ(first.forwarded + second.forwarded, kCalls);
    EXPECT_GT(first.forwarded, 0U);
    EXPECT_GT(second.forwarded, 0U);
    EXPECT_EQ(second.forwarded, first.handed_over);
    EXPECT_EQ(both.sent().size(), 2 * kCalls);  // they leave in fragments again
}

TEST(Spread, OwnersAreSharedEvenlyAndStay) {
    eal();
    const auto spread = io::Spread::create(3, 3).value();
    std::map<unsigned, int> counts;
    for (unsigned call = 0; call < 3000; ++call) {
        const unsigned owner = spread->owner(message_of(call, 1), 7);
        EXPECT_EQ(spread->owner(message_of(call, 2), 8), owner);
        ++counts[owner];
    }
    for (unsigned worker = 0; worker < 3; ++worker) {
        EXPECT_GT(counts[worker], 850);
        EXPECT_LT(counts[worker], 1150);
    }
    EXPECT_EQ(spread->owner("noise", 7), 7U);
}

// With every key, also of Call-IDs that differ in a number only.
TEST(Spread, NoKeyGivesAllCallsToOne) {
    eal();
    for (int key = 0; key < 500; ++key) {
        const auto spread = io::Spread::create(2, 1).value();
        int first = 0;
        for (unsigned call = 0; call < 64; ++call)
            first += spread->owner(message_of(call, 1), 9) == 0 ? 1 : 0;
        // 40 %: this far off once in 10^8 keys.
        EXPECT_GT(first, 5) << key;
        EXPECT_LT(first, 49) << key;
    }
}

TEST(Spread, WhoReceivesOwnsFewer) {
    eal();
    for (const unsigned workers : {2U, 3U, 6U, 8U}) {
        const auto spread = io::Spread::create(workers, 1).value();
        std::map<unsigned, int> counts;
        constexpr int kCalls = 8000;
        for (unsigned call = 0; call < kCalls; ++call)
            ++counts[spread->owner(message_of(call, 1), 9)];
        // Busy alike: a fifth for each message that comes, and one for each that is relayed.
        for (unsigned worker = 1; worker < workers; ++worker) {
            const int first = counts[0] == 0 ? counts[worker] : counts[0] + kCalls / 5;
            EXPECT_NEAR(counts[worker], first, kCalls / 20) << workers << ' ' << worker;
        }
        EXPECT_EQ(counts[0] == 0, workers >= 6);
    }
}

TEST(Spread, ASleepingOwnerIsRung) {
    eal();
    const auto pool = io::MbufPool::create("spread_rung", 63, -1).value();
    const auto spread = io::Spread::create(2, 1).value();
    io::Sleeper sleeper = io::Sleeper::create().value();
    spread->attach(1, sleeper);
    spread->set_asleep(1, true);
    std::chrono::steady_clock::duration slept{};
    std::thread owner([&] {
        const auto begin = std::chrono::steady_clock::now();
        sleeper.sleep(20'000'000);
        slept = std::chrono::steady_clock::now() - begin;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    rte_mbuf* mbuf = rte_pktmbuf_alloc(pool.get());
    EXPECT_EQ(spread->push(1, &mbuf, 1), 1U);
    owner.join();
    EXPECT_LT(slept, std::chrono::seconds(10));
}

}  // namespace
}  // namespace lb::test
