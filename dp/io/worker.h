#pragma once

// One worker: takes frames from its receive queues, has route() decide, and carries each verdict
// out. Run to completion; nothing it writes is shared but its counters.
//
//   receive burst -> prefetch -> for each frame: route() -> settle() -> flush
//
// Threads:   run() on the worker's own thread; stop() and counters() from any.
// Bounds:    one burst per queue and turn; kInjectMax frames from the kernel per turn; frames to
// the kernel by a
//            budget (PuntBudget), so that a flood of other traffic cannot take the core from SIP.
// Idle:      kAdaptive polls for kSpinUs after the last frame, then sleeps, offline for RCU, on the
//            devices' own descriptors; a device without one is looked at every kNapUs. kPoll never
//            sleeps.
// Invariant: received = forwarded + replied + punted + held + sum(dropped), in each reading of the
// counters.

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dp/core/counters.h"
#include "dp/core/path_mtus.h"
#include "dp/core/route.h"
#include "dp/io/mbuf_pool.h"
#include "dp/io/port.h"
#include "dp/io/slow_path.h"
#include "dp/io/spread.h"
#include "dp/io/tap.h"
#include "dp/io/trace.h"
#include "dp/table/snapshot.h"

namespace lb::io {

enum class IdleMode : std::uint8_t { kAdaptive, kPoll };

// core::route, or a stand-in of a test.
using RouteFunction = core::Verdict (*)(net::Packet&, const table::Tables&,
                                        core::Scratch&) noexcept;

// What all workers share. Everything outlives the workers; vectors do not change while they run.
struct Devices {
    std::vector<Port*> ports;       // by device index, as in net::Packet::device
    std::vector<const Tap*> twins;  // by table::InterfaceIndex; null: none
    SlowPath* slow_path = nullptr;  // null: such frames are dropped
    const table::Snapshot<TraceSession>* traces = nullptr;  // null: nobody follows messages
    Spread* spread = nullptr;                               // null: a worker keeps what it receives
    core::PathMtus* path_mtus = nullptr;                    // null: nobody listens to routers
    const MbufPool* frames = nullptr;
    const MbufPool* jumbos = nullptr;
};

struct WorkerConfig {
    unsigned index = 0;    // 0-based: its queue on each port; the first one also reads the twins
    unsigned workers = 1;  // in all
    IdleMode idle = IdleMode::kAdaptive;
    RouteFunction route = nullptr;
    std::size_t transactions = kTransactionsDefault;  // that it remembers
};

class Worker {
public:
    static constexpr std::int64_t kSpinUs = 50;
    static constexpr std::int64_t kNapUs = 80;
    static constexpr unsigned kInjectMax = 64;

    // REQUIRES: an Eal; at most 64 workers. kExhausted: no memory for so many transactions.
    static Result<std::unique_ptr<Worker>> create(const WorkerConfig& config,
                                                  const Devices& devices,
                                                  const table::Snapshot<table::Tables>& snapshot);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // Turns until stop(), then sends what is left.
    void run() noexcept;
    void stop() noexcept;

    // One turn: true when there was anything to do. REQUIRES: enter() on this thread before;
    // leave() after the last. run() does both; tests turn by hand.
    bool run_once() noexcept;
    void enter() noexcept;
    void leave() noexcept;

    core::CounterValues counters() const noexcept;
    // What one destination got from this worker (table::Member::slot). Any thread.
    core::TrafficValues traffic(std::uint32_t slot) const noexcept;

private:
    struct Impl;
    explicit Worker(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace lb::io
