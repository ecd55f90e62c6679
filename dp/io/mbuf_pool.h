#pragma once

// Pools of packet buffers, and how a received frame gets headroom for our edits without a copy.
//
// The problem: drivers put a received frame RTE_PKTMBUF_HEADROOM (128, compiled into them) bytes
// behind the start of the buffer, and our edits need up to kEditGrowthMax (960); a Via, a
// Record-Route and rport alone add 150 to 250 bytes.
//
// The answer: each mbuf of the receive pool has a private area of kExtraHeadroom bytes, which lies
// directly in front of the buffer. While a frame is with us it is headroom like any other. A frame
// that grew into it is sent from an mbuf whose buffer address has been moved down over the private
// area (adopt()), and the pool's own enqueue operation (mbuf_ops.cc) moves it up again when the
// driver frees the mbuf. So a driver always finds the buffer where it expects it, the frame is
// never copied, and the cost is one compare per freed mbuf.
//
// Considered: moving the frame up the buffer before route() (one memmove of the whole frame per
// message), a chained header mbuf (needs multi-segment transmit and a message in two pieces),
// attaching the buffer to a second mbuf (an allocation and a callback per message).
//
// Threads: create() and destruction on the control thread; mbufs are taken and freed by any thread,
// cheaply by those
//          with an lcore id.

#include <cstdint>
#include <memory>
#include <string>

#include "dp/base/limits.h"
#include "dp/base/result.h"

struct rte_mbuf;
struct rte_mempool;

namespace lb::io {

// RTE_PKTMBUF_HEADROOM and the private area together are kHeadroom.
inline constexpr std::size_t kDriverHeadroom = 128;
inline constexpr std::size_t kExtraHeadroom = kHeadroom - kDriverHeadroom;
// Bytes of a frame that fit one receive buffer. An element (mbuf 128 + private 896 + 128 + 2048,
// and the pool's own header) stays below one 4 KB page, which AF_XDP asks for.
inline constexpr std::size_t kFrameRoom = 2048;
// A whole datagram of the largest size, with its IP and Ethernet headers.
inline constexpr std::size_t kJumboRoom = kHeadroom + kDatagramMax + 128;

struct FreePool {
    void operator()(rte_mempool* pool) const noexcept;
};

// Owns one mbuf pool. Outlives every started Port that draws from it.
class MbufPool {
public:
    // For drivers to receive into. `socket`: NUMA node, -1 for any. `room`: kFrameRoom, or more for
    // a device that hands over larger frames in one piece.
    static Result<MbufPool> create(const std::string& name, unsigned mbufs, int socket,
                                   std::size_t room = kFrameRoom);
    // For whole datagrams: reassembled, linearised, or to be fragmented. data room kJumboRoom.
    static Result<MbufPool> create_jumbo(const std::string& name, unsigned mbufs, int socket);

    rte_mempool* get() const noexcept { return pool_.get(); }
    unsigned available() const noexcept;

private:
    explicit MbufPool(rte_mempool* pool) noexcept : pool_(pool) {}
    std::unique_ptr<rte_mempool, FreePool> pool_;
};

// Registers the receive pool's operations with DPDK; once per process, before Eal::create() or
// after.
Status register_mbuf_ops();

}  // namespace lb::io
