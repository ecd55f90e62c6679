#include "dp/io/tx_buffer.h"

#include <rte_mbuf.h>

#include "dp/net/frame.h"

namespace lb::io {

void TxBuffer::add(rte_mbuf* mbuf, TxLabel label, core::CounterValues& counts) noexcept {
    if (used_ == kRoom) flush(counts);
    complete_checksums();  // of the one before
    mbufs_[used_] = mbuf;
    labels_[used_] = label;
    ++used_;
}

void TxBuffer::complete_checksums() noexcept {
    for (; whole_ < used_; ++whole_) {
        const std::uint16_t offset = labels_[whole_].unsummed_udp;
        if (offset == 0) continue;
        rte_mbuf* const mbuf = mbufs_[whole_];
        net::finish_udp_checksum(rte_pktmbuf_mtod_offset(mbuf, std::uint8_t*, offset),
                                 mbuf->data_len - offset);
    }
}

void TxBuffer::flush(core::CounterValues& counts) noexcept {
    complete_checksums();
    std::uint16_t sent = 0;
    for (unsigned i = 0; i < kTries && sent < used_; ++i) {
        sent = static_cast<std::uint16_t>(
            sent +
            port_->send(worker_, mbufs_.data() + sent, static_cast<std::uint16_t>(used_ - sent)));
    }
    for (std::uint16_t i = 0; i < used_; ++i) count(labels_[i], i < sent, counts);
    for (std::uint16_t i = sent; i < used_; ++i) rte_pktmbuf_free(mbufs_[i]);
    used_ = whole_ = 0;
}

void TxBuffer::count(TxLabel label, bool sent, core::CounterValues& counts) noexcept {
    constexpr auto kFull = static_cast<std::size_t>(core::DropReason::kTxFull);
    if (label.fragment && sent) ++counts.fragments_sent;
    switch (label.kind) {
        case TxKind::kForwarded:
            ++(sent ? counts.forwarded : counts.dropped[kFull]);
            break;
        case TxKind::kReplied:
            ++(sent ? counts.replied : counts.dropped[kFull]);
            break;
        case TxKind::kInjected:
            ++(sent ? counts.injected : counts.inject_lost);
            break;
        case TxKind::kPart:
            break;
    }
}

}  // namespace lb::io
