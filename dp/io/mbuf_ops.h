#pragma once

// Mempool operations of the receive pool (see mbuf_pool.h): a stack per lcore in front of one
// shared ring, and each mbuf whose buffer was moved down over its private area is moved up again as
// it comes back.
//
// Bounds:  kLocalMax mbufs rest with each lcore.
// Threads: any; threads without an lcore id use the ring.
// Cost:    as rte_mempool's own cache, and one compare per freed mbuf.

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dp/base/assert.h"
#include "dp/io/mbuf_pool.h"
#include "dp/net/packet.h"

namespace lb::io {

inline constexpr char kMbufOpsName[] = "siplane_mbuf";

// The buffer begins directly behind the mbuf: the private area is part of it.
inline bool is_extended(const rte_mbuf* mbuf) noexcept { return mbuf->buf_addr == mbuf + 1; }

// A buffer this far behind its mbuf is one of our pool: no other leaves so much between the two.
inline bool is_extensible(const rte_mbuf* mbuf) noexcept {
    return mbuf->buf_addr == reinterpret_cast<const std::uint8_t*>(mbuf + 1) + kExtraHeadroom;
}

// REQUIRES: an mbuf of our pool that is not extended.
inline void extend(rte_mbuf* mbuf) noexcept {
    LB_ASSERT(is_extensible(mbuf));
    mbuf->buf_addr = mbuf + 1;
    mbuf->buf_iova -= kExtraHeadroom;
    mbuf->buf_len = static_cast<std::uint16_t>(mbuf->buf_len + kExtraHeadroom);
}

// REQUIRES: an extended mbuf of our pool.
inline void restore(rte_mbuf* mbuf) noexcept {
    mbuf->buf_addr = reinterpret_cast<std::uint8_t*>(mbuf + 1) + kExtraHeadroom;
    mbuf->buf_iova += kExtraHeadroom;
    mbuf->buf_len = static_cast<std::uint16_t>(mbuf->buf_len - kExtraHeadroom);
}

// A one-segment mbuf's frame: headroom includes the private area where there is one. Says nothing
// of device, vlan and udp_checksum.
inline net::Packet lend(rte_mbuf* mbuf) noexcept {
    const std::uint32_t offset = mbuf->data_off, length = mbuf->data_len;
    return {.data = static_cast<std::uint8_t*>(mbuf->buf_addr) + offset,
            .length = length,
            .headroom = offset + (is_extensible(mbuf) ? std::uint32_t{kExtraHeadroom} : 0),
            .tailroom = mbuf->buf_len - offset - length};
}

// The reverse: makes the mbuf hold what the packet holds now. REQUIRES: the packet came from
// lend(mbuf).
inline void adopt(rte_mbuf* mbuf, const net::Packet& packet) noexcept {
    if (packet.data < static_cast<std::uint8_t*>(mbuf->buf_addr)) extend(mbuf);
    mbuf->data_off =
        static_cast<std::uint16_t>(packet.data - static_cast<std::uint8_t*>(mbuf->buf_addr));
    mbuf->data_len = static_cast<std::uint16_t>(packet.length);
    mbuf->pkt_len = packet.length;
}

}  // namespace lb::io
