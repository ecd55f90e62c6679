#pragma once

// The control plane's model of the `dispatcher` table at run time: sets and destinations in
// Kamailio's order, their states, and the operations that RPC commands and probe results make on
// it. Pure: no clock, no I/O, no DNS; whoever calls supplies them.
//
// Threads: the control thread only.
// Source:  spec/dispatcher.md 3, 4, 6; golden/kamcmd s01-s08.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cp/destination.h"
#include "cp/row_table.h"
#include "dp/base/address.h"
#include "dp/base/result.h"
#include "dp/table/dispatch.h"
#include "dp/table/tables.h"

namespace lb::cp {

// A change of one destination's state, for logs, events and tables.
struct StateChange {
    enum class Cause : std::uint8_t { kProbe, kCommand, kReload };

    table::DestinationId id{};
    std::int32_t setid = 0;
    std::string uri;
    std::uint32_t old_flags = 0;
    std::uint32_t new_flags = 0;
    Cause cause = Cause::kCommand;

    bool skipped_changed() const noexcept {
        return ((old_flags & table::kSkipped) != 0) != ((new_flags & table::kSkipped) != 0);
    }
};

// Told once, before a load asks its Resolver, which names it is going to ask for.
using NamesHook = std::function<void(std::span<const DestinationUri>)>;

// Resolves a host to endpoints (port 0: by SRV or 5060). Tests give a table, the daemon its DNS
// cache.
using Resolver = std::function<Result<std::vector<Endpoint>>(const DestinationUri&)>;

struct DispatcherOptions {
    bool load_mode_strict = false;   // ds_load_mode = 1
    bool reload_keeps_state = true;  // design.md section 11
    bool attrs_none = false;         // ds_attrs_none
    std::uint32_t dns_mode = 1;      // ds_dns_mode
    std::uint32_t probing_mode = 0;
    std::uint32_t probing_threshold = 1;
    std::uint32_t inactive_threshold = 1;
    // A fresh destination that will be probed gets no traffic before its first result. Only with an
    // interval: without one it would wait for ever.
    bool hold_until_probed = false;
    bool latency_stats = false;
    bool retain_latency = false;  // ds_retain_latency_stats: over a reload that forgets the rest
    bool call_load = false;       // ds_hash_size > 0: dispatcher.list shows RUNTIME
    std::function<std::uint32_t(table::DestinationId)> load_of;  // calls; empty: none
    bool newer_output = false;         // compat = "6.1": IDX, IUID, N letter, overload fields
    std::int32_t latency_alpha = 900;  // per mille, 5.6 meaning
    std::function<bool(std::string_view)> is_local_socket;    // attr socket; empty: all accepted
    std::function<bool(std::string_view)> is_local_sockname;  // attr sockname; likewise
};

class Dispatcher {
public:
    explicit Dispatcher(DispatcherOptions options);

    // Replaces everything by `rows`, in their order. `bad_rows`: those refused, one sentence each
    // that names the row. Fails (and changes nothing) in strict mode with a bad row, or with
    // `all_or_nothing` and a bad row.
    struct LoadReport {
        std::size_t loaded = 0;
        std::vector<std::string> bad_rows;
        std::vector<std::string> warnings;  // rows that serve, though not as written
    };
    Result<LoadReport> load(const RowTable& rows, const Resolver& resolve, bool all_or_nothing,
                            const NamesHook& names = {});

    // RPC dispatcher.add / remove (spec 6.1, order as design.md section 11). A refused row is an
    // error here and changes nothing; Kamailio's RPC says Ok to it unless ds_load_mode is 1.
    // Removing what is not there is no error, a URI that is none is.
    Status add(const DestinationRow& row, const Resolver& resolve);
    Status remove(std::int32_t setid, std::string_view uri);

    // RPC set_state / set_duid_state: writes the bits (spec 4.6; configured bits 16 and 32 stay).
    // `target` is a URI or duid, or "all". The next load() forgets them; what puts a destination in
    // service also takes back what probing has learned of it so far.
    Status set_state(std::int32_t setid, std::string_view uri, std::uint32_t bits);
    Status set_duid_state(std::int32_t setid, std::string_view duid, std::uint32_t bits);

    // Takes destinations out of service for new calls, or back in: `target` is a URI, a duid or
    // "all". Outlives a reload (same set, URI and duid) and probe results; set_state ends it, as
    // the operator's last word. Errors name what there is.
    Status drain(std::int32_t setid, std::string_view target, bool draining);

    // A probe's verdict, or a mark: the state machine of spec 4.2.
    void probe_result(table::DestinationId id, bool success, std::optional<std::int32_t> latency_ms,
                      bool timed_out);
    // A later look-up of the host (ds_dns_mode 4, flag 16). Empty: unreachable until the next one.
    void resolved(table::DestinationId id, const std::vector<Endpoint>& endpoints);

    // In the order of dispatcher.list: post-order of the AVL tree that grew in order of appearance
    // (6.3).
    const std::vector<DestinationSet>& sets() const noexcept;
    DestinationSet* find_set(std::int32_t id) noexcept;
    Destination* find(table::DestinationId id) noexcept;
    std::size_t size() const noexcept;      // destinations in all sets
    std::size_t draining() const noexcept;  // of these, those that are drained

    // Changes since the last call, in order, for logs, events and a new generation of tables.
    std::vector<StateChange> take_changes();
    // Grows with each change of anything that the workers' tables depend on.
    std::uint64_t version() const noexcept;
    // Another number for each table: after a load, an add or a remove, in this model or another.
    std::uint64_t table_version() const noexcept;
    // Grows with each latency sample: of interest where a service selects by latency (13).
    std::uint64_t latency_version() const noexcept;

    const DispatcherOptions& options() const noexcept;

    // The workers' view of the sets, in the order of sets(). `listener_of` maps a socket/sockname
    // attribute to a listener.
    using ListenerOf = std::function<table::ListenerIndex(const Attributes&)>;
    std::vector<table::Set> table_sets(const ListenerOf& listener_of) const;
    // Of those alone that have changed since `then`; nothing if a load, an add or a remove came in
    // between. Cost: 8 bytes read for each set, and what has changed.
    std::optional<std::vector<table::Set>> changed_sets(table::Origin then,
                                                        const ListenerOf& listener_of) const;
    table::Origin origin() const noexcept;  // now

    // The same again, to try a change on.
    std::unique_ptr<Dispatcher> clone() const;
    // The same table and states under other options, which count from the next load() on.
    std::unique_ptr<Dispatcher> clone(DispatcherOptions options) const;

    ~Dispatcher();
    Dispatcher(const Dispatcher&) = delete;
    Dispatcher& operator=(const Dispatcher&) = delete;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace lb::cp
