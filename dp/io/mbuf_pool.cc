#include "dp/io/mbuf_pool.h"

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dp/io/mbuf_ops.h"

namespace lb::io {

static_assert(kDriverHeadroom == RTE_PKTMBUF_HEADROOM);
static_assert(kExtraHeadroom % RTE_MBUF_PRIV_ALIGN == 0);
static_assert(sizeof(rte_mbuf) + kHeadroom + kFrameRoom + 2 * RTE_MEMPOOL_ALIGN +
                      sizeof(rte_mempool_objhdr) <=
                  4096,
              "AF_XDP wants an element within one page");

namespace {

Error pool_error(const std::string& name, unsigned mbufs) {
    return {Errc::kExhausted, "mbuf pool " + name + " of " + std::to_string(mbufs) +
                                  " buffers: " + rte_strerror(rte_errno) +
                                  "; give DPDK more memory (huge pages, or -m with --no-huge)"};
}

}  // namespace

void FreePool::operator()(rte_mempool* pool) const noexcept { rte_mempool_free(pool); }

Result<MbufPool> MbufPool::create(const std::string& name, unsigned mbufs, int socket,
                                  std::size_t room) {
    if (room > kJumboRoom - kDriverHeadroom) {
        return failed(Errc::kInvalid, "mbuf pool " + name + ": frames of " + std::to_string(room) +
                                          " bytes are more than a buffer can hold");
    }
    if (Status registered = register_mbuf_ops(); !registered) {
        return failed(std::move(registered).error());
    }
    // No cache of the mempool library: it would let freed mbufs pass our operations by. They bring
    // their own.
    rte_mempool* pool = rte_pktmbuf_pool_create_by_ops(
        name.c_str(), mbufs, 0, kExtraHeadroom, static_cast<std::uint16_t>(kDriverHeadroom + room),
        socket, kMbufOpsName);
    if (pool == nullptr) return failed(pool_error(name, mbufs));
    return MbufPool(pool);
}

Result<MbufPool> MbufPool::create_jumbo(const std::string& name, unsigned mbufs, int socket) {
    rte_mempool* pool = rte_pktmbuf_pool_create(name.c_str(), mbufs, 0, 0, kJumboRoom, socket);
    if (pool == nullptr) return failed(pool_error(name, mbufs));
    return MbufPool(pool);
}

unsigned MbufPool::available() const noexcept { return rte_mempool_avail_count(pool_.get()); }

}  // namespace lb::io
