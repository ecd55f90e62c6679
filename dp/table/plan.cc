#include "dp/table/plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "dp/base/keyed_hash.h"
#include "dp/table/call_load.h"
#include "dp/table/random.h"

namespace lb::table {
namespace {

// Kamailio's hundred slots give what rounding leaves over to the last member. Up to so many we do
// the same, so that shares are those that operators know; beyond, turns are exact (design.md
// section 11).
constexpr std::uint32_t kRoundingRestMax = 4;

// How far a key looks for a usable slot of the ring before it walks the set instead: with a tenth
// of the members alive one key in a thousand gets there.
constexpr int kRingTriesMax = 64;

// The same on every node, for ever: changing it moves every call.
constexpr HashKey kIdentityKey{0x7369706c616e6521, 0x6d61676c65762031};

std::uint32_t step(std::uint32_t& cursor, std::uint32_t length) noexcept {
    const std::uint32_t at = cursor < length ? cursor : 0;
    cursor = at + 1 == length ? 0 : at + 1;
    return at;
}

// Spec 2.8: the running priority of one member, or -1 if it is unusable.
std::int64_t latency_rank(const Member& member) noexcept {
    if (member.skipped()) return -1;
    const float figure = member.congestion_control
                             ? member.latency_estimate - member.latency_average
                             : member.latency_estimate;
    const auto latency =
        std::isfinite(figure) ? static_cast<std::int64_t>(std::clamp(figure, -1e9F, 1e9F)) : 0;
    const std::int64_t priority = member.priority;
    if (priority <= 0) return priority;
    const std::int64_t handicap = latency > priority ? latency / priority : 0;
    return std::max<std::int64_t>(priority - handicap, 1);
}

std::vector<std::uint32_t> member_weights(const Set& set, std::size_t count) {
    std::vector<std::uint32_t> weights;
    weights.reserve(count);
    for (std::size_t i = 0; i < count; ++i) weights.push_back(set.members[i].weight);
    return weights;
}

// Algorithm 14 (spec 2.4): all priorities the same and above 0.
bool is_round_robin_for_mixed(const Set& set) {
    return !set.members.empty() && set.members.front().priority > 0 &&
           std::ranges::all_of(set.members, [&](const Member& member) {
               return member.priority == set.members.front().priority;
           });
}

// The walk of spec 2.8: `start`, then each next index modulo the eligible ones, as many as there
// are members.
std::vector<std::uint32_t> latency_walk(std::uint32_t start, std::uint32_t members,
                                        std::uint32_t eligible) {
    std::vector<std::uint32_t> walk(members);
    for (std::uint32_t& index : walk) {
        index = start;
        start = (start + 1) % eligible;
    }
    return walk;
}

}  // namespace

std::uint32_t plan_parts(Algorithm algorithm) noexcept {
    switch (algorithm) {
        case Algorithm::kWeight:
            return kPlanWeight;
        case Algorithm::kRelativeWeight:
            return kPlanRelativeWeight;
        case Algorithm::kPriorityWeight:
            return kPlanPriorityWeight;
        case Algorithm::kLatency:
            return kPlanLatency;
        case Algorithm::kMaglev:
            return kPlanMaglev;
        case Algorithm::kRendezvous:
            return kPlanRendezvous;
        case Algorithm::kCallLoad:
            return kPlanCallLoad;
        default:
            return 0;
    }
}

std::vector<std::uint64_t> member_identities(const Set& set, std::size_t count) {
    std::vector<std::uint64_t> identities;
    std::map<std::uint64_t, std::uint64_t> seen;
    for (std::size_t i = 0; i < count; ++i) {
        const MemberText text = set.texts[set.members[i].text];
        std::string together(text.uri);
        (together += '\n') += text.duid;
        const std::uint64_t identity = siphash_2_4(kIdentityKey, as_bytes(together));
        identities.push_back(mix64(identity + seen[identity]++));
    }
    return identities;
}

void SetPlan::find_usable(const Set& set, bool use_default) {
    members_ = static_cast<std::uint32_t>(set.members.size());
    eligible_ = use_default && members_ > 1 ? members_ - 1 : members_;
    if (eligible_ != 0) reciprocal_ = ~std::uint64_t{0} / eligible_ + 1;
    if (std::ranges::none_of(set.members, &Member::skipped)) return;

    usable_.reserve(members_);
    for (const Member& member : set.members) usable_.push_back(!member.skipped());
    const std::uint32_t none = has_default() && usable_[members_ - 1] ? members_ - 1 : kNoIndex;

    // From the end to the front, twice around, so that the end knows who follows at the front.
    next_usable_.assign(eligible_, none);
    std::uint32_t next = none;
    for (int turn = 0; turn < 2; ++turn) {
        for (std::uint32_t i = eligible_; i-- > 0;) {
            if (usable_[i]) next = i;
            next_usable_[i] = next;
        }
    }
}

// Spec 2.5.
void SetPlan::build_weight(const Set& set, std::uint64_t seed) {
    if (set.members.empty() || set.members.front().weight == 0) return;
    std::vector<Share> shares;
    for (std::uint32_t i = 0; i < members_; ++i) shares.push_back({i, set.members[i].weight});
    weight_ = std::make_unique<Hundred>(fill_hundred(shares, members_ - 1, seed));
}

// Spec 2.6. With no usable weight left, Kamailio keeps the last table it had; a table is a function
// of the set here, so the weights of all members stand in for it and spec 2.3 walks on from them.
void SetPlan::build_relative_weight(const Set& set, std::uint64_t seed) {
    if (members_ < 2) return;
    std::vector<Share> shares;
    const auto collect = [&](bool usable_only) {
        for (std::uint32_t i = 0; i < members_; ++i) {
            const std::uint32_t weight = std::min<std::uint32_t>(set.members[i].rweight, kHundred);
            if (weight != 0 && (!usable_only || usable(i))) shares.push_back({i, weight});
        }
    };
    collect(true);
    if (shares.empty()) collect(false);
    if (shares.empty()) return;

    std::uint64_t sum = 0;
    for (const Share& share : shares) sum += share.weight;
    std::vector<Share> slots;
    std::uint32_t used = 0;
    for (const Share& share : shares) {
        const auto count = static_cast<std::uint32_t>(share.weight * std::uint64_t{kHundred} / sum);
        if (count != 0) slots.push_back({share.index, count});
        used += count;
    }
    if (kHundred - used <= kRoundingRestMax) {
        relative_weight_ =
            std::make_unique<Hundred>(fill_hundred(slots, slots.back().index, seed ^ 11));
    } else {
        relative_turns_ = FairTurns(shares);
    }
}

// Spec 2.9, with exact shares: the group with the lowest priority number.
void SetPlan::build_priority_weight(const Set& set) {
    std::vector<Share> group;
    std::int32_t best = 0;
    for (std::uint32_t i = 0; i < members_; ++i) {
        const Member& member = set.members[i];
        if (!usable(i) || (!group.empty() && member.priority > best)) continue;
        if (group.empty() || member.priority < best) group.clear();
        best = member.priority;
        group.push_back({i, std::min<std::uint32_t>(member.weight, kHundred)});
    }
    const bool unweighted =
        std::ranges::all_of(group, [](const Share& s) { return s.weight == 0; });
    if (unweighted) {
        for (Share& share : group) share.weight = 1;
    }
    std::erase_if(group, [](const Share& share) { return share.weight == 0; });
    if (!group.empty()) priority_turns_ = FairTurns(group);
}

std::vector<std::uint32_t> SetPlan::latency_order(const Set& set, std::uint32_t start) const {
    std::vector<std::uint32_t> order = latency_walk(start, members_, eligible_);
    std::erase_if(order, [this](std::uint32_t i) { return !usable(i); });
    std::ranges::stable_sort(order, std::ranges::greater{},
                             [&](std::uint32_t i) { return latency_rank(set.members[i]); });
    // Under use_default the walk passes some indexes twice; the first time counts.
    std::vector<bool> seen(members_, false);
    std::erase_if(order, [&](std::uint32_t i) {
        const bool again = seen[i];
        seen[i] = true;
        return again;
    });
    return order;
}

// For each start of the walk, who comes out first: the nearest of the best among the eligible ones.
// Only a start at the default member is different.
void SetPlan::build_latency(const Set& set) {
    if (members_ == 0) return;
    std::int64_t best = std::numeric_limits<std::int64_t>::min();
    bool any = false;
    for (std::uint32_t i = 0; i < eligible_; ++i) {
        if (!usable(i)) continue;
        best = std::max(best, latency_rank(set.members[i]));
        any = true;
    }
    latency_first_.assign(members_, kNoIndex);
    std::uint32_t next = kNoIndex;
    for (int turn = 0; turn < 2 && any; ++turn) {
        for (std::uint32_t i = eligible_; i-- > 0;) {
            if (usable(i) && latency_rank(set.members[i]) == best) next = i;
            latency_first_[i] = next;
        }
    }
    if (has_default()) {
        const std::vector<std::uint32_t> order = latency_order(set, members_ - 1);
        latency_first_[members_ - 1] = order.empty() ? kNoIndex : order.front();
    }
}

void SetPlan::build_maglev(const Set& set, const SetPlan* previous) {
    ring_identities_ = member_identities(set, eligible_);
    ring_weights_ = member_weights(set, eligible_);
    if (previous != nullptr && previous->ring_ && previous->ring_identities_ == ring_identities_ &&
        previous->ring_weights_ == ring_weights_) {
        ring_ = previous->ring_;
    } else {
        ring_ = std::make_shared<MaglevRing>(ring_identities_, ring_weights_);
    }
}

std::shared_ptr<const SetPlan> SetPlan::build(const Set& set, const Context& context,
                                              const SetPlan* previous) {
    auto plan = std::make_shared<SetPlan>();
    const std::uint64_t seed = mix64(context.seed + static_cast<std::uint32_t>(set.id));
    plan->find_usable(set, context.use_default);
    if (context.parts & kPlanWeight) plan->build_weight(set, seed);
    if (context.parts & kPlanRelativeWeight) plan->build_relative_weight(set, seed);
    if (context.parts & kPlanPriorityWeight) plan->build_priority_weight(set);
    if (context.parts & kPlanLatency) plan->build_latency(set);
    if (context.parts & kPlanMaglev) plan->build_maglev(set, previous);
    if (context.parts & kPlanRendezvous) {
        plan->rendezvous_ = Rendezvous(member_identities(set, plan->eligible_),
                                       member_weights(set, plan->eligible_));
    }
    if ((context.parts & kPlanCallLoad) && context.calls != nullptr) {
        plan->load_slots_ = context.calls->slots_for(set);
    }
    plan->mixed_is_round_robin_ = is_round_robin_for_mixed(set);
    if (std::ranges::any_of(set.members, &Member::draining)) {
        Set undrained = set;
        for (Member& member : undrained.members) member.flags &= ~std::uint32_t{kDraining};
        plan->for_dialogs_ = build(undrained, context, previous);
    }
    return plan;
}

std::shared_ptr<const SetPlan> PlainPlans::find(const Set& set, const SetPlan::Context& context) {
    if (context.parts != 0 || std::ranges::any_of(set.members, &Member::skipped)) return nullptr;
    const std::uint64_t mixed = is_round_robin_for_mixed(set) ? 1 : 0;
    std::shared_ptr<const SetPlan>& plan = by_size_[set.members.size() << 1 | mixed];
    if (!plan) plan = SetPlan::build(set, context, nullptr);
    return plan;
}

std::uint32_t SetPlan::weight_value(std::uint32_t& cursor) const noexcept {
    const std::uint32_t slot = step(cursor, kHundred);
    return weight_ ? (*weight_)[slot] : 0;
}

std::uint32_t SetPlan::relative_weight_value(std::uint32_t& cursor) const noexcept {
    if (relative_turns_.turn() != 0) {
        return relative_turns_.at(step(cursor, relative_turns_.turn()));
    }
    const std::uint32_t slot = step(cursor, kHundred);
    return relative_weight_ ? (*relative_weight_)[slot] : 0;
}

std::uint32_t SetPlan::priority_weight_value(std::uint32_t& cursor) const noexcept {
    if (priority_turns_.turn() == 0) return 0;
    return priority_turns_.at(step(cursor, priority_turns_.turn()));
}

std::uint32_t SetPlan::latency_first(std::uint32_t start) const noexcept {
    return start < latency_first_.size() ? latency_first_[start] : pick(start);
}

std::uint32_t SetPlan::maglev(std::uint64_t key) const noexcept {
    if (!ring_ || ring_->slots() == 0) return pick(0);
    std::uint64_t at = key;
    for (int tries = 0; tries < kRingTriesMax; ++tries) {
        const std::uint32_t index = ring_->at(at);
        if (usable(index)) return index;
        at = mix64(at + 0x9e3779b97f4a7c15);
    }
    return pick(static_cast<std::uint32_t>(key % eligible_));
}

std::uint32_t SetPlan::rendezvous(std::uint64_t key) const noexcept {
    const std::uint32_t index =
        rendezvous_.best(key, [this](std::uint32_t i) { return usable(i); });
    return index != Rendezvous::kNone ? index : pick(static_cast<std::uint32_t>(key));
}

std::size_t SetPlan::memory_bytes() const noexcept {
    std::size_t bytes = sizeof(*this) + usable_.capacity() / 8 +
                        (next_usable_.capacity() + latency_first_.capacity()) * 4 +
                        ring_identities_.capacity() * sizeof(std::uint64_t) +
                        ring_weights_.capacity() * sizeof(std::uint32_t);
    if (weight_) bytes += sizeof(Hundred);
    if (relative_weight_) bytes += sizeof(Hundred);
    if (ring_) bytes += ring_->memory_bytes();
    if (for_dialogs_) bytes += for_dialogs_->memory_bytes();
    if (load_slots_) bytes += load_slots_->size() * sizeof(LoadSlot);
    return bytes + relative_turns_.memory_bytes() + priority_turns_.memory_bytes() +
           rendezvous_.memory_bytes();
}

}  // namespace lb::table
