#include "dp/core/call_choice.h"

namespace lb::core {
namespace {

using table::kNoIndex;

constexpr int kAttemptsMax = 64;

// Reserves a load at the least loaded member. Others do the same at the same time: a load that is
// no longer what was seen means to look again. In the end any member with room will do.
std::uint32_t reserve_least(const table::Set& set, const table::SetPlan& plan,
                            table::CallLoad& calls) noexcept {
    const table::LoadSlots& slots = *plan.load_slots();
    for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
        std::uint32_t seen = 0;
        const std::uint32_t index = least_loaded(set, plan, calls, &seen);
        if (index == kNoIndex || slots[index] == table::kNoLoadSlot) return index;
        if (calls.reserve_seen(slots[index], seen)) return index;
    }
    for (std::uint32_t i = 0; i < plan.eligible(); ++i) {
        if (plan.usable(i) && calls.reserve(slots[i], set.members[i].maxload)) return i;
    }
    return kNoIndex;
}

}  // namespace

std::uint32_t least_loaded(const table::Set& set, const table::SetPlan& plan,
                           const table::CallLoad& calls, std::uint32_t* load) noexcept {
    const table::LoadSlots& slots = *plan.load_slots();
    std::uint32_t best = kNoIndex;
    std::uint32_t best_load = 0;
    const auto consider = [&](std::uint32_t i) {
        if (!plan.usable(i)) return;
        const std::uint32_t now = calls.load(slots[i]);
        const std::uint32_t maxload = set.members[i].maxload;
        if ((maxload != 0 && now >= maxload) || (best != kNoIndex && now >= best_load)) return;
        best = i;
        best_load = now;
    };
    for (std::uint32_t i = 0; i < plan.eligible(); ++i) consider(i);
    if (best == kNoIndex && plan.has_default()) consider(plan.members() - 1);
    if (load != nullptr) *load = best_load;
    return best;
}

Choice start_call(const table::Set& set, const table::SetPlan& plan, table::CallLoad& calls,
                  std::uint64_t call, std::uint32_t now_s,
                  const table::Dispatch& dispatch) noexcept {
    const std::uint32_t index = reserve_least(set, plan, calls);
    if (index == kNoIndex) return {};
    const table::LoadSlot slot = (*plan.load_slots())[index];
    if (slot == table::kNoLoadSlot) return chosen(set, index);  // no duid: not counted (spec 2.7)

    table::DestinationId id{};
    const table::CallLoad::Begin begun = calls.begin(call, slot, now_s, id);
    if (begun == table::CallLoad::Begin::kStored) return chosen(set, index);

    calls.release(slot);
    if (begun == table::CallLoad::Begin::kRefused) {
        // What cannot be counted may not go to a destination that has a limit.
        return set.members[index].maxload == 0 ? chosen(set, index) : Choice{};
    }
    table::MemberPosition position;
    const bool here = dispatch.find_member(id, position) &&
                      position.set == dispatch.index_of(set) &&
                      !set.members[position.member].endpoint.address.is_none();
    return here ? Choice{&set.members[position.member], position.member, true} : Choice{};
}

void follow_counted_call(const sip::Message& message, table::CallLoad& calls,
                         const WorkerState& state) noexcept {
    if (state.only_looks) return;
    const std::uint64_t call = calls.call_key(message.call_id.value);
    if (!message.is_reply()) {
        // A CANCEL that crosses the 2xx, or one of a later INVITE, ends no call.
        if (message.method == sip::Method::kBye) calls.end(call);
        if (message.method == sip::Method::kCancel) calls.end_unconfirmed(call);
        return;
    }
    if (message.cseq_method != "INVITE" || message.status < 200) return;
    if (message.status < 300) return calls.confirm(call);
    if (message.status == 401 || message.status == 407) {
        return calls.challenged(call, call_seconds(state));
    }
    calls.end_unconfirmed(call);
}

}  // namespace lb::core
