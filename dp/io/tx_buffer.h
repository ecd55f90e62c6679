#pragma once

// Frames on their way out of one device, gathered over a turn. Each is counted as sent when it is
// added, and as lost instead if the device does not take it: counts are whole after flush(). Here
// the UDP checksum is completed that the device does not make.
//
// Threads: one worker.
// Bounds:  kRoom frames, then they are flushed; what the device does not take after kTries is
// dropped and
//          counted as tx_full (frames from the kernel: as inject_lost).

#include <rte_mbuf.h>

#include <array>
#include <cstdint>

#include "dp/core/counters.h"
#include "dp/io/port.h"
#include "dp/net/frame.h"

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

    void add(rte_mbuf* mbuf, TxLabel label, core::CounterValues& counts) noexcept {
        if (used_ == kRoom) [[unlikely]]
            flush(counts);
        complete_checksum();  // of the one before
        mbufs_[used_] = mbuf;
        labels_[used_] = label;
        ++used_;
        count_sent(label, counts);
    }
    void flush(core::CounterValues& counts) noexcept;
    const Port& port() const noexcept { return *port_; }

private:
    // Of the last frame: those in front of it have theirs.
    void complete_checksum() noexcept {
        if (used_ == 0) return;
        const std::uint16_t offset = labels_[used_ - 1U].unsummed_udp;
        if (offset == 0) return;
        rte_mbuf* const mbuf = mbufs_[used_ - 1U];
        net::finish_udp_checksum(rte_pktmbuf_mtod_offset(mbuf, std::uint8_t*, offset),
                                 std::size_t{mbuf->data_len} - offset);
    }
    static void count_sent(TxLabel label, core::CounterValues& counts) noexcept {
        if (label.kind == TxKind::kForwarded) {
            ++counts.forwarded;
        } else if (label.kind == TxKind::kReplied) {
            ++counts.replied;
        } else if (label.kind == TxKind::kInjected) {
            ++counts.injected;
        }
        if (label.fragment) ++counts.fragments_sent;
    }
    static void count_lost(TxLabel label, core::CounterValues& counts) noexcept;

    Port* port_;
    std::uint16_t worker_;
    std::uint16_t used_ = 0;
    std::array<rte_mbuf*, kRoom> mbufs_{};
    std::array<TxLabel, kRoom> labels_{};
};

}  // namespace lb::io
