#include "dp/io/tx_buffer.h"

namespace lb::io {

void TxBuffer::flush(core::CounterValues& counts) noexcept {
    complete_checksum();
    unsummed_udp_ = {};
    std::uint16_t sent = 0;
    for (unsigned i = 0; i < kTries && sent < used_; ++i) {
        sent = static_cast<std::uint16_t>(
            sent +
            port_->send(worker_, mbufs_.data() + sent, static_cast<std::uint16_t>(used_ - sent)));
    }
    for (std::uint16_t i = sent; i < used_; ++i) {
        count_lost(labels_[i], counts);
        rte_pktmbuf_free(mbufs_[i]);
    }
    used_ = 0;
}

void TxBuffer::count_lost(TxLabel label, core::CounterValues& counts) noexcept {
    constexpr auto kFull = static_cast<std::size_t>(core::DropReason::kTxFull);
    if (label.fragment) --counts.fragments_sent;
    switch (label.kind) {
        case TxKind::kForwarded:
            --counts.forwarded;
            ++counts.dropped[kFull];
            break;
        case TxKind::kReplied:
            --counts.replied;
            ++counts.dropped[kFull];
            break;
        case TxKind::kInjected:
            --counts.injected;
            ++counts.inject_lost;
            break;
        case TxKind::kPart:
            break;
    }
}

}  // namespace lb::io
