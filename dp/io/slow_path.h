#pragma once

// Frames that need the control thread: a message whose next hop's MAC is not known yet (kSlowPath:
// send it through the kernel), or whose host name must be resolved first (kResolve).
//
// Bounds:  kSlots frames wait; more are refused, and counted by the worker as slow_path_full.
// Threads: push() by workers, everything else by the control thread.
// Cost:    push() hands the buffer over without a copy, and makes one system call when the queue
// was empty.

#include <cstdint>
#include <memory>

#include "dp/base/bytes.h"
#include "dp/base/result.h"
#include "dp/core/verdict.h"

struct rte_mbuf;

namespace lb::io {

struct SlowFrame {
    core::Action action = core::Action::kSlowPath;  // or kResolve
    table::InterfaceIndex interface =
        table::kNoInterface;  // kSlowPath: the way out; kResolve: the way in
    ConstBytes
        frame;  // from the Ethernet header on; kSlowPath: target MAC zero, checksums in place
};

class SlowPath {
public:
    static constexpr unsigned kSlots = 1024;

    // REQUIRES: an Eal. Outlives the workers that push; mbufs left in it are freed with it.
    static Result<std::unique_ptr<SlowPath>> create();
    ~SlowPath();
    SlowPath(const SlowPath&) = delete;
    SlowPath& operator=(const SlowPath&) = delete;

    // Polls readable when frames wait; for the control thread's event loop.
    int wake_fd() const noexcept { return wake_fd_; }
    // Calls take(const SlowFrame&) for up to `max` frames; the bytes live until it returns. Returns
    // how many. Clears wake_fd() first; when `max` was reached, it is readable again.
    template <class Take>
    std::size_t drain(std::size_t max, Take&& take) {
        clear_wake();
        std::size_t n = 0;
        for (SlowFrame item; n < max && pop(item); ++n) take(static_cast<const SlowFrame&>(item));
        release();
        if (n == max) wake();
        return n;
    }

    // Worker: owns the mbuf afterwards; false: full, it stays the caller's.
    bool push(rte_mbuf* mbuf, core::Action action, table::InterfaceIndex interface) noexcept;

private:
    struct Queue;
    explicit SlowPath(std::unique_ptr<Queue> queue, int wake_fd) noexcept;
    bool pop(SlowFrame& item) noexcept;  // frees the frame of the pop before
    void release() noexcept;
    void wake() noexcept;
    void clear_wake() noexcept;

    std::unique_ptr<Queue> queue_;
    int wake_fd_;
};

}  // namespace lb::io
