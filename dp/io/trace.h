#pragma once

// Copies of messages on their way to whoever follows them (siplane.trace): one ring per worker,
// there only while a trace runs.
//
// Bounds:  kTraceRingBytes per worker; a message that finds no room is counted as lost, nobody
//          waits.
// Threads: TraceTap: its worker. Tracing: the control thread.
// Cost:    without a trace one load a turn and a branch on a member a message; with one, a second
//          parse of each message to a service, and two copies of those that match.

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "dp/base/limits.h"
#include "dp/core/message_trace.h"
#include "dp/core/route.h"
#include "dp/table/snapshot.h"

namespace lb::io {

inline constexpr std::size_t kTraceRingBytes = std::size_t{1} << 20;
// What one frame may take: a datagram of the largest size and its headers.
inline constexpr std::size_t kTraceFrameMax = kDatagramMax + kHeadroom;

// What stands in a ring in front of a message's frames.
struct TraceHead {
    std::uint32_t size = 0;  // of the record with this, in bytes; kSkip: go on at the ring's begin
    std::uint32_t received_size = 0, sent_size = 0;
    std::uint32_t slot = kNoTrafficSlot;
    std::uint64_t ticks = 0;  // of the time-stamp counter
    core::Verdict verdict;
    std::uint16_t device = 0, vlan = net::kNoVlan;
    bool dispatched = false;

    static constexpr std::uint32_t kSkip = 0xffffffff;
};

// Records of any size, one writer, one reader, no waiting.
class TraceRing {
public:
    // `size`: a power of two, in bytes.
    explicit TraceRing(std::size_t size);

    // Writer. Fills in head.size; false: no room, counted.
    bool push(TraceHead& head, ConstBytes received, ConstBytes sent) noexcept;
    std::uint64_t lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

    // Reader: the oldest record, valid until pop(). False: none.
    bool front(TraceHead& head, ConstBytes& received, ConstBytes& sent) noexcept;
    void pop() noexcept;

private:
    std::vector<std::uint8_t> bytes_;
    std::size_t shown_ = 0;                           // size of the record that front() gave
    alignas(64) std::atomic<std::uint64_t> head_{0};  // bytes ever written
    std::atomic<std::uint64_t> lost_{0};
    alignas(64) std::atomic<std::uint64_t> tail_{0};  // bytes ever read
};

// One trace. Its filter does not change; each worker writes its own ring. No rings: no trace.
struct TraceSession {
    core::TraceFilter filter;
    std::vector<std::shared_ptr<TraceRing>> rings;  // by worker
};

// A worker's end.
class TraceTap {
public:
    TraceTap();
    ~TraceTap();
    TraceTap(const TraceTap&) = delete;
    TraceTap& operator=(const TraceTap&) = delete;

    // Each turn, with the session of that turn.
    void begin_turn(const TraceSession& session, unsigned worker, std::uint64_t ticks) noexcept {
        session_ = worker < session.rings.size() ? &session : nullptr;
        worker_ = worker;
        ticks_ = ticks;
    }
    bool active() const noexcept { return session_ != nullptr; }

    // REQUIRES of both: active(). received() before route(), which edits in place; decided() after.
    void received(const net::Packet& packet, const table::Tables& tables) noexcept;
    void decided(const net::Packet& packet, core::Verdict verdict,
                 const core::Scratch& scratch) noexcept;

private:
    struct Copies;
    bool copy_sent(const net::Packet& packet, Endpoint& target) noexcept;

    const TraceSession* session_ = nullptr;
    unsigned worker_ = 0;
    std::uint64_t ticks_ = 0;
    bool wanted_ = false;  // the frame that received() saw last may match
    std::unique_ptr<Copies> copies_;
};

// The control thread's end.
class Tracing {
public:
    explicit Tracing(std::size_t workers);

    const table::Snapshot<TraceSession>& sessions() const noexcept { return sessions_; }

    // A trace that runs is replaced, and what is left in its rings forgotten.
    void start(core::TraceFilter filter);
    // Returns when no worker writes any more; drain() then gives the rest.
    void stop();

    using Take = std::function<void(const core::TracedMessage&)>;
    // What has come since the last call, in the order of time. The bytes live until `take` returns.
    void drain(const Take& take);
    std::uint64_t lost() const noexcept;  // messages of this trace that found no room

private:
    std::size_t workers_;
    table::Snapshot<TraceSession> sessions_;
    std::vector<std::shared_ptr<TraceRing>> rings_;
};

}  // namespace lb::io
