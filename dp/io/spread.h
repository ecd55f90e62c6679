#pragma once

// Spreads messages over the workers by Call-ID, whichever queue they came in by: a trunk that sends
// everything from one port to one port fills one queue, and so one worker. The worker that receives
// a message hands it to the one that owns its call. One call has one owner, and what one worker
// hands to another stays in order, so the order within a call is kept.
//
// Bounds:  kSlots messages wait for one worker; more are refused, and counted as spread_full:
//          handled elsewhere they would overtake.
// Shares:  who receives and distributes as well owns fewer calls than who has no queue. They are
//          set for good at the start: a call that moved would be overtaken.
// Threads: push() and owner() by any worker, pop() by the owner. Nobody waits.
// Cost:    finding the Call-ID, one keyed hash, and one ring operation for all of a burst that have
//          one owner; a system call only when the owner sleeps.

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <string_view>

#include "dp/base/limits.h"
#include "dp/base/result.h"
#include "dp/base/text_mac.h"
#include "dp/io/idle.h"

struct rte_mbuf;
struct rte_ring;

namespace lb::io {

class Spread {
public:
    static constexpr unsigned kSlots = 2048;
    static constexpr std::size_t kBurstMax = 64;

    // The first `receivers` workers have receive queues. REQUIRES: an Eal; 1 to kWorkersMax
    // workers, of which at least one receives. Outlives the workers; mbufs left in it are freed
    // with it.
    static Result<std::unique_ptr<Spread>> create(unsigned workers, unsigned receivers);
    ~Spread();
    Spread(const Spread&) = delete;
    Spread& operator=(const Spread&) = delete;

    // Of the message's call; `self` for what has no Call-ID. The key is this process's own, so that
    // nobody outside can choose a worker.
    unsigned owner(std::string_view message, unsigned self) const noexcept;

    struct Handed {
        unsigned taken = 0;
        unsigned refused = 0;
        unsigned kept = 0;
    };
    // Pushes those of a burst whose owner is not `self`, all of one owner together and in the
    // burst's order, and moves those that are kept to its front. Frees what is refused. `owners`
    // goes with `burst`, which holds at most kBurstMax.
    Handed hand_over(std::span<rte_mbuf*> burst, std::span<const unsigned> owners,
                     unsigned self) noexcept;

    // How many were taken, from the front; the rest stays the caller's. Wakes a sleeping owner.
    unsigned push(unsigned worker, rte_mbuf* const* mbufs, unsigned n) noexcept;
    unsigned pop(unsigned worker, rte_mbuf** mbufs, unsigned n) noexcept;

    // Who is to be rung. Control thread, before the workers run.
    void attach(unsigned worker, Sleeper& sleeper) noexcept { inboxes_[worker].sleeper = &sleeper; }
    // A worker about to sleep says so, then looks into its inbox once more: what is pushed after
    // that look rings.
    void set_asleep(unsigned worker, bool asleep) noexcept {
        inboxes_[worker].asleep.store(asleep, std::memory_order_relaxed);
        std::atomic_thread_fence(std::memory_order_seq_cst);
    }

private:
    struct FreeRing {
        void operator()(rte_ring* ring) const noexcept;
    };
    struct alignas(128) Inbox {
        std::unique_ptr<rte_ring, FreeRing> ring;
        Sleeper* sleeper = nullptr;
        std::atomic<bool> asleep{false};
    };

    Spread(unsigned workers, unsigned receivers) noexcept;

    unsigned workers_;
    TextKey key_;
    std::array<std::uint8_t, 256> owners_{};  // by the upper byte of a Call-ID's hash
    std::array<Inbox, kWorkersMax> inboxes_;
};

}  // namespace lb::io
