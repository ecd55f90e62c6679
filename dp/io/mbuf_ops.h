#pragma once

// Mempool operations of the receive pool (see mbuf_pool.h): a stack per lcore in front of one
// shared ring, and each mbuf whose buffer was moved down over its private area is moved up again as
// it comes back.
//
// Bounds:  kLocalMax mbufs rest with each lcore.
// Threads: any; threads without an lcore id use the ring.
// Cost:    as rte_mempool's own cache, and one compare per freed mbuf.

#include <rte_mbuf.h>

#include "dp/base/assert.h"
#include "dp/io/mbuf_pool.h"

namespace lb::io {

inline constexpr char kMbufOpsName[] = "siplane_mbuf";

// Index of the operations, as in rte_mempool::ops_index; -1 before register_mbuf_ops().
int mbuf_ops_index() noexcept;

// The buffer begins directly behind the mbuf: the private area is part of it.
inline bool is_extended(const rte_mbuf* mbuf) noexcept { return mbuf->buf_addr == mbuf + 1; }

// REQUIRES: an mbuf of our pool that is not extended.
inline void extend(rte_mbuf* mbuf) noexcept {
    LB_ASSERT(!is_extended(mbuf) && mbuf->priv_size == kExtraHeadroom);
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

}  // namespace lb::io
