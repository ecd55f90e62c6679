#pragma once

// What is behind Worker: its state, and the steps of its loop. worker.cc has what leads to a
// verdict and the usual way out, worker_out.cc the other ways.

#include <rte_random.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dp/io/clock.h"
#include "dp/io/idle.h"
#include "dp/io/punt.h"
#include "dp/io/trace.h"
#include "dp/io/tx_buffer.h"
#include "dp/io/worker.h"
#include "dp/net/reassembly.h"

namespace lb::io {

struct RxQueue {
    Port* port;
    std::uint16_t device;
    std::uint16_t queue;
};

struct Worker::Impl {
    Impl(const WorkerConfig& worker, const Devices& shared,
         const table::Snapshot<table::Tables>& tables, Sleeper on)
        : config(worker),
          devices(shared),
          snapshot(tables),
          sleeper(std::move(on)),
          scratch(worker.transactions),
          reassembler(tables.read().secret.table) {}

    bool turn() noexcept;
    void run() noexcept;

    std::size_t receive(const RxQueue& rx, const table::Tables& tables) noexcept;
    // Received, or handed over by another worker: frames whose port is the index of our device.
    enum class Lines : bool { kHere, kElsewhere };  // in whose cache the frames are
    void handle(std::span<rte_mbuf* const> burst, const table::Tables& tables,
                Lines lines) noexcept;
    void handle(rte_mbuf* mbuf, const table::Tables& tables) noexcept;
    void handle_segments(rte_mbuf* mbuf, const table::Tables& tables) noexcept;
    void handle_fragment(rte_mbuf* mbuf, net::Packet& packet, const table::Tables& tables) noexcept;
    rte_mbuf* reassemble(rte_mbuf* mbuf, net::Packet& packet) noexcept;
    std::size_t take_inbox(const table::Tables& tables) noexcept;
    std::span<rte_mbuf*> spread(std::span<rte_mbuf*> burst) noexcept;
    unsigned owner_of(const net::Packet& packet) noexcept;
    std::span<rte_mbuf*> hand_to_owners(std::span<rte_mbuf*> burst,
                                        std::span<const unsigned> owners) noexcept;
    void unhold(std::uint32_t fragments, core::DropReason reason) noexcept;
    void settle(rte_mbuf* mbuf, net::Packet& packet, core::Verdict verdict,
                const table::Tables& tables) noexcept;
    void settle_locally(rte_mbuf* mbuf, net::Packet& packet, core::Verdict verdict,
                        const table::Tables& tables) noexcept;
    void transmit(rte_mbuf* mbuf, net::Packet& packet, table::InterfaceIndex out, TxKind kind,
                  const table::Tables& tables) noexcept;
    void transmit_fragments(rte_mbuf* mbuf, const net::Packet& packet, const table::Interface& out,
                            TxKind kind) noexcept;
    void punt(rte_mbuf* mbuf, table::InterfaceIndex in, const table::Tables& tables) noexcept;
    void hand_over(rte_mbuf* mbuf, core::Verdict verdict) noexcept;
    void count_relayed() noexcept {
        ++(scratch.message.is_reply() ? counts.replies_relayed : counts.requests_relayed);
    }
    std::size_t inject(const table::Tables& tables) noexcept;
    bool inject_one(table::InterfaceIndex out, const table::Tables& tables) noexcept;
    void drop(rte_mbuf* mbuf, core::DropReason reason) noexcept;
    void end_turn(std::uint64_t started, std::size_t work) noexcept;
    void publish_counts() noexcept;
    void sleep() noexcept;

    WorkerConfig config;
    Devices devices;
    const table::Snapshot<table::Tables>& snapshot;
    Sleeper sleeper;
    Clock clock;
    std::optional<table::RcuReader> rcu;
    core::Scratch scratch;
    TraceTap trace;
    std::vector<RxQueue> rx_queues;
    std::vector<TxBuffer> tx;
    net::Reassembler reassembler;
    PuntBudget punt_budget;
    std::uint64_t next_twin_poll = 0;
    std::uint64_t last_expiry_ms = 0;
    std::uint64_t last_work = 0;   // when a turn last had anything to do
    std::uint64_t busy_since = 0;  // start of the turn before, if it had work and no sleep followed
    bool can_wait = true;          // each device and twin of ours has a descriptor
    core::CounterValues counts;    // of the turns since publish_counts()
    core::WorkerCounters counters;
    std::atomic<bool> stop{false};
};

}  // namespace lb::io
