#include "cp/dispatcher_model.h"

#include <algorithm>
#include <functional>

#include "cp/set_order.h"
#include "dp/table/random.h"

namespace lb::cp {
namespace {

// What is the same destination in the next table: set, URI and duid (design.md section 11).
std::uint64_t identity_hash(const Destination& d) noexcept {
    const std::hash<std::string_view> hash;
    constexpr std::uint64_t kMix = 0x9e3779b97f4a7c15;
    const std::uint64_t set = static_cast<std::uint32_t>(d.setid);
    return (set * kMix + hash(d.uri)) * kMix + hash(d.attrs.duid());
}

bool same_identity(const Destination& a, const Destination& b) noexcept {
    return a.setid == b.setid && a.uri == b.uri && a.attrs.duid() == b.attrs.duid();
}

std::string_view after_scheme(std::string_view uri) noexcept {
    return uri.substr(uri.find(':') + 1);
}

}  // namespace

void own_texts(DestinationSet& set) {
    std::size_t characters = 0;
    for (const Destination& d : set.members) characters += d.uri.size() + d.attrs.body.size();
    table::SetTexts texts;
    texts.reserve(set.members.size(), characters);
    for (Destination& d : set.members) {
        d.uri = texts.append(d.uri);
        d.attrs.body = texts.append(d.attrs.body);
        texts.push_placed({d.uri, d.attrs.body, d.attrs.duid(), after_scheme(d.uri)});
    }
    set.texts = std::move(texts);
}

std::size_t PlaceIndex::slot_of(table::DestinationId id) const noexcept {
    return table::mix64(static_cast<std::uint32_t>(id)) & (slots_.size() - 1);
}

Place PlaceIndex::place_of(std::uint32_t number) const noexcept {
    const auto set = std::upper_bound(starts_.begin(), starts_.end(), number) - 1;
    return {static_cast<std::uint32_t>(set - starts_.begin()), number - *set};
}

void PlaceIndex::build(std::span<const DestinationSet> sets) {
    starts_.clear();
    starts_.reserve(sets.size() + 1);
    std::uint32_t total = 0;
    for (const DestinationSet& set : sets) {
        starts_.push_back(total);
        total += static_cast<std::uint32_t>(set.members.size());
    }
    starts_.push_back(total);
    slots_.assign(std::bit_ceil(2 * std::size_t{total} + 1), kFree);
    std::uint32_t number = 0;
    for (const DestinationSet& set : sets) {
        for (const Destination& d : set.members) {
            std::size_t at = slot_of(d.id);
            while (slots_[at] != kFree) at = (at + 1) & (slots_.size() - 1);
            slots_[at] = number++;
        }
    }
}

std::optional<Place> PlaceIndex::find(std::span<const DestinationSet> sets,
                                      table::DestinationId id) const noexcept {
    if (slots_.empty()) return std::nullopt;
    for (std::size_t at = slot_of(id); slots_[at] != kFree; at = (at + 1) & (slots_.size() - 1)) {
        const Place place = place_of(slots_[at]);
        if (sets[place.set].members[place.member].id == id) return place;
    }
    return std::nullopt;
}

table::DestinationId Dispatcher::Impl::new_id() {
    while (next_id == 0 || places.find(sets, table::DestinationId{next_id})) ++next_id;
    return table::DestinationId{next_id++};  // as it is but after 2^32 of them
}

std::uint32_t Dispatcher::Impl::new_slot() {
    if (free_slots.empty()) {
        if (slots.size() == kTrafficSlotsMax) return kNoTrafficSlot;
        slots.push_back(Slot::kUsed);
        return static_cast<std::uint32_t>(slots.size() - 1);
    }
    const std::uint32_t slot = free_slots.back();
    free_slots.pop_back();
    slots[slot] = Slot::kUsed;
    return slot;
}

void Dispatcher::Impl::recycle_slots() {
    std::vector<bool> used(slots.size());
    for (const DestinationSet& set : sets) {
        for (const Destination& d : set.members) {
            if (d.slot != kNoTrafficSlot) used[d.slot] = true;
        }
    }
    for (std::uint32_t i = 0; i < slots.size(); ++i) {
        if (used[i]) continue;
        if (slots[i] == Slot::kResting) free_slots.push_back(i);
        slots[i] = slots[i] == Slot::kUsed ? Slot::kResting : Slot::kFree;
    }
}

DestinationSet* Dispatcher::Impl::find_set(std::int32_t id) noexcept {
    const auto found = set_index.find(id);
    return found == set_index.end() ? nullptr : &sets[found->second];
}

// REQUIRES: `sets` holds exactly the ids of `appearance`.
void Dispatcher::Impl::order_sets() {
    std::unordered_map<std::int32_t, std::uint32_t> from;
    from.reserve(sets.size());
    for (std::uint32_t i = 0; i < sets.size(); ++i) from.emplace(sets[i].id, i);
    std::vector<DestinationSet> ordered;
    ordered.reserve(sets.size());
    for (const std::uint32_t at : listing_order(appearance)) {
        ordered.push_back(std::move(sets[from.at(appearance[at])]));
    }
    sets = std::move(ordered);
}

void Dispatcher::Impl::index_all() {
    set_index.clear();
    set_index.reserve(sets.size());
    for (std::uint32_t s = 0; s < sets.size(); ++s) set_index.emplace(sets[s].id, s);
    places.build(sets);
    draining = 0;
    for (const DestinationSet& set : sets) {
        draining += static_cast<std::size_t>(
            std::ranges::count_if(set.members, [](const Destination& d) { return d.draining(); }));
    }
    recycle_slots();
    table_version = next_table_version.fetch_add(1, std::memory_order_relaxed);
    ++version;
    ++revision;
}

void Dispatcher::Impl::adopt_one(Destination& next, const Destination& old) {
    next.id = old.id;
    next.slot = old.slot;
    adopt_state(next, old);
    if (next.flags == old.flags) return;
    changes.push_back({next.id, next.setid, std::string(next.uri), old.flags, next.flags,
                       StateChange::Cause::kReload});
}

void Dispatcher::Impl::adopt_state(Destination& next, const Destination& old) const {
    next.flags |= old.flags & kOurFlags;
    const bool same_latency = next.attrs.latency == old.attrs.latency;
    if (same_latency && (options.reload_keeps_state || options.retain_latency)) {
        next.latency = old.latency;
    }
    if (!options.reload_keeps_state) return;
    // A changed row is what the operator wants now; what was set by command is forgotten either
    // way.
    if (next.configured_flags != old.configured_flags) return;
    // P in the row asks for probing, whatever earlier probes (mode 0) made of it.
    next.learned_flags = old.learned_flags | (next.configured_flags & table::kProbing);
    next.flags = next.learned_flags | (old.flags & kOurFlags);
    next.probing_count = next.learned_count = old.learned_count;
    if (same_latency && next.attrs.cc && next.attrs.weight == old.attrs.weight &&
        next.attrs.rweight == old.attrs.rweight) {
        next.rweight = old.rweight;
    }
}

// Gives each destination of `next` the identity it had before, if it had one; twins pair up in
// order.
void Dispatcher::Impl::adopt(std::vector<DestinationSet>& next) {
    for (DestinationSet& set : next) adopt_set(set, find_set(set.id));
}

void Dispatcher::Impl::adopt_set(DestinationSet& next, const DestinationSet* old) {
    const auto fresh = [this](Destination& d) {
        d.id = new_id();
        d.slot = new_slot();
    };
    if (old == nullptr) {
        std::ranges::for_each(next.members, fresh);
        return;
    }
    if (std::ranges::equal(next.members, old->members, same_identity)) {  // as a rule
        for (std::size_t i = 0; i < next.members.size(); ++i) {
            adopt_one(next.members[i], old->members[i]);
        }
        return;
    }
    struct Entry {
        std::uint64_t hash;
        std::uint32_t index;
    };
    const auto sorted = [](const DestinationSet& from) {
        std::vector<Entry> out;
        out.reserve(from.members.size());
        for (const Destination& d : from.members) {
            out.push_back({identity_hash(d), static_cast<std::uint32_t>(out.size())});
        }
        std::ranges::stable_sort(out, {}, &Entry::hash);
        return out;
    };
    const std::vector<Entry> before = sorted(*old);
    std::size_t at = 0;
    for (const Entry& entry : sorted(next)) {
        Destination& d = next.members[entry.index];
        while (at < before.size() && before[at].hash < entry.hash) ++at;
        if (at < before.size() && before[at].hash == entry.hash &&
            same_identity(old->members[before[at].index], d)) {
            adopt_one(d, old->members[before[at++].index]);
        } else {
            fresh(d);
        }
    }
}

// ---- the workers' view ------------------------------------------------------------------------

namespace {

table::Member member_of(const Destination& d, std::int32_t rweight_max) {
    table::Member out;
    out.id = d.id;
    out.slot = d.slot;
    out.flags = d.flags;
    out.priority = d.priority;
    out.weight = static_cast<std::uint16_t>(d.attrs.weight);
    // Congestion control may leave 0..100; only the relation of the members counts.
    const std::int64_t rweight = d.rweight;
    out.rweight =
        static_cast<std::uint16_t>(rweight_max > 100 ? rweight * 100 / rweight_max : rweight);
    out.maxload = static_cast<std::uint32_t>(std::max(0, d.attrs.maxload));
    out.latency_estimate = d.latency.estimate;
    out.latency_average = d.latency.average;
    out.congestion_control = d.attrs.cc;
    if (d.over_udp() && !d.endpoints.empty()) out.endpoint = d.endpoints.front();
    return out;
}

table::Set set_of(const DestinationSet& set, const Dispatcher::ListenerOf& listener_of) {
    table::Set made;
    made.id = set.id;
    made.texts = set.texts;
    made.members.reserve(set.members.size());
    std::int32_t rweight_max = 0;
    for (const Destination& d : set.members) rweight_max = std::max(rweight_max, d.rweight);
    for (const Destination& d : set.members) {
        table::Member& member = made.members.emplace_back(member_of(d, rweight_max));
        member.listener = listener_of(d.attrs);
        member.text = static_cast<std::uint32_t>(made.members.size() - 1);
    }
    return made;
}

}  // namespace

std::vector<table::Set> Dispatcher::table_sets(const ListenerOf& listener_of) const {
    std::vector<table::Set> out;
    out.reserve(impl_->sets.size());
    for (const DestinationSet& set : impl_->sets) out.push_back(set_of(set, listener_of));
    return out;
}

std::optional<std::vector<table::Set>> Dispatcher::changed_sets(
    table::Origin then, const ListenerOf& listener_of) const {
    if (then.table != impl_->table_version) return std::nullopt;
    std::vector<table::Set> out;
    for (const DestinationSet& set : impl_->sets) {
        if (set.revision > then.revision) out.push_back(set_of(set, listener_of));
    }
    return out;
}

table::Origin Dispatcher::origin() const noexcept {
    return {impl_->table_version, impl_->revision};
}

}  // namespace lb::cp
