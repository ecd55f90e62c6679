#pragma once

// The usual request's rewrite, in line for who relays it: what RequestPlan::usual says, and how it
// is carried out. All other ways are in rewrite.cc.

#include <cstdint>
#include <string_view>

#include "dp/base/assert.h"
#include "dp/core/nat.h"
#include "dp/core/rewrite.h"
#include "dp/sip/chars.h"
#include "dp/sip/parser.h"

namespace lb::core {

inline constexpr std::int32_t kMaxForwards = 70;

// What says in the branch that replies have to go to that port at the source address, from the
// listener `in` that the request came to.
inline std::uint64_t branch_mac(const Context& context, const table::Listener& in,
                                std::uint16_t port) noexcept {
    return sip::reply_mac(context.tables.secret, context.transaction,
                          context.frame().source.address, port) ^
           in.mark;
}

inline Parts parts_of(const sip::Message& message, bool pops_route) noexcept {
    const sip::Via& via = message.top_via;
    Parts parts;
    parts.header = message.header.data();
    parts.sent_by_end = via.sent_by.data() + via.sent_by.size();
    parts.rport = via.has_rport() ? via.rport_param.data() : parts.sent_by_end;
    parts.behind_rport = parts.rport + via.rport_param.size();
    parts.cut = parts.tail = parts.behind_rport;
    if (pops_route) {
        const std::string_view line = message.routes[0].line;
        parts.cut = line.data();
        parts.tail = line.data() + line.size();
    }
    return parts;
}

// True if all of the Route set is one header field and goes.
inline bool pops_one_route(const sip::Message& message, const LooseRoute& route) noexcept {
    return message.routes_count == 1 && route.first == route.end && !route.recovered;
}

// What RequestPlan::usual says, and sets what it has besides the top. `route`: null if the request
// has no Route.
[[gnu::always_inline]] inline bool is_usual(Context& context, const LooseRoute* route,
                                            const NextHop& hop, const table::Service& service,
                                            RequestPlan& plan) noexcept {
    const sip::Message& message = context.message();
    const sip::Via& via = message.top_via;
    if (!via.received_param.empty() || !hop.host_port.empty()) return false;
    plan.pops_route = route != nullptr;
    // Then the message may lose a line, but grows nevertheless.
    if (route != nullptr &&
        (!pops_one_route(message, *route) || message.routes[0].line.size() > plan.top.size))
        return false;
    plan.parts = parts_of(message, plan.pops_route);
    if (plan.pops_route && plan.parts.cut < plan.parts.behind_rport) [[unlikely]]
        return false;  // it stands in front of the Via
    if (!plan.parts.are_short(message.text.data() + message.text.size())) return false;
    plan.received = true;
    if (via.has_rport()) [[likely]] {
        // Ours is no shorter than the one that it replaces.
        if (via.rport_param.size() > RportText::kName.size() + 1) return false;
    } else {
        if (must_force_rport(context, service.nat)) return false;
        plan.received = !host_is_source(context, via.host);
        plan.top.mac = branch_mac(context, *plan.top.in, via.port != 0 ? via.port : kSipPort);
    }
    return hop.source_slot != table::Dispatch::kNotADestination ||
           contact_stays(context, service.nat);
}

inline std::uint64_t cookie_of(const Context& context) noexcept {
    return sip::dialog_cookie(context.tables.secret, context.message().call_id.value);
}

// Plans what is usual. REQUIRES: plan.top has its shape. `plan` may be one that is not usual, and
// then lacks its list and the number that hangs on the port.
[[gnu::always_inline]] inline void plan_in_line(Context& context, const LooseRoute* route,
                                                const NextHop& hop, const table::Service& service,
                                                RequestPlan& plan) noexcept {
    // Long before they are written. What each of them is made of is known by now, so they take
    // their time together, and not the core's; what follows hangs on none of them.
    if (context.message().top_via.has_rport()) [[likely]]
        plan.top.mac = branch_mac(context, *plan.top.in, context.frame().source.port);
    const bool routed = plan.top.record_route || plan.top.path;
    plan.top.cookie = routed ? cookie_of(context) : 0;
    plan.rport = RportText(context.frame().source.port);
    context.source_text();
    plan.usual = is_usual(context, route, hop, service, plan);
}

// plan_request() in line.
[[gnu::always_inline]] inline void make_plan(Context& context, const LooseRoute& route,
                                             const NextHop& hop, table::ListenerIndex out,
                                             RequestPlan& plan) noexcept {
    const LooseRoute* const set = context.message().routes_count != 0 ? &route : nullptr;
    const table::Entrance& entrance = context.entrance();
    shape_top(context, entrance, context.listener_at(out), plan.top);
    plan_in_line(context, set, hop, *entrance.service, plan);
    if (!plan.usual) [[unlikely]]
        list_request_edits(context, route, hop, plan);
}

// Room in front of the message for it to begin `growth` earlier, and for the frame's headers.
inline bool has_room(const Context& context, const char* begin, std::ptrdiff_t growth) noexcept {
    const std::ptrdiff_t front = reinterpret_cast<const std::uint8_t*>(begin) -
                                 context.packet.data + context.packet.headroom;
    return front - growth >= static_cast<std::ptrdiff_t>(net::kHeadersMax);
}

inline Bytes grown(char* begin, std::string_view message, std::ptrdiff_t growth) noexcept {
    return {reinterpret_cast<std::uint8_t*>(begin),
            static_cast<std::size_t>(static_cast<std::ptrdiff_t>(message.size()) + growth)};
}

// Overwrites the digits of Max-Forwards, right aligned and padded with spaces, at most 70
// (spec/dispatcher.md 7.8). REQUIRES: the value is absent or above 0.
void count_down_oddly(const sip::Message& message) noexcept;
inline void count_down_max_forwards(const sip::Message& message) noexcept {
    const std::int32_t value = message.max_forwards_value;
    const std::string_view digits = message.max_forwards.value;
    if (digits.size() != 2 || value <= 10 || value > kMaxForwards) [[unlikely]]
        return count_down_oddly(message);
    // A view into the packet, which is ours to write.
    store_word(const_cast<char*>(digits.data()), kPairs[static_cast<std::size_t>(value - 1)]);
}

// A usual plan without a list. All parts move by 64 bytes whatever their size: what might be
// overwritten is read before anything is written, and what each part spoils behind itself the next
// one overwrites.
template <bool kPopsRoute>
[[gnu::always_inline]] inline Bytes rewrite_usual(Context& context,
                                                  const RequestPlan& plan) noexcept {
    const sip::Message& message = context.message();
    const Parts& parts = plan.parts;
    const RportText& rport = plan.rport;
    const std::size_t rport_size = message.top_via.has_rport() ? rport.size : 0;
    const std::size_t received_size = plan.received ? context.received_text().size() : 0;
    const auto growth = static_cast<std::ptrdiff_t>(plan.top.size + received_size + rport_size) -
                        (parts.behind_rport - parts.rport) - (parts.tail - parts.cut);
    char* const begin = const_cast<char*>(message.text.data());
    if (!has_room(context, begin, growth)) return {};

    // As a rule last: who reads in a wider word what was written a moment ago stalls the core.
    const bool counts_down_last = message.max_forwards.value.data() >= parts.tail;
    if (!counts_down_last) [[unlikely]]
        count_down_max_forwards(message);
    const Blocks via = Blocks::load(parts.header), parameters = Blocks::load(parts.sent_by_end);
    const Blocks behind_rport = Blocks::load(parts.behind_rport), tail = Blocks::load(parts.tail);
    for (const char* from = begin; from < parts.header; from += Blocks::kSize)
        Blocks::load(from).store(const_cast<char*>(from) - growth);

    char* to = const_cast<char*>(parts.header) - growth;
    write_top(context, plan.top, to);
    to += plan.top.size;
    via.store(to);
    to += parts.sent_by_end - parts.header;
    Blocks::load(context.scratch.received.text.data()).store(to);
    to += received_size;
    parameters.store(to);
    to += parts.rport - parts.sent_by_end;
    rport.write(to);
    to += rport_size;
    if (kPopsRoute) {
        behind_rport.store(to);
        to += parts.cut - parts.behind_rport;
    }
    LB_ASSERT(to == parts.tail);
    tail.store(to);
    if (counts_down_last) [[likely]]
        count_down_max_forwards(message);
    return grown(begin - growth, message.text, growth);
}

// ---- Replies ----------------------------------------------------------------------------------

// What goes of a reply: the whole header field if our Via is alone in it, else this value and its
// comma.
std::string_view odd_own_via(const sip::Message& reply) noexcept;
inline std::string_view own_via(const sip::Message& reply) noexcept {
    const auto& line_ends = reply.index.line_ends;
    const bool is_first = reply.index.lines > 2 && reply.via.value.data() < line_ends[1] &&
                          !sip::is_blank(*line_ends[1]);
    if (is_first && has_own_line(reply)) [[likely]]
        return sip::between(line_ends[0], line_ends[1]);
    return odd_own_via(reply);
}

// True if nothing but the Via changes, and both what is in front of it and behind it can be taken
// by 64 bytes.
inline bool is_usual_reply(Context& context, std::string_view via) noexcept {
    const sip::Message& reply = context.message();
    const char* const end = reply.text.data() + reply.text.size();
    const auto short_size = static_cast<std::ptrdiff_t>(Blocks::kSize);
    return via.data() - reply.text.data() <= short_size &&
           end - (via.data() + via.size()) >= short_size &&
           (context.dispatch().is_destination(context.frame().source) ||
            contact_stays(context, context.service().nat));
}

// Takes `via` out, and that is all.
inline Bytes rewrite_usual_reply(const Context& context, std::string_view via) noexcept {
    const std::string_view message = context.message().text;
    char* const begin = const_cast<char*>(message.data());
    const auto shrinks = static_cast<std::ptrdiff_t>(via.size());
    if (!has_room(context, begin, -shrinks)) return {};
    char* const tail = const_cast<char*>(via.data()) + via.size();
    const Blocks front = Blocks::load(begin), behind = Blocks::load(tail);
    front.store(begin + shrinks);
    behind.store(tail);
    return grown(begin + shrinks, message, -shrinks);
}

}  // namespace lb::core
