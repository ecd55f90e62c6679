#include "dp/io/linear.h"

#include <rte_mbuf.h>

#include <cstring>

namespace lb::io {

namespace {

void copy_segments(const rte_mbuf* from, rte_mbuf* to) noexcept {
    for (const rte_mbuf* part = from; part != nullptr; part = part->next) {
        std::memcpy(rte_pktmbuf_append(to, part->data_len), rte_pktmbuf_mtod(part, const void*),
                    part->data_len);
    }
    to->ol_flags = from->ol_flags;
    to->vlan_tci = from->vlan_tci;
    to->port = from->port;
}

// What the segments really hold; pkt_len is the driver's word for it.
std::size_t bytes_in(const rte_mbuf* mbuf) noexcept {
    std::size_t sum = 0;
    for (const rte_mbuf* part = mbuf; part != nullptr; part = part->next) sum += part->data_len;
    return sum;
}

}  // namespace

rte_mbuf* take_jumbo(const MbufPool& jumbos) noexcept {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(jumbos.get());
    if (mbuf != nullptr) mbuf->data_off = kHeadroom;
    return mbuf;
}

rte_mbuf* give_back_jumbo(rte_mbuf* jumbo, const MbufPool& frames) noexcept {
    if (jumbo->data_len > kFrameRoom) return jumbo;
    rte_mbuf* const small = rte_pktmbuf_alloc(frames.get());
    if (small == nullptr) return jumbo;
    copy_segments(jumbo, small);
    rte_pktmbuf_free(jumbo);
    return small;
}

rte_mbuf* make_linear(rte_mbuf* mbuf, const MbufPool& frames, const MbufPool& jumbos) noexcept {
    const std::size_t size = bytes_in(mbuf);
    rte_mbuf* whole = nullptr;
    if (size <= kFrameRoom) {
        whole = rte_pktmbuf_alloc(frames.get());
    } else if (size <= kJumboRoom - kHeadroom) {
        whole = take_jumbo(jumbos);
    }
    if (whole != nullptr) copy_segments(mbuf, whole);
    rte_pktmbuf_free(mbuf);
    return whole;
}

}  // namespace lb::io
