// The ring's C11 form: the same code on x86, in terms that the compiler and ThreadSanitizer
// understand.
#ifndef RTE_USE_C11_MEM_MODEL
#define RTE_USE_C11_MEM_MODEL
#endif

#include "dp/io/slow_path.h"

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>

namespace lb::io {

namespace {

// Action and interface travel in the mbuf's user word, which is ours once the frame is.
std::uint32_t pack(core::Action action, table::InterfaceIndex interface) noexcept {
    return (static_cast<std::uint32_t>(action) << 16) | interface;
}

}  // namespace

struct SlowPath::Queue {
    ~Queue() { rte_ring_free(ring); }
    rte_ring* ring = nullptr;
    rte_mbuf* shown = nullptr;           // what the last pop() showed
    std::atomic<bool> signalled{false};  // wake_fd is readable, or about to be
};

SlowPath::SlowPath(std::unique_ptr<Queue> queue, int wake_fd) noexcept
    : queue_(std::move(queue)), wake_fd_(wake_fd) {}

Result<std::unique_ptr<SlowPath>> SlowPath::create() {
    static std::atomic<unsigned> number{0};
    auto queue = std::make_unique<Queue>();
    const std::string name = "slow_path_" + std::to_string(number++);
    queue->ring =
        rte_ring_create(name.c_str(), kSlots, SOCKET_ID_ANY, RING_F_SC_DEQ | RING_F_EXACT_SZ);
    if (queue->ring == nullptr) {
        return failed(Errc::kExhausted, std::string("slow path ring: ") + rte_strerror(rte_errno));
    }
    const int fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd < 0) {
        return failed(Errc::kUnavailable,
                      std::string("slow path eventfd: ") + std::strerror(errno));
    }
    return std::unique_ptr<SlowPath>(new SlowPath(std::move(queue), fd));
}

SlowPath::~SlowPath() {
    for (SlowFrame item; pop(item);) {
    }
    ::close(wake_fd_);
}

bool SlowPath::push(rte_mbuf* mbuf, core::Action action, table::InterfaceIndex interface) noexcept {
    mbuf->hash.usr = pack(action, interface);
    if (rte_ring_mp_enqueue(queue_->ring, mbuf) != 0) return false;
    wake();
    return true;
}

void SlowPath::release() noexcept {
    rte_pktmbuf_free(queue_->shown);
    queue_->shown = nullptr;
}

bool SlowPath::pop(SlowFrame& item) noexcept {
    release();
    void* next = nullptr;
    if (rte_ring_sc_dequeue(queue_->ring, &next) != 0) return false;
    queue_->shown = static_cast<rte_mbuf*>(next);
    const std::uint32_t user = queue_->shown->hash.usr;
    item.action = static_cast<core::Action>(user >> 16);
    item.interface = static_cast<table::InterfaceIndex>(user);
    item.frame = {rte_pktmbuf_mtod(queue_->shown, const std::uint8_t*), queue_->shown->data_len};
    return true;
}

void SlowPath::wake() noexcept {
    if (queue_->signalled.exchange(true, std::memory_order_acq_rel)) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(wake_fd_, &one, sizeof one);  // cannot be full
}

void SlowPath::clear_wake() noexcept {
    std::uint64_t count = 0;
    [[maybe_unused]] const ssize_t n = ::read(wake_fd_, &count, sizeof count);
    // Before the ring is read: a push from now on signals again.
    queue_->signalled.exchange(false, std::memory_order_acq_rel);
}

}  // namespace lb::io
