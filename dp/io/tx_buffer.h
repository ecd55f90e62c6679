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
};

class TxBuffer {
public:
    static constexpr unsigned kRoom = 2 * kBurst;
    static constexpr unsigned kTries = 4;

    TxBuffer(Port& port, std::uint16_t worker) noexcept : port_(&port), worker_(worker) {}

    // `unsummed_udp`: the datagram in the frame whose UDP checksum is not whole yet (net::Packet).
    // It is completed when the next frame comes, or by flush().
    void add(rte_mbuf* mbuf, TxLabel label, core::CounterValues& counts,
             Bytes unsummed_udp = {}) noexcept {
        if (used_ == kRoom) [[unlikely]]
            flush(counts);
        complete_checksum();
        mbufs_[used_] = mbuf;
        labels_[used_] = label;
        unsummed_udp_ = unsummed_udp;
        ++used_;
        count_sent(label, counts);
    }
    // What follows goes in one flush, if it is no more than kRoom frames: the parts of a datagram,
    // of which the device takes all, or not the last.
    void make_room(std::size_t frames, core::CounterValues& counts) noexcept {
        if (used_ + frames > kRoom) flush(counts);
    }
    void flush(core::CounterValues& counts) noexcept;
    const Port& port() const noexcept { return *port_; }

private:
    void complete_checksum() noexcept {
        if (unsummed_udp_.empty()) return;
        net::finish_udp_checksum(unsummed_udp_.data(), unsummed_udp_.size());
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
    Bytes unsummed_udp_;  // of the last frame
    std::array<rte_mbuf*, kRoom> mbufs_{};
    std::array<TxLabel, kRoom> labels_{};
};

}  // namespace lb::io
