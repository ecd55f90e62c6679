#pragma once

// From changes to generations: parts that changed are built again, put together
// with those that did not, and published to the workers as one object.
//
// Threads: the control thread only (it alone publishes).
// Cost:    changes that come together become one generation, kSoonUs after the
// first of them. When building takes
//          long (a million routes), the pause before the next one grows with
//          it, so that the loop stays free. Soon after a new table, memory goes back to the system.
// Errors:  what cannot be built is logged, and the old part stays.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dp/base/keyed_hash.h"
#include "dp/base/result.h"
#include "dp/table/snapshot.h"
#include "dp/table/tables.h"

namespace asio {
class io_context;
}

namespace lb::cp {

// How long changes waited until every worker used the generation that holds them.
struct PublisherStats {
    std::uint64_t generations = 0;  // by changed(); those of publish() do not wait
    std::chrono::microseconds last{}, longest{}, total{};
};

class Publisher {
public:
    static constexpr std::int64_t kSoonUs = 500;

    enum Part : unsigned {
        kState = 1,  // states of destinations: round-robin pointers stay
        kTable = 2,  // destinations or services themselves: new pointers
        kNetwork = 4,
        kNames = 8,
        kAll = kState | kTable | kNetwork | kNames,
    };
    // Where the parts come from.
    struct Sources {
        // `previous`: the one in force, or null; `keep_cursors`: nothing but states
        // has changed.
        std::function<Result<std::unique_ptr<const table::Dispatch>>(
            const table::Dispatch* previous, bool keep_cursors)>
            dispatch;
        std::function<table::NetworkState()> network;
        std::function<std::vector<table::ResolvedName>()> names;
        std::function<void(unsigned parts)> published;  // after each generation; may be empty
    };
    Publisher(asio::io_context& io, Sources sources, const Secret& secret, bool verify_checksums);
    ~Publisher();
    Publisher(const Publisher&) = delete;
    Publisher& operator=(const Publisher&) = delete;

    // Something of these parts changed: a new generation soon.
    void changed(unsigned parts);
    // At once, with whatever waits. The error is why the old dispatch part stays;
    // the rest is published.
    Status publish(unsigned parts);
    void set_verify_checksums(bool verify);

    const table::Snapshot<table::Tables>& snapshot() const noexcept;
    const table::Tables& tables() const noexcept { return snapshot().read(); }
    std::size_t memory_bytes() const noexcept;
    const PublisherStats& stats() const noexcept;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace lb::cp
