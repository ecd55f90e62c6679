#include "dp/core/choose.h"

#include <algorithm>
#include <array>
#include <optional>

#include "dp/base/keyed_hash.h"
#include "dp/core/call_choice.h"
#include "dp/core/hash_input.h"
#include "dp/table/call_load.h"
#include "dp/table/hash.h"
#include "dp/table/plan.h"
#include "dp/table/pvar.h"
#include "dp/table/random.h"

namespace lb::core {
namespace {

using table::Algorithm;
using table::kNoIndex;
using table::SetPlan;

// The key of maglev and rendezvous: the same on every node, for ever.
constexpr HashKey kCallIdKey{0x7369706c616e6521, 0x63616c6c2d696431};

// Where the choice leaves word of what it does. The workers' one costs nothing.
struct NoNote {
    void method(std::string_view) noexcept {}
    void text(const HashText&) noexcept {}
    void hash(std::uint64_t) noexcept {}
    void slot(std::uint32_t, std::uint32_t) noexcept {}
};

struct TraceNote {
    Trace* trace;

    void method(std::string_view text) { trace->method = text; }
    void text(const HashText& text) {
        trace->hashed = text.x;
        if (!text.y.empty()) trace->hashed.append("@").append(text.y);
    }
    void hash(std::uint64_t value) {
        trace->has_hash = true;
        trace->hash = value;
    }
    void slot(std::uint32_t value, std::uint32_t members) {
        if (members != 0) trace->slot = value % members;
        trace->members = members;
    }
};

// What one choice may change: the worker's own, or a copy of it.
struct Position {
    table::Cursors& cursors;
    std::uint64_t& random;
};

// ---- from the message to a number -------------------------------------------------------------

// The strings that algorithms 0, 1, 2, 3, 5 and 7 hash; false: they cannot be had.
bool hash_text(const Question& question, std::span<char> buffer, HashText& text) noexcept {
    const sip::Message& message = question.message;
    const bool user_only = (question.dispatch.select_options().flags & 1) != 0;
    switch (question.algorithm) {
        case Algorithm::kFromUri:
            return uri_hash_text(from_uri(message), user_only, text);
        case Algorithm::kToUri:
            return uri_hash_text(to_uri(message), user_only, text);
        case Algorithm::kRequestUri:
            return uri_hash_text(message.request_uri, user_only, text);
        case Algorithm::kAuthUser:
            return auth_user(message, text.x);
        case Algorithm::kHashPvar:
            return expand(question.dispatch.hash_program(), message, question.source, buffer,
                          text.x) &&
                   !text.x.empty();
        default:
            text.x = message.call_id.value;
            return true;
    }
}

template <class Note>
std::optional<std::uint32_t> hash_value(const Question& question, Note note) noexcept {
    std::array<char, kPvarTextMax> buffer;  // only expand() writes to it
    HashText text;
    if (!hash_text(question, buffer, text)) return std::nullopt;
    const std::uint32_t hash = table::dispatcher_hash(text.x, text.y);
    note.text(text);
    note.hash(hash);
    return hash;
}

template <class Note>
std::uint64_t consistent_key(const Question& question, Note note) noexcept {
    const std::string_view call_id = question.message.call_id.value;
    const std::uint64_t key = siphash_1_3(kCallIdKey, as_bytes(call_id));
    note.text({call_id, {}});
    note.hash(key);
    return key;
}

// ---- from a number to an index ----------------------------------------------------------------

template <class Note>
std::uint32_t pick(const SetPlan& plan, std::uint32_t value, Note note) noexcept {
    note.slot(value, plan.eligible());
    return plan.pick(value);
}

// Spec 2.4, number 4: the pointer moves modulo all members, also under use_default.
template <class Note>
std::uint32_t round_robin(const SetPlan& plan, table::Cursors& cursors, Note note) noexcept {
    if (plan.members() == 0) return kNoIndex;
    const std::uint32_t value = cursors.last % plan.members();
    const std::uint32_t index = pick(plan, value, note);
    cursors.last = ((index == kNoIndex ? value : index) + 1) % plan.members();
    return index;
}

template <class Note>
std::uint32_t hashed(const Question& question, const SetPlan& plan, Note note) noexcept {
    const std::optional<std::uint32_t> hash = hash_value(question, note);
    return hash ? pick(plan, *hash, note) : kNoIndex;
}

template <class Note>
std::uint32_t by_auth_user(const Question& question, const SetPlan& plan, table::Cursors& cursors,
                           Note note) noexcept {
    if (const std::optional<std::uint32_t> hash = hash_value(question, note)) {
        note.method("hash of the credentials' user");
        return pick(plan, *hash, note);
    }
    note.method("round robin, as there are no Digest credentials");
    return round_robin(plan, cursors, note);
}

// Spec 2.8. The scan may begin at, and find, the default destination; the pointer goes on from
// there, while the choice goes through the common tail (2.3), where the default is no slot of its
// own.
std::uint32_t by_latency(const SetPlan& plan, table::Cursors& cursors) noexcept {
    if (plan.members() == 0) return kNoIndex;
    const std::uint32_t found = plan.latency_first(cursors.last % plan.members());
    if (found == kNoIndex) return kNoIndex;
    cursors.last = (found + 1) % plan.members();
    return plan.pick(found);
}

template <class Note>
std::uint32_t choose_index(const Question& question, const SetPlan& plan, Position position,
                           Note note) noexcept {
    table::Cursors& cursors = position.cursors;
    switch (question.algorithm) {
        case Algorithm::kCallId:
            note.method("hash of the Call-ID");
            return hashed(question, plan, note);
        case Algorithm::kFromUri:
            note.method("hash of the From URI");
            return hashed(question, plan, note);
        case Algorithm::kToUri:
            note.method("hash of the To URI");
            return hashed(question, plan, note);
        case Algorithm::kRequestUri:
            note.method("hash of the Request-URI");
            return hashed(question, plan, note);
        case Algorithm::kHashPvar:
            note.method("hash of hash_pvar");
            return hashed(question, plan, note);
        case Algorithm::kAuthUser:
            return by_auth_user(question, plan, cursors, note);
        case Algorithm::kRoundRobin:
        case Algorithm::kOverload:
            note.method("round robin");
            return round_robin(plan, cursors, note);
        case Algorithm::kRandom:
            note.method("random");
            return pick(plan, static_cast<std::uint32_t>(table::next_random(position.random) >> 33),
                        note);
        case Algorithm::kWeight:
            note.method("weights");
            return pick(plan, plan.weight_value(cursors.weight), note);
        case Algorithm::kRelativeWeight:
            note.method("relative weights");
            return pick(plan, plan.relative_weight_value(cursors.relative_weight), note);
        case Algorithm::kPriorityWeight:
            note.method("weights of the lowest priority");
            return pick(plan, plan.priority_weight_value(cursors.priority_weight), note);
        case Algorithm::kLatency:
            note.method("latency");
            return by_latency(plan, cursors);
        case Algorithm::kMixed:
            if (plan.mixed_is_round_robin()) {
                note.method("round robin, as all priorities are equal");
                return round_robin(plan, cursors, note);
            }
            note.method("first usable, as priorities differ or are 0");
            return pick(plan, 0, note);
        case Algorithm::kMaglev:
            note.method("maglev over the Call-ID");
            return plan.maglev(consistent_key(question, note));
        case Algorithm::kRendezvous:
            note.method("rendezvous over the Call-ID");
            return plan.rendezvous(consistent_key(question, note));
        default:
            note.method("first usable");
            return pick(plan, 0, note);
    }
}

// ---- memory -----------------------------------------------------------------------------------

// A message that starts nothing: its call or transaction is somewhere already.
bool belongs_to_call(const sip::Message& message) noexcept {
    return !message.to_addr.tag.empty() || message.method == sip::Method::kCancel;
}

// While a destination is drained, a hash still finds it for the calls that it has. An INVITE that
// came since is remembered, so that its CANCEL and ACK do not take it for an older one.
const SetPlan& plan_for(const Question& question) noexcept {
    const SetPlan& plan = question.dispatch.plan(question.set);
    const bool older = plan.for_dialogs() != nullptr &&
                       table::is_function_of_message(question.algorithm) &&
                       belongs_to_call(question.message);
    return older ? *plan.for_dialogs() : plan;
}

bool needs_memory(const Question& question) noexcept {
    return question.remember || !table::is_function_of_message(question.algorithm) ||
           question.dispatch.plan(question.set).for_dialogs() != nullptr ||
           (question.algorithm == Algorithm::kHashPvar &&
            !question.dispatch.hash_program().same_in_transaction());
}

// CANCEL and ACK go where the INVITE went whatever became of the destination. A retransmission does
// so as well while that may answer, so also if it is disabled (drained); but not if it is down:
// another one may take it.
bool may_follow(const sip::Message& message, const table::Member& member) noexcept {
    if (member.endpoint.address.is_none()) return false;
    return message.follows_invite() || (member.flags & table::kInactive) == 0;
}

// The member of the question's set that is this destination, if the message may follow it there.
bool follow(const Question& question, table::DestinationId id, Choice& choice) noexcept {
    table::MemberPosition position;
    if (!question.dispatch.find_member(id, position) ||
        position.set != question.dispatch.index_of(question.set)) {
        return false;
    }
    const table::Member& member = question.set.members[position.member];
    if (!may_follow(question.message, member)) return false;
    choice = {&member, position.member, true};
    return true;
}

bool recall(const Question& question, const WorkerState& state, Choice& choice) noexcept {
    table::DestinationId id{};
    return state.transactions.find(question.transaction, state.now_ms, id) &&
           follow(question, id, choice);
}

void remember(const Question& question, const Choice& choice, WorkerState& state) noexcept {
    const bool invite = question.message.method == sip::Method::kInvite;
    state.transactions.store(question.transaction, choice.member->id, state.now_ms,
                             invite ? kInviteMemorySeconds : kOtherMemorySeconds);
}

// Algorithm 10: a known call goes where it went, a new INVITE to the least load, anything else to
// the first.
Choice by_call_load(const Question& question, const WorkerState& state) noexcept {
    table::CallLoad* const calls = question.dispatch.calls();
    const SetPlan& plan = question.dispatch.plan(question.set);
    if (calls == nullptr || plan.load_slots() == nullptr) return chosen(question.set, plan.pick(0));

    const std::uint64_t call = calls->call_key(question.message.call_id.value);
    const bool invite = question.message.method == sip::Method::kInvite;
    table::DestinationId id{};
    Choice choice;
    if (calls->find(call, call_seconds(state), id)) {
        if (follow(question, id, choice)) {
            if (invite) calls->renew(call, call_seconds(state));
            return choice;
        }
        if (invite) calls->end(call);  // its destination is gone or down: it starts anew
    }
    if (!invite) return chosen(question.set, plan.pick(0));
    return start_call(question.set, plan, *calls, call, call_seconds(state), question.dispatch);
}

// The same without a reservation.
Choice explain_call_load(const Question& question, const WorkerState& state, Trace& trace) {
    const table::CallLoad* const calls = question.dispatch.calls();
    const SetPlan& plan = question.dispatch.plan(question.set);
    const bool invite = question.message.method == sip::Method::kInvite;
    table::DestinationId id{};
    Choice choice;
    if (calls != nullptr && plan.load_slots() != nullptr) {
        const std::uint64_t call = calls->call_key(question.message.call_id.value);
        trace.method = "follows its call";
        if (calls->find(call, call_seconds(state), id) && follow(question, id, choice)) {
            return choice;
        }
        if (invite) {
            trace.method = "least load";
            return chosen(question.set, least_loaded(question.set, plan, *calls));
        }
    }
    trace.method = "first usable, as this starts no call";
    return chosen(question.set, plan.pick(0));
}

// A destination that is full is no way out (spec 2.7).
void drop_full(const Question& question, std::vector<std::uint32_t>& order) {
    const table::CallLoad* const calls = question.dispatch.calls();
    const table::LoadSlots* const slots = question.dispatch.plan(question.set).load_slots();
    if (calls == nullptr || slots == nullptr) return;
    std::erase_if(order, [&](std::uint32_t i) {
        const std::uint32_t maxload = question.set.members[i].maxload;
        return maxload != 0 && calls->load((*slots)[i]) >= maxload;
    });
}

// ---- explain ----------------------------------------------------------------------------------

// Spec 2.11, and 2.8 for latency.
std::vector<std::uint32_t> failover_order(const Question& question, const SetPlan& plan,
                                          std::uint32_t chosen_index, std::uint32_t start) {
    std::vector<std::uint32_t> order;
    if (question.algorithm == Algorithm::kLatency && start < plan.members()) {
        order = plan.latency_order(question.set, start);
        std::erase_if(order, [&](std::uint32_t i) { return i >= plan.eligible(); });
    } else {
        order.push_back(chosen_index);
        for (std::uint32_t n = 1; n < plan.members(); ++n) {
            const std::uint32_t i = (chosen_index + n) % plan.members();
            if (i < plan.eligible() && plan.usable(i)) order.push_back(i);
        }
    }
    const std::uint32_t last = plan.members() - 1;
    const bool listed = std::ranges::find(order, last) != order.end();
    if (plan.has_default() && !listed) order.push_back(last);  // whatever its state
    if (question.algorithm == Algorithm::kCallLoad) drop_full(question, order);
    return order;
}

void fill_trace(const Question& question, const SetPlan& plan, const Choice& choice,
                std::uint32_t start, std::size_t limit, Trace& trace) {
    for (std::uint32_t i = 0; i < plan.members(); ++i) {
        if (plan.usable(i)) trace.candidates.push_back(i);
    }
    if (!choice) return;
    const bool walked = trace.members != 0 && plan.usable(choice.index);
    for (std::uint32_t i = trace.slot; walked && i != choice.index && !plan.usable(i);) {
        trace.passed_over.push_back(i);
        i = (i + 1) % plan.eligible();
        if (i == trace.slot) break;
    }
    trace.failover = failover_order(question, plan, choice.index, start);
    if (limit != 0 && trace.failover.size() > limit) trace.failover.resize(limit);
}

}  // namespace

const table::Set* find_remembered_set(std::uint64_t transaction, const table::Dispatch& dispatch,
                                      const WorkerState& state) noexcept {
    table::DestinationId id{};
    table::MemberPosition position;
    const bool found = state.transactions.find(transaction, state.now_ms, id) &&
                       dispatch.find_member(id, position);
    return found ? &dispatch.sets()[position.set] : nullptr;
}

Choice choose_by_any(const Question& question, WorkerState& state) noexcept {
    const bool remembers = needs_memory(question);
    Choice choice;
    if (remembers && recall(question, state, choice)) return choice;

    const std::uint32_t set = question.dispatch.index_of(question.set);
    if (question.algorithm == Algorithm::kCallLoad) {
        if (!state.only_looks) choice = by_call_load(question, state);
    } else {
        const Position position{question.dispatch.cursors()->at(state.worker, set), state.random};
        choice =
            chosen(question.set, choose_index(question, plan_for(question), position, NoNote{}));
    }
    if (remembers && choice) remember(question, choice, state);
    return choice;
}

Choice explain(const Question& question, const WorkerState& state, Trace& trace,
               std::size_t limit) {
    table::CursorBlock& block = *question.dispatch.cursors();
    table::Cursors cursors = block.at(block.workers(), question.dispatch.index_of(question.set));
    return explain(question, state, cursors, trace, Detail::kLists, limit);
}

Choice explain(const Question& question, const WorkerState& state, table::Cursors& cursors,
               Trace& trace, Detail detail, std::size_t limit) {
    trace = {};
    const SetPlan& plan = plan_for(question);
    const std::uint32_t start = plan.members() == 0 ? 0 : cursors.last % plan.members();
    Choice choice;
    if (needs_memory(question) && recall(question, state, choice)) {
        trace.method = "follows its transaction";
    } else if (question.algorithm == Algorithm::kCallLoad) {
        choice = explain_call_load(question, state, trace);
    } else {
        std::uint64_t random = state.random;
        choice = chosen(question.set,
                        choose_index(question, plan, Position{cursors, random}, TraceNote{&trace}));
    }
    if (detail == Detail::kLists) fill_trace(question, plan, choice, start, limit, trace);
    return choice;
}

}  // namespace lb::core
