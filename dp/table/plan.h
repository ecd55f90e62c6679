#pragma once

// What selection needs of one set, computed once when a generation is built and shared with the
// next as long as nothing in the set changes (spec/dispatcher.md 2.3-2.9).
//
// Bounds:  4 bytes a member while some are down, a table per algorithm that a service or rule
// really uses. Threads: immutable after build(); any thread reads. Cost: every question is O(1).

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "dp/table/dispatch.h"
#include "dp/table/maglev.h"
#include "dp/table/rendezvous.h"
#include "dp/table/shares.h"

namespace lb::table {

class CallLoad;
class LoadSlots;

inline constexpr std::uint32_t kNoIndex = 0xffffffff;

// The algorithms that need something prepared, as a bit each.
enum PlanParts : std::uint32_t {
    kPlanWeight = 1,
    kPlanRelativeWeight = 2,
    kPlanPriorityWeight = 4,
    kPlanLatency = 8,
    kPlanMaglev = 16,
    kPlanRendezvous = 32,
    kPlanCallLoad = 64,
};
std::uint32_t plan_parts(Algorithm algorithm) noexcept;

class SetPlan {
public:
    struct Context {
        bool use_default = false;
        std::uint32_t parts = 0;  // PlanParts
        std::uint64_t seed = 0;
        std::shared_ptr<CallLoad> calls{};  // may be null
    };
    // `previous`: the plan of the same set a generation ago, or null; its Maglev ring is taken over
    // when it still fits.
    static std::shared_ptr<const SetPlan> build(const Set& set, const Context& context,
                                                const SetPlan* previous);

    // Members that take part: all, or all but the last under use_default (n of spec 2.3).
    std::uint32_t eligible() const noexcept { return eligible_; }
    std::uint32_t members() const noexcept { return members_; }
    bool has_default() const noexcept { return eligible_ != members_; }

    // Spec 2.3: from a number to an index, past unusable members. kNoIndex: none is usable.
    std::uint32_t pick(std::uint32_t value) const noexcept {
        return members_ == 0 ? kNoIndex : pick_among(value);
    }
    // The same of a set that is not empty.
    std::uint32_t pick_among(std::uint32_t value) const noexcept {
        const std::uint32_t slot = modulo_eligible(value);
        if (next_usable_.empty()) return slot;
        return next_usable_[slot];
    }
    bool usable(std::uint32_t index) const noexcept { return usable_.empty() || usable_[index]; }

    // Algorithm 9, 11: the slots of a hundred; 11 and 15: exact turns. Value and length for a
    // cursor.
    std::uint32_t weight_value(std::uint32_t& cursor) const noexcept;
    std::uint32_t relative_weight_value(std::uint32_t& cursor) const noexcept;
    std::uint32_t priority_weight_value(std::uint32_t& cursor) const noexcept;

    // Algorithm 13: the member that the scan from `start` on puts first; kNoIndex: none is usable.
    std::uint32_t latency_first(std::uint32_t start) const noexcept;
    // Its whole order, for explain. REQUIRES: the set of build().
    std::vector<std::uint32_t> latency_order(const Set& set, std::uint32_t start) const;

    // Algorithm 14: round robin, because all priorities are the same and above 0.
    bool mixed_is_round_robin() const noexcept { return mixed_is_round_robin_; }

    // Algorithms 100 and 101. `key` is well mixed. kNoIndex: none is usable.
    std::uint32_t maglev(std::uint64_t key) const noexcept;
    std::uint32_t rendezvous(std::uint64_t key) const noexcept;

    // Algorithm 10: where the load of each member is; null without a call table.
    const LoadSlots* load_slots() const noexcept { return load_slots_.get(); }

    // The plan as if nobody were drained, for messages that belong to a call already; null: nobody
    // is. Only of use to algorithms that are a function of the message.
    const SetPlan* for_dialogs() const noexcept { return for_dialogs_.get(); }

    std::size_t memory_bytes() const noexcept;

private:
    void find_usable(const Set& set, bool use_default);
    void build_weight(const Set& set, std::uint64_t seed);
    void build_relative_weight(const Set& set, std::uint64_t seed);
    void build_priority_weight(const Set& set);
    void build_latency(const Set& set);
    void build_maglev(const Set& set, const SetPlan* previous);

    // `value` % eligible_ by two products (Lemire, Kaser and Kurz, "Faster remainder by direct
    // computation", 2019): a division takes the core as long as ten of them.
    std::uint32_t modulo_eligible(std::uint32_t value) const noexcept {
        __extension__ using Product = unsigned __int128;
        return static_cast<std::uint32_t>(static_cast<Product>(reciprocal_ * value) * eligible_ >>
                                          64);
    }

    std::uint32_t members_ = 0;
    std::uint32_t eligible_ = 0;
    std::uint64_t reciprocal_ = 0;            // 2^64 / eligible_, rounded up
    std::vector<bool> usable_;                // empty: all are
    std::vector<std::uint32_t> next_usable_;  // by slot; empty: every slot is its own
    std::unique_ptr<const Hundred> weight_;
    std::unique_ptr<const Hundred> relative_weight_;
    FairTurns relative_turns_;  // in place of relative_weight_ where a hundred is too coarse
    FairTurns priority_turns_;
    std::vector<std::uint32_t> latency_first_;  // by start
    std::shared_ptr<const MaglevRing> ring_;
    std::vector<std::uint64_t> ring_identities_;
    std::vector<std::uint32_t> ring_weights_;
    Rendezvous rendezvous_;
    std::shared_ptr<const LoadSlots> load_slots_;
    bool mixed_is_round_robin_ = false;
    std::shared_ptr<const SetPlan> for_dialogs_;
};

// Plans of sets in which every member is usable and no algorithm needs anything prepared: most of a
// large table. They differ in their size alone, so one serves all of a size.
class PlainPlans {
public:
    // Null: not such a set.
    std::shared_ptr<const SetPlan> find(const Set& set, const SetPlan::Context& context);

private:
    std::unordered_map<std::uint64_t, std::shared_ptr<const SetPlan>> by_size_;
};

// A number that stands for a destination on every node: of its URI and duid, and which of several
// such.
std::vector<std::uint64_t> member_identities(const Set& set, std::size_t count);

}  // namespace lb::table
