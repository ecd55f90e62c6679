#pragma once

// What an RPC command may see and do. The daemon (cp/appliance) implements it; tests of the RPC
// layer bring a small one of their own with a real Dispatcher behind it.
//
// Threads: the control thread only.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cp/dispatcher.h"
#include "dp/base/result.h"
#include "dp/core/counters.h"
#include "dp/core/traffic.h"
#include "dp/table/tables.h"

namespace lb::cp {

struct PortStats {
    std::string name;  // of the [[port]]
    std::string device;
    bool link_up = false;
    std::uint64_t rx_packets = 0, rx_bytes = 0, rx_missed = 0, rx_errors = 0;
    std::uint64_t tx_packets = 0, tx_bytes = 0, tx_errors = 0;
};

// The table of algorithm 10.
struct CallCounts {
    std::uint64_t calls = 0;  // in progress
    std::uint64_t refused =
        0;  // found no room: not counted, and no use to destinations with maxload
};

struct Stats {
    std::vector<core::CounterValues> workers;
    std::vector<PortStats> ports;
    CallCounts calls;                     // zero without ds_hash_size
    std::uint64_t path_mtus_learned = 0;  // messages of IPv6 routers (dp/core/path_mtus.h)
    std::uint64_t generation = 0;
    std::size_t tables_bytes = 0;
};

// A destination that takes no new calls.
struct DrainState {
    std::int32_t set = 0;
    std::string uri;
    std::uint32_t flags = 0;
    std::uint64_t draining_ms = 0;
    std::uint64_t quiet_ms = 0;    // since the last request to or from it, to about a second
    core::TrafficValues requests;  // since it is drained
};

class Tracer;

class Control {
public:
    virtual ~Control() = default;

    virtual Dispatcher& dispatcher() = 0;

    // Loads the table from its source again, all or nothing (design.md section 11).
    virtual Status reload() = 0;
    virtual Status add_destination(const DestinationRow& row) = 0;
    virtual Status remove_destination(std::int32_t setid, std::string_view uri) = 0;
    // Called after any change made through dispatcher(): publishes a new generation (soon,
    // batched).
    virtual void dispatcher_changed() = 0;

    // Any number, as Kamailio keeps it: 0 stops probing, all others let it run.
    virtual std::int32_t ping_active() const = 0;
    virtual void set_ping_active(std::int32_t state) = 0;

    // False within reload_delta seconds of the last reload, add or remove; stamps the clock
    // otherwise.
    virtual bool try_start_reload() = 0;

    // What the workers read now, for those who explain it; null: nothing yet. Valid until control
    // returns to the event loop.
    virtual const table::Tables* tables() const { return nullptr; }
    // Services and sets as reload() would make them, from the source as it is now. Touches nothing.
    virtual Result<std::unique_ptr<const table::Dispatch>> preview_reload() {
        return failed(Errc::kUnavailable, "there is nothing to preview");
    }
    // What a destination got since it is there. Zero where nobody counts.
    virtual core::TrafficValues traffic(const Destination&) const { return {}; }
    // Those that are drained, as of now.
    virtual std::vector<DrainState> draining() { return {}; }

    // Who follows messages (siplane.trace); null: nobody passes any.
    virtual Tracer* tracer() { return nullptr; }
    virtual std::string trace_directory() const { return {}; }

    // Waits until the workers have counted what they hold back, then reads.
    virtual Stats stats() const = 0;
    virtual std::int64_t start_time() const = 0;  // Unix seconds
};

}  // namespace lb::cp
