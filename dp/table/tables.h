#pragma once

// Tables: all that the workers read, as one immutable object with a generation number. Made of two
// parts that change at different times and are shared between generations.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dp/base/assert.h"
#include "dp/base/keyed_hash.h"
#include "dp/table/cursors.h"
#include "dp/table/dispatch.h"
#include "dp/table/endpoint_index.h"
#include "dp/table/network.h"
#include "dp/table/shortcuts.h"

namespace lb::table {

class CallLoad;
class PvarProgram;
class SetPlan;

struct SetAlgorithm {
    std::int32_t set = 0;
    Algorithm algorithm = Algorithm::kCallId;
};

// Where a destination stands in one Dispatch.
struct MemberPosition {
    std::uint32_t set = 0;     // index in sets()
    std::uint32_t member = 0;  // index in its members
};

// The sets of a Dispatch, to go through like a vector. Cheap to copy; valid as long as the
// Dispatch.
class SetList {
public:
    class Iterator {
    public:
        using iterator_category = std::forward_iterator_tag;
        using value_type = Set;
        using difference_type = std::ptrdiff_t;
        using pointer = const Set*;
        using reference = const Set&;

        Iterator() = default;
        explicit Iterator(const Set* const* at) noexcept : at_(at) {}
        const Set& operator*() const noexcept { return **at_; }
        const Set* operator->() const noexcept { return *at_; }
        Iterator& operator++() noexcept {
            ++at_;
            return *this;
        }
        Iterator operator++(int) noexcept { return Iterator(at_++); }
        difference_type operator-(const Iterator& other) const noexcept { return at_ - other.at_; }
        bool operator==(const Iterator&) const noexcept = default;

    private:
        const Set* const* at_ = nullptr;
    };

    explicit SetList(std::span<const Set* const> sets) noexcept : sets_(sets) {}
    Iterator begin() const noexcept { return Iterator(sets_.data()); }
    Iterator end() const noexcept { return Iterator(sets_.data() + sets_.size()); }
    std::size_t size() const noexcept { return sets_.size(); }
    const Set& operator[](std::size_t index) const noexcept { return *sets_[index]; }
    std::vector<Set> copy() const { return {begin(), end()}; }

private:
    std::span<const Set* const> sets_;
};

// What requests to one listener ask for: found once, when a generation is built.
struct Entrance {
    const Listener* listener = nullptr;
    const Service* service = nullptr;
    // How the usual request finds its destination: by the Call-ID alone, in one set. Null: there
    // are rules, another algorithm, drained members, or a host to set.
    const SetPlan* call_id_plan = nullptr;
    const Member* members = nullptr;  // of that set
    // Of the listener, as its service wants them: by whether there is a Record-Route.
    const TopText* tops = nullptr;
};

// Which state of the control plane's model a Dispatch was made from; 0 in `table`: of none.
struct Origin {
    std::uint64_t table = 0;     // another number for each set of destinations
    std::uint64_t revision = 0;  // grows with every change of a state

    friend bool operator==(const Origin&, const Origin&) noexcept = default;
};

// Services, listeners, sets, and the indexes over them. What one generation has in common with the
// next is one object for both: a set, its plan, the indexes.
//
// Threads: immutable after build(); any thread reads. Two exceptions, each safe by its own rules:
// every
//          worker writes its own row of cursors(), and calls() is made of atomics.
// Cost:    every find_ is O(1).
class Dispatch {
public:
    struct Input {
        std::vector<Listener> listeners;
        std::vector<Service> services;
        std::vector<Set> sets;
        SelectOptions select;

        // The round-robin pointers. After a state change: previous->cursors(), so that nobody
        // starts anew. After a reload, add or remove: null, and new ones are made (spec 3.8). New
        // ones are also made when the number of sets or workers is not that of the block given.
        std::shared_ptr<CursorBlock> cursors;
        std::size_t workers = 1;
        std::uint64_t seed = 0x5eed;  // of the shuffles of algorithms 9 and 11

        // The generation before, or null: what did not change is shared with it instead of being
        // computed again. Only read during build().
        const Dispatch* previous = nullptr;
        // The loads of algorithm 10, one object for the life of the process; null: nobody uses it.
        std::shared_ptr<CallLoad> calls;
        Origin origin;
        // Algorithms to prepare besides those that services and rules name (for `explain`,
        // previews).
        std::vector<SetAlgorithm> also_prepare;
    };
    static std::unique_ptr<const Dispatch> build(Input input);

    // The generation after `previous`, in which `changed` take the place of the sets with their
    // ids, round-robin pointers and all else as before. REQUIRES: `previous` has each id.
    // Cost: that of the changed sets, and 8 bytes for each other one.
    static std::unique_ptr<const Dispatch> with_changed(const Dispatch& previous,
                                                        std::vector<Set> changed, Origin origin);
    ~Dispatch();

    const std::vector<Listener>& listeners() const noexcept { return *hot_.listeners; }
    const std::vector<Service>& services() const noexcept { return *hot_.services; }
    SetList sets() const noexcept;
    const SelectOptions& select_options() const noexcept;

    // REQUIRES: listener < listeners().size().
    const Entrance& entrance(ListenerIndex listener) const noexcept {
        return hot_.entrances[listener];
    }
    // kNoListener if nobody listens there.
    ListenerIndex find_listener(const Endpoint& endpoint) const noexcept {
        static_assert(kNoListener == static_cast<ListenerIndex>(EndpointIndex::kNone));
        return static_cast<ListenerIndex>(hot_.listener_index->find(endpoint));
    }
    // By its listener_mark(). kNoListener if nobody has it. Cost: O(log listeners).
    ListenerIndex find_marked_listener(std::uint64_t mark) const noexcept;
    const Set* find_set(std::int32_t id) const noexcept;
    // find_set(services()[service].set), known since build(). REQUIRES: service <
    // services().size().
    const Set* set_of_service(std::uint32_t service) const noexcept {
        return hot_.service_sets[service];
    }
    // False if the destination is in no set.
    bool find_member(DestinationId id, MemberPosition& position) const noexcept;

    // True if `source` is the address of a destination, and its port equal or the destination's URI
    // without port: what ds_is_from_list() asks (spec/dispatcher.md 8). Any state.
    bool is_destination(const Endpoint& source) const noexcept {
        return find_traffic_slot(source) != kNotADestination;
    }
    // The same question; where its counters are (Member::slot, of the first in order if several
    // destinations share an address), or kNotADestination.
    static constexpr std::uint32_t kNotADestination = 0xffffffff;
    std::uint32_t find_traffic_slot(const Endpoint& source) const noexcept {
        static_assert(kNotADestination == SourceIndex::kNone && kNoTrafficSlot != kNotADestination);
        return hot_.sources->find(source);
    }

    Origin origin() const noexcept;

    // For choose(). REQUIRES: `set` is one of sets().
    std::uint32_t index_of(const Set& set) const noexcept {
        LB_ASSERT(set.index < hot_.sets);
        return set.index;
    }
    const SetPlan& plan(const Set& set) const noexcept { return *hot_.plans[index_of(set)]; }
    const PvarProgram& hash_program() const noexcept;
    const std::shared_ptr<CursorBlock>& cursors() const noexcept;
    CallLoad* calls() const noexcept { return hot_.calls; }  // null: nobody uses algorithm 10

    // What this generation holds, shared or not. Cost: O(sets / 64).
    std::size_t memory_bytes() const noexcept;

private:
    Dispatch();
    struct Impl;
    void point();
    Entrance make_entrance(const Listener& listener) const;
    std::unique_ptr<Impl> impl_;

    // What every packet asks, to be answered inline: into impl_ and what it shares.
    struct Hot {
        const std::vector<Listener>* listeners = nullptr;
        const std::vector<Service>* services = nullptr;
        const EndpointIndex* listener_index = nullptr;
        const SourceIndex* sources = nullptr;
        CallLoad* calls = nullptr;
        const Entrance* entrances = nullptr;       // by listener
        const Set* const* service_sets = nullptr;  // by service; null: it has none
        const SetPlan* const* plans = nullptr;     // by set
        std::size_t sets = 0;
    } hot_;
};

// A host name in a Route or R-URI that the control plane has resolved (never a worker).
struct ResolvedName {
    std::string key;                  // lower case "host" or "host:port" as it stood in the URI
    std::vector<Endpoint> endpoints;  // empty: known not to resolve
};

struct Tables {
    std::uint64_t generation = 0;
    std::shared_ptr<const Network> network;
    std::shared_ptr<const Dispatch> dispatch;
    std::shared_ptr<const std::vector<ResolvedName>> names;  // sorted by key; may be null
    Secret secret;
    bool verify_checksums = true;
    // Of that network and dispatch, or says nothing.
    std::shared_ptr<const Shortcuts> shortcuts = std::make_shared<const Shortcuts>();

    // To be called whenever one of the two was replaced. `previous`: another generation, or null;
    // what did not change is shared with it. REQUIRES: both.
    void find_shortcuts(const Tables* previous = nullptr) {
        const bool same = previous != nullptr && previous->network == network;
        shortcuts = std::make_shared<const Shortcuts>(*network, *dispatch,
                                                      same ? previous->shortcuts.get() : nullptr);
    }
};

}  // namespace lb::table
