#pragma once

// Chooses the destination of one request: all algorithms of spec/dispatcher.md section 2, maglev
// and rendezvous, and the memory that lets retransmissions, CANCEL and ACK follow their INVITE.
//
// Bounds:  WorkerState is all that is written, but for the shared loads of algorithm 10.
// Threads: any worker, each with its own WorkerState.
// Cost:    O(1) in the size of the set; O(members) for rendezvous and for a new call of
// algorithm 10. Errors:  none; a set without usable destination gives an empty Choice.

#include <cstdint>
#include <string>
#include <vector>

#include "dp/base/address.h"
#include "dp/core/worker_state.h"
#include "dp/sip/message.h"
#include "dp/table/hash.h"
#include "dp/table/plan.h"
#include "dp/table/tables.h"

namespace lb::core {

// What there is to choose for. References: all must outlive the call.
struct Question {
    const sip::Message& message;  // a request that sip::parse() accepted
    const Endpoint& source;       // of the datagram ($si, $sp)
    std::uint64_t transaction;    // sip::transaction_number() of the message
    const table::Dispatch& dispatch;
    const table::Set& set;  // of that dispatch
    table::Algorithm algorithm;
    bool remember = false;  // whatever the algorithm: its CANCEL and ACK may not find this set
};

struct Choice {
    const table::Member* member = nullptr;  // null: no usable destination
    std::uint32_t index = 0;                // of the member in its set
    bool remembered = false;  // followed an earlier message of the transaction or call

    explicit operator bool() const noexcept { return member != nullptr; }
};

inline Choice chosen(const table::Set& set, std::uint32_t index) noexcept {
    return index == table::kNoIndex ? Choice{} : Choice{&set.members[index], index, false};
}

// The set that a transaction was remembered in. Null: it is not (any more).
const table::Set* find_remembered_set(std::uint64_t transaction, const table::Dispatch& dispatch,
                                      const WorkerState& state) noexcept;

// choose() for any question.
Choice choose_by_any(const Question& question, WorkerState& state) noexcept;

// What most ask by far, and what remembers nothing: the plan that the Call-ID alone picks by. Null:
// it is not that simple.
inline const table::SetPlan* call_id_plan(const table::Dispatch& dispatch, const table::Set& set,
                                          table::Algorithm algorithm) noexcept {
    if (algorithm != table::Algorithm::kCallId) return nullptr;
    const table::SetPlan& plan = dispatch.plan(set);
    return plan.for_dialogs() == nullptr ? &plan : nullptr;
}

inline Choice choose_by_call_id(const table::Set& set, const table::SetPlan& plan,
                                const sip::Message& message) noexcept {
    return chosen(set, plan.pick(table::dispatcher_hash(message.call_id.value)));
}

inline Choice choose(const Question& question, WorkerState& state) noexcept {
    const table::SetPlan* const plan =
        call_id_plan(question.dispatch, question.set, question.algorithm);
    if (plan != nullptr && !question.remember) [[likely]]
        return choose_by_call_id(question.set, *plan, question.message);
    return choose_by_any(question, state);
}

// To be called for each request and reply that is relayed, whatever chose its way: keeps the loads
// of algorithm 10 right (2xx confirms a call, BYE, CANCEL and a refusal end it; spec 2.7). Costs
// one test when nobody uses that algorithm.
void follow_counted_call(const sip::Message& message, table::CallLoad& calls,
                         const WorkerState& state) noexcept;

inline void follow_call(const sip::Message& message, const table::Dispatch& dispatch,
                        const WorkerState& state) noexcept {
    if (dispatch.calls() != nullptr) [[unlikely]]
        follow_counted_call(message, *dispatch.calls(), state);
}

// Why a destination was chosen.
struct Trace {
    std::string method;  // one sentence: "hash of Call-ID", "round robin" ...
    std::string hashed;  // the hashed text; two strings of a URI key are joined by '@'
    bool has_hash = false;
    std::uint64_t hash = 0;
    std::uint32_t slot = 0;                  // index before unusable destinations were skipped
    std::uint32_t members = 0;               // modulo: the members that take part
    std::vector<std::uint32_t> candidates;   // usable indexes, ascending
    std::vector<std::uint32_t> failover;     // order of spec 2.11, the chosen one first
    std::vector<std::uint32_t> passed_over;  // unusable indexes between slot and choice
};

// The same code on a copy of the state: says what choose() would do for a worker that stands where
// `state` does, and changes nothing. `limit`: entries in `failover`, 0 is all. Thread: the control
// thread.
Choice explain(const Question& question, const WorkerState& state, Trace& trace,
               std::size_t limit = 0);

// The same with round-robin pointers of the caller's, which move on: for series of messages.
// kChoice leaves out the lists, so that a message costs no more than in choose().
enum class Detail : std::uint8_t { kChoice, kLists };
Choice explain(const Question& question, const WorkerState& state, table::Cursors& cursors,
               Trace& trace, Detail detail, std::size_t limit = 0);

}  // namespace lb::core
