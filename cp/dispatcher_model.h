#pragma once

// The inside of Dispatcher, shared by the files that implement it; nobody else includes this.

#include <atomic>
#include <bit>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cp/dispatcher.h"
#include "probe/health.h"

namespace lb::cp {

inline constexpr std::uint32_t kOurFlags = table::kDraining;  // never of a row

inline probe::HealthRules rules_of(const DispatcherOptions& options) {
    return {static_cast<probe::Mode>(options.probing_mode), options.probing_threshold,
            options.inactive_threshold};
}

// Where a destination stands in the sets.
struct Place {
    std::uint32_t set = 0, member = 0;
};

// From DestinationId to Place: numbers of destinations in the order of the sets, in a hash table of
// their own. 10 bytes a destination.
class PlaceIndex {
public:
    void build(std::span<const DestinationSet> sets);
    // Nothing if no destination has this id. REQUIRES: the sets of build(), members in their place.
    std::optional<Place> find(std::span<const DestinationSet> sets,
                              table::DestinationId id) const noexcept;
    std::size_t size() const noexcept { return starts_.empty() ? 0 : starts_.back(); }

private:
    static constexpr std::uint32_t kFree = 0xffffffff;

    std::size_t slot_of(table::DestinationId id) const noexcept;
    Place place_of(std::uint32_t number) const noexcept;

    std::vector<std::uint32_t> starts_;  // number of each set's first member; at the end, of all
    std::vector<std::uint32_t> slots_;   // at most half full
};

struct Dispatcher::Impl {
    explicit Impl(DispatcherOptions given) : options(std::move(given)) {}

    DispatcherOptions options;
    std::vector<DestinationSet> sets;      // in listing order
    std::vector<std::int32_t> appearance;  // set ids as their first rows came
    std::unordered_map<std::int32_t, std::uint32_t> set_index;
    PlaceIndex places;
    std::vector<StateChange> changes;
    std::uint64_t version = 1, latency_version = 1;
    std::uint64_t revision = 1;  // of the sets: grows with either
    std::uint64_t table_version = 0;
    std::size_t draining = 0;                                        // destinations with kDraining
    static inline std::atomic<std::uint64_t> next_table_version{1};  // tests have several threads
    std::uint32_t next_id = 1;
    // A slot that was given up rests until the next change of the table: until then workers may
    // still count in it for its old destination.
    enum class Slot : std::uint8_t { kFree, kUsed, kResting };
    std::vector<Slot> slots;
    std::vector<std::uint32_t> free_slots;

    table::DestinationId new_id();
    std::uint32_t new_slot();
    void recycle_slots();
    void order_sets();
    void index_all();
    void adopt(std::vector<DestinationSet>& next);
    void adopt_set(DestinationSet& next, const DestinationSet* old);
    void adopt_one(Destination& next, const Destination& old);
    void adopt_state(Destination& next, const Destination& old) const;
    void touch(DestinationSet& set) { set.revision = ++revision; }
    void set_flags(DestinationSet& set, Destination& d, std::uint32_t flags,
                   StateChange::Cause cause);
    void write_state(DestinationSet& set, Destination& d, std::uint32_t bits);
    void sample(DestinationSet& set, Destination& d, std::int32_t ms);
    DestinationSet* find_set(std::int32_t id) noexcept;
};

// Moves the texts of the members, wherever they are, into a block of the set's own.
void own_texts(DestinationSet& set);

}  // namespace lb::cp
