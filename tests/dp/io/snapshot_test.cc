// Workers that forward while the control thread publishes generation after generation. Meant for
// ThreadSanitizer and AddressSanitizer as well: a table that dies too early, or a race, shows
// there.

#include "dp/table/snapshot.h"

#include <gtest/gtest.h>
#include <rte_lcore.h>

#include <chrono>
#include <thread>

#include "tests/dp/io/io_fixture.h"

namespace lb::test {
namespace {

using core::Action;
using core::DropReason;

std::vector<table::Interface> interfaces_of(std::uint64_t generation) {
    table::Interface interface;
    interface.name = "generation" + std::to_string(generation);
    interface.mtu = static_cast<std::uint16_t>(1000 + generation % 1000);
    return {interface};
}

// Forwards if what it reads belongs together.
core::Verdict check(net::Packet&, const table::Tables& tables, core::Scratch&) noexcept {
    const table::Interface& interface = tables.network->interface(0);
    const bool whole = interface.mtu == 1000 + tables.generation % 1000 &&
                       interface.name.size() > std::string_view("generation").size();
    if (!whole) return core::drop(DropReason::kInternal);
    return {Action::kForward, DropReason::kInternal, 0};
}

// Two workers, each on a queue of its own of one device, on threads of their own.
class TwoWorkers {
public:
    TwoWorkers(const std::string& device, io::IdleMode idle) {
        eal();
        static int number = 0;
        const std::string suffix = std::to_string(number++);
        frames.emplace(io::MbufPool::create("two_frames_" + suffix, 8191, -1).value());
        jumbos.emplace(io::MbufPool::create_jumbo("two_jumbos_" + suffix, 7, -1).value());
        io::PortConfig config;
        config.device = device;
        config.queues = 2;
        config.rx_descriptors = config.tx_descriptors = 256;
        port.emplace(io::Port::create(config, *frames).value());
        snapshot.emplace(make_tables(interfaces_of(1), 1));
        io::Devices devices;
        devices.ports = {&*port};
        devices.frames = &*frames;
        devices.jumbos = &*jumbos;
        for (unsigned i = 0; i < 2; ++i) {
            workers.push_back(io::Worker::create({i, 2, idle, check}, devices, *snapshot).value());
        }
        for (auto& worker : workers) {
            threads.emplace_back([&worker] {
                rte_thread_register();
                worker->run();
                rte_thread_unregister();
            });
        }
    }
    void stop() {
        for (auto& worker : workers) worker->stop();
        for (auto& thread : threads) thread.join();
        threads.clear();
    }
    ~TwoWorkers() { stop(); }

    core::CounterValues counters() const {
        core::CounterValues sum;
        for (const auto& worker : workers) sum.add(worker->counters());
        return sum;
    }

    std::optional<io::MbufPool> frames, jumbos;
    std::optional<io::Port> port;
    std::optional<table::Snapshot<table::Tables>> snapshot;
    std::vector<std::unique_ptr<io::Worker>> workers;
    std::vector<std::thread> threads;
};

void wait_for_frames(const TwoWorkers& two, std::uint64_t frames) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (two.counters().received < frames && std::chrono::steady_clock::now() < limit) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

// net_null gives frames without end and takes all: no worker is ever idle.
TEST(Snapshot, BusyWorkersSeeWholeGenerations) {
    TwoWorkers two("net_null0,size=64", io::IdleMode::kAdaptive);
    wait_for_frames(two, 1000);
    for (std::uint64_t generation = 2; generation <= 60; ++generation) {
        two.snapshot->publish(make_tables(interfaces_of(generation), generation));
        const core::CounterValues counts = two.counters();
        ASSERT_TRUE(counts.balanced()) << "generation " << generation;
    }
    two.stop();
    const core::CounterValues counts = two.counters();
    EXPECT_TRUE(counts.balanced());
    EXPECT_GT(two.workers[0]->counters().forwarded, 0U);
    EXPECT_GT(two.workers[1]->counters().forwarded, 0U);
    EXPECT_EQ(counts.forwarded, counts.received);
    EXPECT_EQ(two.frames->available(), 8191U);
}

// Sleeping workers are offline: publish() does not wait for them, and they stop when told.
TEST(Snapshot, SleepingWorkersHoldNobodyUp) {
    const TempDir dir;
    ASSERT_TRUE(write_pcap(dir.path("none"), {}));
    TwoWorkers two("net_pcap0,rx_pcap=" + dir.path("none") + ",rx_pcap=" + dir.path("none") +
                       ",tx_pcap=" + dir.path("a") + ",tx_pcap=" + dir.path("b"),
                   io::IdleMode::kAdaptive);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const auto start = std::chrono::steady_clock::now();
    for (std::uint64_t generation = 2; generation <= 200; ++generation) {
        two.snapshot->publish(make_tables(interfaces_of(generation), generation));
    }
    two.stop();
    const auto spent = std::chrono::steady_clock::now() - start;
    EXPECT_LT(spent, std::chrono::seconds(10));
    EXPECT_EQ(two.counters().received, 0U);
}

}  // namespace
}  // namespace lb::test
