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

// Takes a jumbo mbuf that was filled before its size was known. One that a frame holds goes into
// one, if there is one free: a device may keep what it has sent for as long as nothing follows it,
// and there are few jumbos.
rte_mbuf* give_back_jumbo(rte_mbuf* jumbo, const MbufPool& frames) noexcept;

// An empty jumbo mbuf with kHeadroom in front, or null.
rte_mbuf* take_jumbo(const MbufPool& jumbos) noexcept;

}  // namespace lb::io
