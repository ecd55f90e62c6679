// The ring's C11 form: the same code on x86, in terms that the compiler and ThreadSanitizer
// understand.
#ifndef RTE_USE_C11_MEM_MODEL
#define RTE_USE_C11_MEM_MODEL
#endif

#include "dp/io/mbuf_ops.h"

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace lb::io {

namespace {

constexpr unsigned kLocalMax = 512;
constexpr unsigned kLocalKeep = kLocalMax / 2;  // what a spill leaves, and how much a refill brings

struct alignas(RTE_CACHE_LINE_SIZE) LocalStack {
    unsigned count;
    void* objects[kLocalMax];
};

struct PoolState {
    rte_ring* ring;
    LocalStack local[RTE_MAX_LCORE];
};

PoolState& state_of(const rte_mempool* pool) noexcept {
    return *static_cast<PoolState*>(pool->pool_data);
}

LocalStack* local_stack(PoolState& state) noexcept {
    const unsigned lcore = rte_lcore_id();
    return lcore < RTE_MAX_LCORE ? &state.local[lcore] : nullptr;
}

int take_from_ring(PoolState& state, void** objects, unsigned n) noexcept {
    return rte_ring_mc_dequeue_bulk(state.ring, objects, n, nullptr) == n ? 0 : -ENOBUFS;
}

int give_to_ring(PoolState& state, void* const* objects, unsigned n) noexcept {
    return rte_ring_mp_enqueue_bulk(state.ring, objects, n, nullptr) == n ? 0 : -ENOBUFS;
}

void restore_all(void* const* objects, unsigned n) noexcept {
    for (unsigned i = 0; i < n; ++i) {
        rte_mbuf* mbuf = static_cast<rte_mbuf*>(objects[i]);
        if (is_extended(mbuf)) restore(mbuf);
    }
}

extern "C" int lb_mbuf_ops_alloc(rte_mempool* pool) {
    auto* state = static_cast<PoolState*>(rte_zmalloc_socket("siplane_mbuf", sizeof(PoolState),
                                                             RTE_CACHE_LINE_SIZE, pool->socket_id));
    if (state == nullptr) return -ENOMEM;
    char name[RTE_RING_NAMESIZE];
    std::snprintf(name, sizeof name, "R_%.20s", pool->name);
    state->ring = rte_ring_create(name, rte_align32pow2(pool->size + 1), pool->socket_id, 0);
    if (state->ring == nullptr) {
        rte_free(state);
        return -rte_errno;
    }
    pool->pool_data = state;
    return 0;
}

extern "C" void lb_mbuf_ops_free(rte_mempool* pool) {
    rte_ring_free(state_of(pool).ring);
    rte_free(pool->pool_data);
}

[[gnu::noinline]] int enqueue_many(PoolState& state, void* const* objects, unsigned n) noexcept {
    restore_all(objects, n);
    LocalStack* local = local_stack(state);
    if (local == nullptr || n > kLocalKeep) return give_to_ring(state, objects, n);
    if (local->count + n > kLocalMax) {
        const unsigned spill = local->count - kLocalKeep;
        if (give_to_ring(state, local->objects + kLocalKeep, spill) != 0) return -ENOBUFS;
        local->count = kLocalKeep;
    }
    std::memcpy(local->objects + local->count, objects, n * sizeof(void*));
    local->count += n;
    return 0;
}

extern "C" int lb_mbuf_ops_enqueue(rte_mempool* pool, void* const* objects, unsigned n) {
    PoolState& state = state_of(pool);
    LocalStack* const local = local_stack(state);
    if (n != 1 || local == nullptr || local->count >= kLocalMax) [[unlikely]]
        return enqueue_many(state, objects, n);
    auto* const mbuf = static_cast<rte_mbuf*>(objects[0]);  // drivers free one at a time
    if (is_extended(mbuf)) restore(mbuf);
    local->objects[local->count++] = mbuf;
    return 0;
}

extern "C" int lb_mbuf_ops_dequeue(rte_mempool* pool, void** objects, unsigned n) {
    PoolState& state = state_of(pool);
    LocalStack* local = local_stack(state);
    if (local == nullptr || n > kLocalKeep) return take_from_ring(state, objects, n);
    if (local->count < n) {
        // As many as there are, up to kLocalKeep: the last mbufs of a pool must be found too.
        local->count += rte_ring_mc_dequeue_burst(state.ring, local->objects + local->count,
                                                  kLocalKeep, nullptr);
        if (local->count < n) return -ENOBUFS;
    }
    local->count -= n;
    // The latest freed first: its lines are still in the cache.
    std::reverse_copy(local->objects + local->count, local->objects + local->count + n, objects);
    return 0;
}

extern "C" unsigned lb_mbuf_ops_count(const rte_mempool* pool) {
    const PoolState& state = state_of(pool);
    unsigned count = rte_ring_count(state.ring);
    for (const LocalStack& local : state.local) {
        count += __atomic_load_n(&local.count, __ATOMIC_RELAXED);
    }
    return count;
}

// As in rte_mempool::ops_index; -1: not registered yet.
int registered_ops_index = -1;

}  // namespace

Status register_mbuf_ops() {
    if (registered_ops_index >= 0) return {};
    rte_mempool_ops ops{};
    std::snprintf(ops.name, sizeof ops.name, "%s", kMbufOpsName);
    ops.alloc = lb_mbuf_ops_alloc;
    ops.free = lb_mbuf_ops_free;
    ops.enqueue = lb_mbuf_ops_enqueue;
    ops.dequeue = lb_mbuf_ops_dequeue;
    ops.get_count = lb_mbuf_ops_count;
    registered_ops_index = rte_mempool_register_ops(&ops);
    if (registered_ops_index < 0)
        return failed(Errc::kInternal, "DPDK has no room for our mempool operations");
    return {};
}

}  // namespace lb::io
