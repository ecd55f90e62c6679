#include "dp/table/tables.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "dp/base/assert.h"
#include "dp/table/call_load.h"
#include "dp/table/endpoint_index.h"
#include "dp/table/plan.h"
#include "dp/table/pvar.h"
#include "dp/table/random.h"

namespace lb::table {
namespace {

// True if "[user@]host[:port][;params][?headers]" names no port: any source port is that
// destination's.
bool names_no_port(std::string_view host_port) {
    host_port = host_port.substr(0, host_port.find_first_of(";?"));
    host_port.remove_prefix(host_port.rfind('@') + 1);  // npos + 1 is 0
    const std::size_t bracket = host_port.rfind(']');
    const std::size_t colon = host_port.find(':', bracket == std::string_view::npos ? 0 : bracket);
    return colon == std::string_view::npos || colon + 1 == host_port.size();
}

// Which destination has which address, and where each stands. Depends on identities and addresses
// only, so generations that differ in states share one.
struct MemberIndexes {
    NumberIndex positions;  // DestinationId to number in `position`
    std::vector<MemberPosition> position;
    SourceIndex sources;

    std::size_t memory_bytes() const noexcept {
        return positions.memory_bytes() + sources.memory_bytes() +
               position.capacity() * sizeof(MemberPosition);
    }
};

std::size_t count_members(const std::vector<const Set*>& sets) {
    std::size_t count = 0;
    for (const Set* set : sets) count += set->members.size();
    return count;
}

std::shared_ptr<const MemberIndexes> index_members(const std::vector<const Set*>& sets) {
    const std::size_t count = count_members(sets);
    auto indexes = std::make_shared<MemberIndexes>();
    indexes->positions = NumberIndex(count);
    indexes->sources = SourceIndex(count);
    indexes->position.reserve(count);
    for (std::uint32_t s = 0; s < sets.size(); ++s) {
        for (std::uint32_t m = 0; m < sets[s]->members.size(); ++m) {
            const Member& member = sets[s]->members[m];
            indexes->positions.insert(static_cast<std::uint32_t>(member.id),
                                      static_cast<std::uint32_t>(indexes->position.size()));
            indexes->position.push_back({s, m});
            if (member.endpoint.address.is_none()) continue;
            Endpoint source = member.endpoint;
            if (names_no_port(sets[s]->texts[member.text].host_port)) source.port = 0;
            indexes->sources.insert(source, member.slot);
        }
    }
    return indexes;
}

bool same_place(const Member& a, const Member& b) {
    return a.id == b.id && a.endpoint == b.endpoint && a.slot == b.slot;
}

bool same_for_selection(const Member& a, const Member& b) {
    return a.id == b.id && a.skipped() == b.skipped() && a.draining() == b.draining() &&
           a.priority == b.priority && a.weight == b.weight && a.rweight == b.rweight &&
           a.latency_estimate == b.latency_estimate && a.latency_average == b.latency_average &&
           a.congestion_control == b.congestion_control;
}

bool same_places(const Set& a, const Set& b) {
    return a.id == b.id && std::ranges::equal(a.members, b.members, same_place);
}

// Everything that stays the same when states change.
struct Frame {
    std::vector<Listener> listeners;
    std::vector<Service> services;
    SelectOptions select;
    std::uint64_t seed = 0;
    std::shared_ptr<CallLoad> calls;
    bool uses_calls = false;

    PvarProgram hash_program;
    EndpointIndex listener_index;
    std::vector<std::pair<std::uint64_t, ListenerIndex>> marks;  // of the listeners, sorted
    NumberIndex set_index;                                       // id to index
    std::vector<std::uint32_t> parts;                            // PlanParts, by set

    explicit Frame(Dispatch::Input& input);
    SetPlan::Context context(std::size_t set) const {
        return {select.use_default, parts[set], seed, calls};
    }

private:
    void need(std::int32_t set, Algorithm algorithm);
    void find_parts(const std::vector<SetAlgorithm>& also);
};

Frame::Frame(Dispatch::Input& input)
    : listeners(std::move(input.listeners)),
      services(std::move(input.services)),
      select(std::move(input.select)),
      seed(input.seed),
      calls(std::move(input.calls)),
      listener_index(listeners.size()),
      set_index(input.sets.size()),
      parts(input.sets.size(), 0) {
    if (auto program = PvarProgram::compile(select.hash_pvar)) hash_program = *std::move(program);
    for (std::uint32_t i = 0; i < listeners.size(); ++i) {
        Listener& listener = listeners[i];
        listener.compose_texts();
        listener.mark = listener_mark(listener.endpoint);
        marks.emplace_back(listener.mark, static_cast<ListenerIndex>(i));
        listener_index.insert(listener.endpoint, i);
    }
    std::sort(marks.begin(), marks.end());
    for (std::uint32_t i = 0; i < input.sets.size(); ++i) {
        set_index.insert(static_cast<std::uint32_t>(input.sets[i].id), i);
    }
    find_parts(input.also_prepare);
}

void Frame::need(std::int32_t set, Algorithm algorithm) {
    const std::uint32_t index = set_index.find(static_cast<std::uint32_t>(set));
    if (index == NumberIndex::kNone) return;
    parts[index] |= plan_parts(algorithm);
    uses_calls = uses_calls || (calls && algorithm == Algorithm::kCallLoad);
}

void Frame::find_parts(const std::vector<SetAlgorithm>& also) {
    for (const Service& service : services) {
        need(service.set, service.algorithm);
        for (const Rule& rule : service.rules) {
            if (rule.action == Rule::Action::kDispatch) need(rule.set, rule.algorithm);
        }
    }
    for (const SetAlgorithm& one : also) need(one.set, one.algorithm);
}

// A set and its plan, shared by the generations in which neither changes.
struct SetEntry {
    Set set;
    std::shared_ptr<const SetPlan> plan;

    std::size_t memory_bytes() const noexcept {
        return sizeof *this + set.members.capacity() * sizeof(Member) + set.texts.memory_bytes() +
               (plan.use_count() == 1 ? plan->memory_bytes() : 0);  // else many have it
    }
};

// `before`: the entry of the same set a generation ago whose plan was made in the same way, or
// null.
std::shared_ptr<const SetEntry> make_entry(Set set, const SetPlan::Context& context,
                                           const std::shared_ptr<const SetEntry>& before,
                                           PlainPlans& plain) {
    const SetPlan* const plan = before ? before->plan.get() : nullptr;
    const bool same_plan =
        before && std::ranges::equal(set.members, before->set.members, same_for_selection);
    if (same_plan && before->set.index == set.index && before->set.members == set.members &&
        before->set.texts == set.texts) {
        return before;
    }
    auto entry = std::make_shared<SetEntry>();
    entry->plan = same_plan ? before->plan : plain.find(set, context);
    if (!entry->plan) entry->plan = SetPlan::build(set, context, plan);
    entry->set = std::move(set);
    return entry;
}

// Who keeps the entries alive, in pieces, so that a generation that differs in one set copies one
// piece and not ten thousand reference counts. Workers do not come here.
constexpr std::size_t kChunk = 64;
struct Chunk {
    std::array<std::shared_ptr<const SetEntry>, kChunk> entries;
    std::size_t bytes = 0;

    void count() noexcept {
        bytes = sizeof *this;
        for (const auto& entry : entries) bytes += entry ? entry->memory_bytes() : 0;
    }
};

}  // namespace

struct Dispatch::Impl {
    std::shared_ptr<const Frame> frame;
    std::shared_ptr<CursorBlock> cursors;
    std::vector<const Set*> sets;
    std::vector<const SetPlan*> plans;
    std::vector<const Set*> service_sets;
    std::vector<Entrance> entrances;
    std::shared_ptr<const MemberIndexes> members;
    std::vector<std::shared_ptr<const Chunk>> chunks;
    Origin origin;

    const std::shared_ptr<const SetEntry>& entry(std::size_t set) const {
        return chunks[set / kChunk]->entries[set % kChunk];
    }
    // As it was before, if its plan was made in the same way.
    std::shared_ptr<const SetEntry> entry_before(const Set& set, const Impl* previous) const;
    void place(std::size_t set, const SetEntry& entry) {
        sets[set] = &entry.set;
        plans[set] = entry.plan.get();
    }
    void build_entries(std::vector<Set>&& from, const Impl* previous);
    void replace(std::vector<Set>&& changed);
    bool same_places_as(const Impl& previous) const;
};

std::shared_ptr<const SetEntry> Dispatch::Impl::entry_before(const Set& set,
                                                             const Impl* previous) const {
    if (previous == nullptr || set.index >= previous->sets.size()) return nullptr;
    const Frame& old = *previous->frame;
    const bool same_way =
        previous->sets[set.index]->id == set.id &&
        old.parts[set.index] == frame->parts[set.index] && old.seed == frame->seed &&
        old.select.use_default == frame->select.use_default && old.calls == frame->calls;
    return same_way ? previous->entry(set.index) : nullptr;
}

void Dispatch::Impl::build_entries(std::vector<Set>&& from, const Impl* previous) {
    PlainPlans plain;  // of one use_default
    sets.resize(from.size());
    plans.resize(from.size());
    for (std::uint32_t i = 0; i < from.size();) {
        auto chunk = std::make_shared<Chunk>();
        for (std::size_t n = 0; n < kChunk && i < from.size(); ++n, ++i) {
            from[i].index = i;
            const auto before = entry_before(from[i], previous);
            chunk->entries[n] = make_entry(std::move(from[i]), frame->context(i), before, plain);
            place(i, *chunk->entries[n]);
        }
        chunk->count();
        chunks.push_back(std::move(chunk));
    }
    if (previous != nullptr && same_places_as(*previous)) {
        members = previous->members;
    } else {
        members = index_members(sets);
    }
}

bool Dispatch::Impl::same_places_as(const Impl& previous) const {
    return std::ranges::equal(sets, previous.sets, [](const Set* a, const Set* b) {
        return a == b || same_places(*a, *b);
    });
}

void Dispatch::Impl::replace(std::vector<Set>&& changed) {
    for (Set& set : changed) {  // by index, so that each chunk is copied once
        set.index = frame->set_index.find(static_cast<std::uint32_t>(set.id));
        LB_ASSERT(set.index < sets.size());
    }
    std::ranges::sort(changed, {}, &Set::index);
    bool moved = false;
    PlainPlans plain;
    for (std::size_t i = 0; i < changed.size();) {
        const std::size_t number = changed[i].index / kChunk;
        auto chunk = std::make_shared<Chunk>(*chunks[number]);
        for (; i < changed.size() && changed[i].index / kChunk == number; ++i) {
            const std::size_t at = changed[i].index;
            std::shared_ptr<const SetEntry>& entry = chunk->entries[at % kChunk];
            moved = moved || !same_places(changed[i], entry->set);
            entry = make_entry(std::move(changed[i]), frame->context(at), entry, plain);
            place(at, *entry);
        }
        chunk->count();
        chunks[number] = std::move(chunk);
    }
    if (moved) members = index_members(sets);
}

Dispatch::Dispatch() = default;
Dispatch::~Dispatch() = default;

void Dispatch::point() {
    const Frame& frame = *impl_->frame;
    impl_->service_sets.clear();
    for (const Service& service : frame.services)
        impl_->service_sets.push_back(find_set(service.set));
    hot_ = {.listeners = &frame.listeners,
            .services = &frame.services,
            .listener_index = &frame.listener_index,
            .sources = &impl_->members->sources,
            .calls = frame.uses_calls ? frame.calls.get() : nullptr,
            .service_sets = impl_->service_sets.data(),
            .plans = impl_->plans.data(),
            .sets = impl_->sets.size()};
    impl_->entrances.clear();
    for (const Listener& listener : frame.listeners)
        impl_->entrances.push_back(make_entrance(listener));
    hot_.entrances = impl_->entrances.data();
}

Entrance Dispatch::make_entrance(const Listener& listener) const {
    Entrance entrance{.listener = &listener};
    if (listener.service >= services().size()) return entrance;
    const Service& service = services()[listener.service];
    entrance.service = &service;
    entrance.tops = listener.tops[service.enable_full_lr].data();
    const Set* const set = set_of_service(listener.service);
    if (set == nullptr || !service.rules.empty() || service.set_host ||
        service.algorithm != Algorithm::kCallId || set->members.empty() ||
        plan(*set).for_dialogs() != nullptr)
        return entrance;
    entrance.call_id_plan = &plan(*set);
    entrance.members = set->members.data();
    return entrance;
}

std::unique_ptr<const Dispatch> Dispatch::build(Input input) {
    std::unique_ptr<Dispatch> dispatch(new Dispatch);
    dispatch->impl_ = std::make_unique<Impl>();
    Impl& impl = *dispatch->impl_;
    impl.frame = std::make_shared<const Frame>(input);
    impl.cursors = std::move(input.cursors);
    if (!impl.cursors || impl.cursors->sets() != input.sets.size() ||
        impl.cursors->workers() != input.workers) {
        impl.cursors = std::make_shared<CursorBlock>(input.workers, input.sets.size());
    }
    impl.origin = input.origin;
    impl.build_entries(std::move(input.sets),
                       input.previous != nullptr ? input.previous->impl_.get() : nullptr);
    dispatch->point();
    return dispatch;
}

std::unique_ptr<const Dispatch> Dispatch::with_changed(const Dispatch& previous,
                                                       std::vector<Set> changed, Origin origin) {
    std::unique_ptr<Dispatch> dispatch(new Dispatch);
    dispatch->impl_ = std::make_unique<Impl>(*previous.impl_);
    dispatch->impl_->origin = origin;
    dispatch->impl_->replace(std::move(changed));
    dispatch->point();
    return dispatch;
}

SetList Dispatch::sets() const noexcept { return SetList(impl_->sets); }
const SelectOptions& Dispatch::select_options() const noexcept { return impl_->frame->select; }
Origin Dispatch::origin() const noexcept { return impl_->origin; }

ListenerIndex Dispatch::find_marked_listener(std::uint64_t mark) const noexcept {
    const auto& marks = impl_->frame->marks;
    const auto at = std::lower_bound(marks.begin(), marks.end(), std::pair{mark, ListenerIndex{0}});
    return at != marks.end() && at->first == mark ? at->second : kNoListener;
}

const Set* Dispatch::find_set(std::int32_t id) const noexcept {
    const std::uint32_t index = impl_->frame->set_index.find(static_cast<std::uint32_t>(id));
    return index == NumberIndex::kNone ? nullptr : impl_->sets[index];
}

bool Dispatch::find_member(DestinationId id, MemberPosition& position) const noexcept {
    const std::uint32_t number = impl_->members->positions.find(static_cast<std::uint32_t>(id));
    if (number == NumberIndex::kNone) return false;
    position = impl_->members->position[number];
    return true;
}

const PvarProgram& Dispatch::hash_program() const noexcept { return impl_->frame->hash_program; }

const std::shared_ptr<CursorBlock>& Dispatch::cursors() const noexcept { return impl_->cursors; }

std::size_t Dispatch::memory_bytes() const noexcept {
    const Frame& frame = *impl_->frame;
    std::size_t bytes = frame.listener_index.memory_bytes() + frame.set_index.memory_bytes() +
                        impl_->cursors->memory_bytes() + impl_->members->memory_bytes() +
                        impl_->sets.capacity() * (sizeof(const Set*) + sizeof(const SetPlan*)) +
                        impl_->service_sets.capacity() * sizeof(const Set*) +
                        impl_->entrances.capacity() * sizeof(Entrance);
    for (const std::shared_ptr<const Chunk>& chunk : impl_->chunks) bytes += chunk->bytes;
    return bytes;
}

}  // namespace lb::table
