#pragma once

// What workers leave to the control thread: messages whose next hop's MAC is not known yet go out
// through the kernel, which resolves it; messages that need a host name wait until DNS has
// answered.
//
// Bounds:  kHeldMax frames and kHeldBytesMax bytes wait for names, each for kHeldMs; kRecentMax
// next hops are remembered. Threads: the control thread only. Invariant: taken = sent + unsent +
// held + dropped, each frame counted once.

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cp/dns.h"
#include "cp/netlink.h"
#include "cp/service_sockets.h"
#include "dp/core/route.h"
#include "dp/table/tables.h"

namespace lb::cp {

struct SlowPathCounters {
    std::uint64_t taken = 0;    // frames that workers handed over
    std::uint64_t sent = 0;     // given to the kernel
    std::uint64_t unsent = 0;   // the kernel would not take it, or the interface has no twin
    std::uint64_t held = 0;     // waiting now
    std::uint64_t dropped = 0;  // refused by route(), too many, too late, no such name
};

class SlowPath {
public:
    static constexpr std::size_t kHeldMax = 512;
    static constexpr std::size_t kHeldBytesMax = 4 * 1024 * 1024;
    static constexpr std::uint64_t kHeldMs = 5000;
    static constexpr std::size_t kRecentMax = 1024;

    using Route = core::Verdict (*)(net::Packet&, const table::Tables&, core::Scratch&) noexcept;
    struct Hooks {
        std::function<const table::Tables&()> tables;           // those published last
        std::function<unsigned(table::InterfaceIndex)> device;  // kernel index of the twin, 0: none
        std::function<void()>
            name_answered;  // publish Dns::resolved_names() soon, then call retry()
        std::function<std::uint64_t()> now_ms;  // monotonic
        Route route = nullptr;                  // core::route
    };
    // `worker`: what selection shall take this thread for, see core::WorkerState.
    SlowPath(ServiceSockets& sockets, Dns& dns, Hooks hooks, std::uint32_t worker);
    ~SlowPath();
    SlowPath(const SlowPath&) = delete;
    SlowPath& operator=(const SlowPath&) = delete;

    // One frame of a worker. `interface`: kSlowPath: the way out, kResolve: the way in.
    void take(core::Action action, table::InterfaceIndex interface, ConstBytes frame);

    // Routes again what waits for names that are known now. After each publish.
    void retry();
    // Drops what has waited too long. Every second or so.
    void expire();

    const SlowPathCounters& counters() const noexcept { return counters_; }
    // Next hops that went this way lately: the kernel shall keep their MACs.
    const std::deque<NextHop>& recent() const noexcept { return recent_; }

private:
    struct Held {
        table::InterfaceIndex interface;
        std::vector<std::uint8_t> frame;
        std::uint64_t until_ms;
    };
    void send(table::InterfaceIndex interface, ConstBytes frame);
    void route_frame(table::InterfaceIndex interface, ConstBytes frame, bool may_hold);
    void hold(table::InterfaceIndex interface, ConstBytes frame);
    net::Packet lend(const table::Interface& way_in, ConstBytes frame);
    void remember(table::InterfaceIndex interface, const Endpoint& target);
    void drop();

    ServiceSockets& sockets_;
    Dns& dns_;
    Hooks hooks_;
    SlowPathCounters counters_;
    std::multimap<std::string, Held> held_;  // by dns_key
    std::size_t held_bytes_ = 0;
    std::deque<NextHop> recent_;
    std::vector<std::uint8_t> room_;
    std::unique_ptr<core::Scratch> scratch_;
    std::shared_ptr<bool> alive_;  // answers of DNS may come after us
};

}  // namespace lb::cp
