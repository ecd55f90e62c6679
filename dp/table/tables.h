#pragma once

// Tables: all that the workers read, as one immutable object with a generation number. Made of two parts
// that change at different times and are shared between generations.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dp/base/keyed_hash.h"
#include "dp/table/dispatch.h"
#include "dp/table/network.h"

namespace lb::table {

// Services, listeners, sets, and the indexes over them.
//
// Threads: immutable after build(); any thread reads. Cost: every find_ is O(1).
class Dispatch {
public:
    struct Input {
        std::vector<Listener> listeners;
        std::vector<Service> services;
        std::vector<Set> sets;
        SelectOptions select;
    };
    static std::unique_ptr<const Dispatch> build(Input input);
    ~Dispatch();

    const std::vector<Listener>& listeners() const noexcept;
    const std::vector<Service>& services() const noexcept;
    const std::vector<Set>& sets() const noexcept;
    const SelectOptions& select_options() const noexcept;

    // kNoListener if nobody listens there.
    ListenerIndex find_listener(const Endpoint& endpoint) const noexcept;
    const Set* find_set(std::int32_t id) const noexcept;

    // True if `source` is the address of a destination, and its port equal or the destination's URI
    // without port: what ds_is_from_list() asks (spec/dispatcher.md 8). Any state.
    bool is_destination(const Endpoint& source) const noexcept;

    std::size_t memory_bytes() const noexcept;

private:
    Dispatch();
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// A host name in a Route or R-URI that the control plane has resolved (never a worker).
struct ResolvedName {
    std::string key;  // lower case "host" or "host:port" as it stood in the URI
    std::vector<Endpoint> endpoints;  // empty: known not to resolve
};

struct Tables {
    std::uint64_t generation = 0;
    std::shared_ptr<const Network> network;
    std::shared_ptr<const Dispatch> dispatch;
    std::shared_ptr<const std::vector<ResolvedName>> names;  // sorted by key; may be null
    Secret secret;
    bool verify_checksums = true;
};

}  // namespace lb::table
