#pragma once

// Frames in several segments made one piece: route() reads contiguous bytes.
//
// Threads: a worker. Cost: one copy of the frame; only jumbo frames on devices with small buffers
// come so.

#include "dp/io/mbuf_pool.h"

namespace lb::io {

// Takes the mbuf; gives one with the same bytes, metadata and full headroom in one segment. Null
// (and the frame is gone): no buffer, or larger than kJumboRoom holds.
rte_mbuf* make_linear(rte_mbuf* mbuf, const MbufPool& frames, const MbufPool& jumbos) noexcept;

// An empty jumbo mbuf with kHeadroom in front, or null.
rte_mbuf* take_jumbo(const MbufPool& jumbos) noexcept;

}  // namespace lb::io
