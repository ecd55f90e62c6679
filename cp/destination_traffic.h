#pragma once

// What each destination has got since it is there, and how quiet a drained one has become: the
// workers' counters by destination, whatever slot they are in.
//
// Threads: the control thread only.
// Cost:    adopt() and watch() read the workers' rows of the destinations they look at; watch()
//          looks at none while none is drained.

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "cp/control.h"
#include "cp/dispatcher.h"
#include "dp/core/traffic.h"

namespace lb::cp {

class DestinationTraffic {
public:
    using Read = std::function<core::TrafficValues(std::uint32_t slot)>;  // sum of all workers
    explicit DestinationTraffic(Read read) : read_(std::move(read)) {}

    // A new table, before workers see it: whoever has a slot anew starts from nothing.
    void adopt(const Dispatcher& dispatcher);

    core::TrafficValues of(const Destination& destination) const;

    // Looks which drained destinations got or sent something since the last call. Each second, and
    // after a command.
    void watch(Dispatcher& dispatcher, std::uint64_t now_ms);
    // Those that are drained, in the order of dispatcher.list; by what watch() saw last.
    std::vector<DrainState> draining(const Dispatcher& dispatcher, std::uint64_t now_ms) const;

private:
    struct Owner {
        table::DestinationId id{};
        core::TrafficValues before;  // of the owners before
    };
    struct Drain {
        std::uint64_t since_ms = 0;
        std::uint64_t last_ms = 0;
        core::TrafficValues at_start, seen;
    };

    Read read_;
    std::vector<Owner> owners_;                        // by slot
    std::unordered_map<std::uint32_t, Drain> drains_;  // by DestinationId
};

}  // namespace lb::cp
