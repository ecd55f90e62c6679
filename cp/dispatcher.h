#pragma once

// The control plane's model of the `dispatcher` table at run time: sets and destinations in
// Kamailio's order, their states, and the operations that RPC commands and probe results make on
// it. Pure: no clock, no I/O, no DNS; whoever calls supplies them.
//
// Threads: the control thread only.
// Source:  spec/dispatcher.md 3, 4, 6; golden/kamcmd s01-s08.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/result.h"
#include "dp/table/dispatch.h"

namespace lb::cp {

// One row as stored, before anything was checked.
struct DestinationRow {
    std::int64_t id = 0;  // database id, 0 for a list file
    std::string origin;   // names it in messages: "dispatcher row 12", "dispatcher.list:7"
    std::int64_t setid = 0;
    std::string destination;
    std::int64_t flags = 0;
    std::int64_t priority = 0;
    std::string attrs;
    std::string description;
    std::string problem;  // not empty: why the source could not make sense of it; load() refuses it
};

// Attributes of spec/dispatcher.md 3.2 that have a meaning; `body` keeps them all.
struct Attributes {
    bool given = false;  // the row's text was not empty (";" is given, though its body is empty)
    std::string body;    // as listed: one trailing ';' dropped
    std::string duid, socket, sockname, ping_socket, ping_from, obproxy;
    std::int32_t maxload = 0;
    std::int32_t weight = 0;
    std::int32_t rweight = 0;
    std::optional<std::int32_t> latency;
    bool cc = false;
    std::int32_t ocmin = 0, ocmax = 100, ocrate = 0;
};

// Latency figures of spec/dispatcher.md 5.2.
struct Latency {
    std::int32_t min = 0, max = 0;
    float average = 0, stdev = 0, estimate = 0;
    double m2 = 0;
    std::uint32_t count = 0;
    std::uint32_t timeout = 0;
};

struct Destination {
    table::DestinationId id{};
    std::int32_t setid = 0;
    std::string uri;                  // as listed
    std::string host;                 // host part, without brackets
    std::uint16_t port = 0;           // in the URI, or 0
    std::uint8_t protocol = 0;        // PROTOID: 0 none, 1 UDP, 2 TCP, 3 TLS, 4 SCTP
    std::vector<Endpoint> endpoints;  // resolved, first is IPADDR; empty: not resolved
    std::uint32_t flags = 0;          // table::StateBits, as now
    std::uint32_t configured_flags = 0;
    std::int32_t priority = 0;
    Attributes attrs;
    std::int32_t rweight = 0;  // as congestion control has it now
    Latency latency;
    std::uint32_t probing_count = 0;
    std::uint32_t dlgload = 0;

    // False for a destination that must not be looked up at load (flag 16, ds_dns_mode): list shows
    // no IPADDR then, although a literal or a later lookup gives endpoints.
    bool looked_up = false;
    // What probing alone has learned: the state that a reload goes back to (design.md section 11).
    std::uint32_t learned_flags = 0;
    std::uint32_t learned_count = 0;

    std::uint32_t slot = kNoTrafficSlot;  // of its counters in the workers, as long as its id

    bool skipped() const noexcept { return (flags & table::kSkipped) != 0; }
    bool draining() const noexcept { return (flags & table::kDraining) != 0; }
    // False for transport=tcp, sips: and the like: listed, but never selected and not to be probed.
    bool over_udp() const noexcept;
};

struct DestinationSet {
    std::int32_t id = 0;
    std::vector<Destination> members;  // index order (spec 3.4)
};

// The two letters of dispatcher.list: "AX", "IP" ... (spec 4.1); `with_n` shows the N of newer
// versions.
std::string state_letters(std::uint32_t flags, bool with_n);

// A state argument of set_state: "ip", "1", "dp" ... (spec 6.1). Errors carry Kamailio's text.
Result<std::uint32_t> parse_state(std::string_view text);

// Attributes, or why the destination is refused (spec 3.2).
// `warnings`, if given, collects sentences about values that were put right (weight=101 counts as
// 0).
Result<Attributes> parse_attributes(std::string_view text,
                                    std::vector<std::string>* warnings = nullptr);

// What a destination URI is, after the prefixing of spec 3.3 and before DNS.
struct DestinationUri {
    std::string uri;   // as stored: "sip:" prepended where it was missing
    std::string host;  // without brackets
    std::uint16_t port = 0;
    std::uint8_t protocol = 0;
    std::optional<IpAddress> literal;
};
Result<DestinationUri> parse_destination_uri(std::string_view text);

// A change of one destination's state, for logs, events and tables.
struct StateChange {
    table::DestinationId id{};
    std::int32_t setid = 0;
    std::string uri;
    std::uint32_t old_flags = 0;
    std::uint32_t new_flags = 0;
    bool by_probe = false;  // else by a command

    bool skipped_changed() const noexcept {
        return ((old_flags & table::kSkipped) != 0) != ((new_flags & table::kSkipped) != 0);
    }
};

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
    bool newer_output = false;    // compat = "6.1": IDX, IUID, N letter, overload fields
    std::int32_t latency_alpha = 900;                         // per mille, 5.6 meaning
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
    Result<LoadReport> load(const std::vector<DestinationRow>& rows, const Resolver& resolve,
                            bool all_or_nothing);

    // RPC dispatcher.add / remove (spec 6.1, order as design.md section 11). A refused row is an
    // error here and changes nothing; Kamailio's RPC says Ok to it unless ds_load_mode is 1.
    // Removing what is not there is no error, a URI that is none is.
    Status add(const DestinationRow& row, const Resolver& resolve);
    Status remove(std::int32_t setid, std::string_view uri);

    // RPC set_state / set_duid_state: writes the bits (spec 4.6; configured bits 16 and 32 stay).
    // `target` is a URI or duid, or "all".
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
    void resolved(table::DestinationId id, std::vector<Endpoint> endpoints);

    // In the order of dispatcher.list: post-order of the AVL tree that grew in order of appearance
    // (6.3).
    const std::vector<DestinationSet>& sets() const noexcept;
    DestinationSet* find_set(std::int32_t id) noexcept;
    Destination* find(table::DestinationId id) noexcept;
    std::size_t size() const noexcept;  // destinations in all sets

    // Changes since the last call, in order, for logs, events and a new generation of tables.
    std::vector<StateChange> take_changes();
    // Grows with each change of anything that the workers' tables depend on.
    std::uint64_t version() const noexcept;
    // Another number for each table: after a load, an add or a remove, in this model or another.
    std::uint64_t table_version() const noexcept;
    // Grows with each latency sample: of interest where a service selects by latency (13).
    std::uint64_t latency_version() const noexcept;

    const DispatcherOptions& options() const noexcept;

    // The workers' view of the sets. `listener_of` maps a socket/sockname attribute to a listener.
    std::vector<table::Set> table_sets(
        const std::function<table::ListenerIndex(const Attributes&)>& listener_of) const;

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
