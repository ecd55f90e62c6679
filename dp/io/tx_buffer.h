#pragma once

// Frames on their way out of one device, gathered over a turn. Each carries what it counts as once
// the device has taken it. Here the UDP checksum is completed that the device does not make.
//
// Threads: one worker.
// Bounds:  kRoom frames, then they are flushed; what the device does not take after kTries is
// dropped and
//          counted as tx_full (frames from the kernel: as inject_lost).

#include <array>
#include <cstdint>

#include "dp/core/counters.h"
#include "dp/io/port.h"

namespace lb::io {

enum class TxKind : std::uint8_t {
    kForwarded,
    kReplied,
    kPart,      // a fragment but the last: the last carries what its datagram counts as
    kInjected,  // from the kernel: not among the received
};

struct TxLabel {
    TxKind kind = TxKind::kForwarded;
    bool fragment = false;
    // As net::Packet has it: that checksum is completed when the next frame comes, or by flush().
    std::uint16_t unsummed_udp = 0;
};

class TxBuffer {
public:
    static constexpr unsigned kRoom = 2 * kBurst;
    static constexpr unsigned kTries = 4;

    TxBuffer(Port& port, std::uint16_t worker) noexcept : port_(&port), worker_(worker) {}

    void add(rte_mbuf* mbuf, TxLabel label, core::CounterValues& counts) noexcept;
    void flush(core::CounterValues& counts) noexcept;
    const Port& port() const noexcept { return *port_; }

private:
    void complete_checksums() noexcept;
    static void count(TxLabel label, bool sent, core::CounterValues& counts) noexcept;

    Port* port_;
    std::uint16_t worker_;
    std::uint16_t used_ = 0;
    std::uint16_t whole_ = 0;  // so many have their checksum
    std::array<rte_mbuf*, kRoom> mbufs_{};
    std::array<TxLabel, kRoom> labels_{};
};

}  // namespace lb::io
