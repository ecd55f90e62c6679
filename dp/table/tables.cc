#include "dp/table/tables.h"

#include <algorithm>
#include <charconv>
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
};

std::size_t count_members(const std::vector<Set>& sets) {
    std::size_t count = 0;
    for (const Set& set : sets) count += set.members.size();
    return count;
}

std::shared_ptr<const MemberIndexes> index_members(const std::vector<Set>& sets) {
    const std::size_t count = count_members(sets);
    auto indexes = std::make_shared<MemberIndexes>();
    indexes->positions = NumberIndex(count);
    indexes->sources = SourceIndex(count);
    indexes->position.reserve(count);
    for (std::uint32_t s = 0; s < sets.size(); ++s) {
        for (std::uint32_t m = 0; m < sets[s].members.size(); ++m) {
            const Member& member = sets[s].members[m];
            indexes->positions.insert(static_cast<std::uint32_t>(member.id),
                                      static_cast<std::uint32_t>(indexes->position.size()));
            indexes->position.push_back({s, m});
            if (member.endpoint.address.is_none()) continue;
            Endpoint source = member.endpoint;
            if (names_no_port(sets[s].texts[member.text].host_port)) source.port = 0;
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

bool same_places(const std::vector<Set>& a, const std::vector<Set>& b) {
    return std::ranges::equal(a, b, [](const Set& x, const Set& y) {
        return x.id == y.id && std::ranges::equal(x.members, y.members, same_place);
    });
}

}  // namespace

struct Dispatch::Impl {
    std::vector<Listener> listeners;
    std::vector<Service> services;
    std::vector<Set> sets;
    SelectOptions select;
    std::shared_ptr<CursorBlock> cursors;
    std::uint64_t seed = 0;
    std::shared_ptr<CallLoad> calls;
    bool uses_calls = false;

    PvarProgram hash_program;
    EndpointIndex listener_index;
    NumberIndex set_index;
    std::vector<std::uint32_t> parts;  // PlanParts, by set
    std::vector<std::shared_ptr<const SetPlan>> plans;
    std::shared_ptr<const MemberIndexes> members;

    explicit Impl(Input&& input);
    void need(std::int32_t set, Algorithm algorithm);
    void find_parts(const std::vector<SetAlgorithm>& also);
    const SetPlan* plan_before(std::size_t set, const Impl* previous) const;
    void build_plans(const Impl* previous);
};

Dispatch::Impl::Impl(Input&& input)
    : listeners(std::move(input.listeners)),
      services(std::move(input.services)),
      sets(std::move(input.sets)),
      select(std::move(input.select)),
      cursors(std::move(input.cursors)),
      seed(input.seed),
      calls(std::move(input.calls)),
      listener_index(listeners.size()),
      set_index(sets.size()),
      parts(sets.size(), 0) {
    if (auto program = PvarProgram::compile(select.hash_pvar)) hash_program = *std::move(program);
    for (std::uint32_t i = 0; i < listeners.size(); ++i) {
        listener_index.insert(listeners[i].endpoint, i);
    }
    for (std::uint32_t i = 0; i < sets.size(); ++i) {
        set_index.insert(static_cast<std::uint32_t>(sets[i].id), i);
    }
    if (!cursors || cursors->sets() != sets.size() || cursors->workers() != input.workers) {
        cursors = std::make_shared<CursorBlock>(input.workers, sets.size());
    }
    find_parts(input.also_prepare);
}

void Dispatch::Impl::need(std::int32_t set, Algorithm algorithm) {
    const std::uint32_t index = set_index.find(static_cast<std::uint32_t>(set));
    if (index == NumberIndex::kNone) return;
    parts[index] |= plan_parts(algorithm);
    uses_calls = uses_calls || (calls && algorithm == Algorithm::kCallLoad);
}

void Dispatch::Impl::find_parts(const std::vector<SetAlgorithm>& also) {
    for (const Service& service : services) {
        need(service.set, service.algorithm);
        for (const Rule& rule : service.rules) {
            if (rule.action == Rule::Action::kDispatch) need(rule.set, rule.algorithm);
        }
    }
    for (const SetAlgorithm& one : also) need(one.set, one.algorithm);
}

// The plan of the same set in the generation before, if there is one made in the same way.
const SetPlan* Dispatch::Impl::plan_before(std::size_t set, const Impl* previous) const {
    const bool same_way = previous != nullptr && set < previous->sets.size() &&
                          previous->sets[set].id == sets[set].id &&
                          previous->parts[set] == parts[set] && previous->seed == seed &&
                          previous->select.use_default == select.use_default &&
                          previous->calls == calls;
    return same_way ? previous->plans[set].get() : nullptr;
}

void Dispatch::Impl::build_plans(const Impl* previous) {
    plans.reserve(sets.size());
    for (std::size_t i = 0; i < sets.size(); ++i) {
        const SetPlan* before = plan_before(i, previous);
        const bool unchanged =
            before != nullptr &&
            std::ranges::equal(sets[i].members, previous->sets[i].members, same_for_selection);
        if (unchanged) {
            plans.push_back(previous->plans[i]);
        } else {
            plans.push_back(
                SetPlan::build(sets[i], {select.use_default, parts[i], seed, calls}, before));
        }
    }
    if (previous != nullptr && same_places(sets, previous->sets)) {
        members = previous->members;
    } else {
        members = index_members(sets);
    }
}

Dispatch::Dispatch() = default;
Dispatch::~Dispatch() = default;

std::unique_ptr<const Dispatch> Dispatch::build(Input input) {
    const Impl* previous = input.previous != nullptr ? input.previous->impl_.get() : nullptr;
    std::unique_ptr<Dispatch> dispatch(new Dispatch);
    dispatch->impl_ = std::make_unique<Impl>(std::move(input));
    dispatch->impl_->build_plans(previous);
    const Impl& impl = *dispatch->impl_;
    dispatch->hot_ = {&impl.listeners, &impl.services, &impl.listener_index, &impl.members->sources,
                      impl.uses_calls ? impl.calls.get() : nullptr};
    return dispatch;
}

const std::vector<Set>& Dispatch::sets() const noexcept { return impl_->sets; }
const SelectOptions& Dispatch::select_options() const noexcept { return impl_->select; }

const Set* Dispatch::find_set(std::int32_t id) const noexcept {
    const std::uint32_t index = impl_->set_index.find(static_cast<std::uint32_t>(id));
    return index == NumberIndex::kNone ? nullptr : &impl_->sets[index];
}

bool Dispatch::find_member(DestinationId id, MemberPosition& position) const noexcept {
    const std::uint32_t number = impl_->members->positions.find(static_cast<std::uint32_t>(id));
    if (number == NumberIndex::kNone) return false;
    position = impl_->members->position[number];
    return true;
}

std::uint32_t Dispatch::index_of(const Set& set) const noexcept {
    const auto index = static_cast<std::size_t>(&set - impl_->sets.data());
    LB_ASSERT(index < impl_->sets.size());
    return static_cast<std::uint32_t>(index);
}

const SetPlan& Dispatch::plan(const Set& set) const noexcept {
    return *impl_->plans[index_of(set)];
}

const PvarProgram& Dispatch::hash_program() const noexcept { return impl_->hash_program; }

const std::shared_ptr<CursorBlock>& Dispatch::cursors() const noexcept { return impl_->cursors; }

std::size_t Dispatch::memory_bytes() const noexcept {
    std::size_t bytes = impl_->listener_index.memory_bytes() + impl_->set_index.memory_bytes() +
                        impl_->cursors->memory_bytes() + impl_->members->positions.memory_bytes() +
                        impl_->members->sources.memory_bytes() +
                        impl_->members->position.capacity() * sizeof(MemberPosition);
    for (const std::shared_ptr<const SetPlan>& plan : impl_->plans) bytes += plan->memory_bytes();
    const auto heap = [](const std::string& text) {
        return text.capacity() < sizeof(std::string) / 2 ? 0 : text.capacity() + 1;
    };
    for (const Set& set : impl_->sets) {
        bytes +=
            set.members.capacity() * sizeof(Member) + set.texts.capacity() * sizeof(MemberText);
        for (const MemberText& text : set.texts) {
            bytes += heap(text.uri) + heap(text.attrs) + heap(text.duid) + heap(text.host_port);
        }
    }
    return bytes;
}

}  // namespace lb::table
