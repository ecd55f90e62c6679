#pragma once

// Snapshot<T>: one pointer that is replaced as a whole. Readers never wait, take no lock and make
// no atomic write. liburcu (QSBR flavour) supplies the grace period; this is the only file that
// says urcu_.
//
// Threads: one control thread publishes; each reader thread holds a Reader and calls quiescent()
// when it
//          keeps no reference, and goes offline before it sleeps, or publish() waits for ever.

#include <urcu-qsbr.h>

#include <atomic>
#include <memory>

#if defined(__SANITIZE_THREAD__)
#define LB_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LB_TSAN 1
#endif
#endif
#ifdef LB_TSAN
// ThreadSanitizer cannot see into liburcu: these two say what the grace period guarantees.
extern "C" void __tsan_release(void* address);
extern "C" void __tsan_acquire(void* address);
#endif

namespace lb::table {

namespace detail {
inline char rcu_order;  // the address that stands for "all quiescent states" under ThreadSanitizer
inline void tsan_release() noexcept {
#ifdef LB_TSAN
    __tsan_release(&rcu_order);
#endif
}
inline void tsan_acquire() noexcept {
#ifdef LB_TSAN
    __tsan_acquire(&rcu_order);
#endif
}
}  // namespace detail

// A reader thread's membership. Construct, use and destroy on that thread.
class RcuReader {
public:
    RcuReader() noexcept { urcu_qsbr_register_thread(); }
    ~RcuReader() {
        detail::tsan_release();
        urcu_qsbr_unregister_thread();
    }
    RcuReader(const RcuReader&) = delete;
    RcuReader& operator=(const RcuReader&) = delete;

    // References taken before this call end here.
    void quiescent() noexcept {
        detail::tsan_release();
        urcu_qsbr_quiescent_state();
    }
    // Around a sleep. REQUIRES: no reference kept.
    void offline() noexcept {
        detail::tsan_release();
        urcu_qsbr_thread_offline();
    }
    void online() noexcept { urcu_qsbr_thread_online(); }
};

template <class T>
class Snapshot {
public:
    explicit Snapshot(std::unique_ptr<const T> first) noexcept : current_(first.release()) {}
    ~Snapshot() { delete current_.load(std::memory_order_relaxed); }
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;

    // Thread: a registered, online reader, or the publisher. Valid until its next quiescent().
    const T& read() const noexcept { return *current_.load(std::memory_order_acquire); }

    // Thread: the publisher, which is no reader. Returns when no reader uses the old object any
    // more.
    void publish(std::unique_ptr<const T> next) noexcept {
        const std::unique_ptr<const T> old(
            current_.exchange(next.release(), std::memory_order_acq_rel));
        urcu_qsbr_synchronize_rcu();
        detail::tsan_acquire();
    }  // the old object dies here, never on a worker

private:
    std::atomic<const T*> current_;
};

}  // namespace lb::table
