#pragma once

// Where a request goes next: the decision between its Route set, its Request-URI and the dispatcher
// (design.md section 6, rules 3 to 5 and 10).

#include "dp/core/answer.h"
#include "dp/core/loose_route.h"
#include "dp/table/hash.h"
#include "dp/table/plan.h"

namespace lb::core {

struct NextHop {
    enum class Kind : std::uint8_t {
        kSend,     // to `endpoint`
        kAnswer,   // with `code` and `reason`
        kDrop,     // a rule says so
        kResolve,  // the host of a Route or Request-URI is a name that nobody has looked up yet
    } kind = Kind::kSend;
    bool dispatched = false;                             // chosen for it
    table::ListenerIndex listener = table::kNoListener;  // forced local socket
    std::uint32_t slot = kNoTrafficSlot;         // counters of the destination it goes to, if any
    std::uint32_t source_slot = kNoTrafficSlot;  // and of the one it comes from
    const Endpoint* endpoint = nullptr;          // in the tables, or Scratch::followed
    std::string_view host_port;  // destination text for set_host; empty: Request-URI stays
    std::uint16_t code = 0;
    std::string_view reason;
};

// Whether the dispatcher decides, or a Route or Request-URI does.
struct Way {
    bool dispatched = false;
    bool trusted = false;  // it comes from a destination
    std::string_view uri;  // the Request-URI that rules look at, or the URI that is followed
    std::uint32_t source_slot =
        table::Dispatch::kNotADestination;  // of that destination's counters
};

// What a service does with a request that is dispatched: the first rule that matches, else its own
// set and algorithm.
struct Selection {
    const table::Rule* rule = nullptr;  // null: none matched
    std::int32_t set = 0;
    table::Algorithm algorithm = table::Algorithm::kCallId;
    bool remember = false;  // where an INVITE goes: a header field decides that its CANCEL may lack
};

// The two questions that find_next_hop() asks before it chooses, for those who explain its answer.
// REQUIRES of all three: `route` is loose_route(context), not broken.
Way find_way(const Context& context, const LooseRoute& route) noexcept;
Selection find_selection(const Context& context, std::string_view request_uri) noexcept;

// What find_next_hop() finds for nearly every request that is no part of a dialog: without a Route
// set and from no destination it is dispatched, and that by its Call-ID; and how to get there.
struct UsualWay {
    const table::Member* member = nullptr;
    const table::Hop* hop = nullptr;  // null says nothing
};
inline UsualWay find_usual_way(const Context& context, const table::Entrance& entrance) noexcept {
    const sip::Message& message = context.message();
    if (context.hops == nullptr || message.routes_count != 0 ||
        context.dispatch().is_destination(context.frame().source))
        return {};
    const std::uint32_t hash = table::dispatcher_hash(message.call_id.value);
    const std::uint32_t index = entrance.call_id_plan->pick_among(hash);
    if (index == table::kNoIndex) return {};
    return {entrance.members + index, context.hops[index]};
}

// Good until the next call with this scratch.
NextHop find_next_hop(Context& context, const LooseRoute& route) noexcept;

}  // namespace lb::core
