#include "dp/core/route.h"

#include <cstring>
#include <optional>

#include "dp/core/answer.h"
#include "dp/core/checks.h"
#include "dp/core/choose.h"
#include "dp/core/loose_route.h"
#include "dp/core/next_hop.h"
#include "dp/core/peer.h"
#include "dp/core/rewrite_usual.h"
#include "dp/core/send.h"
#include "dp/net/packet_too_big.h"
#include "dp/sip/branch.h"
#include "dp/sip/parser.h"
#include "dp/sip/reply.h"

namespace lb::core {
namespace {

// The listener that a message to `target` by `hop` leaves by: the forced one, the one it came in by
// if that interface and family serve, else one of the service's own on the way out. kNoListener:
// the service has no address there.
[[gnu::noinline]] table::ListenerIndex other_listener(const Context& context,
                                                      table::ListenerIndex forced,
                                                      const IpAddress& target,
                                                      const table::Hop& hop) noexcept {
    const auto serves = [&](table::ListenerIndex index) {
        return context.listener_at(index).endpoint.address.family() == target.family();
    };
    if (forced != table::kNoListener && serves(forced)) return forced;
    if (hop.interface == context.interface && serves(context.listener)) return context.listener;

    const auto& addresses = context.network().interface(hop.interface).addresses;
    for (const table::ListenerIndex index : context.service().listeners) {
        for (const Prefix& prefix : addresses) {
            if (prefix.address == context.listener_at(index).endpoint.address && serves(index))
                return index;
        }
    }
    if (serves(context.listener)) return context.listener;
    for (const table::ListenerIndex index : context.service().listeners) {
        if (serves(index)) return index;
    }
    return table::kNoListener;
}

table::ListenerIndex outgoing_listener(const Context& context, table::ListenerIndex forced,
                                       const IpAddress& target, const table::Hop& hop) noexcept {
    const bool usual = (forced == table::kNoListener || forced == context.listener) &&
                       hop.interface == context.interface &&
                       context.frame().target.address.family() == target.family();
    if (usual) [[likely]]
        return context.listener;
    return other_listener(context, forced, target, hop);
}

// What is left to the control thread (kResolve) is not counted.
[[gnu::always_inline]] inline void count_traffic(const Context& context,
                                                 const NextHop& next) noexcept {
    const sip::Message& message = context.message();
    const bool call =
        next.dispatched && message.method == sip::Method::kInvite && message.to_addr.tag.empty();
    context.scratch.state.traffic.count_request(next.slot, call);
    if (next.source_slot != table::Dispatch::kNotADestination)
        context.scratch.state.traffic.count_sent(next.source_slot);
    context.scratch.last_request = {next.slot, next.dispatched};
}

[[gnu::noinline, gnu::cold]] Verdict refuse(Context& context, std::uint16_t code,
                                            std::string_view reason) noexcept {
    return answer(context, {code, reason, {}});
}

// The last steps of a request that is relayed, but for the usual one.
[[gnu::noinline]] Verdict carry_out(Context& context, const NextHop& next, const RequestPlan& plan,
                                    const table::Hop& hop) noexcept {
    if (!plan.usual && !context.scratch.edits.ok()) return drop(DropReason::kTooBig);
    follow_call(context.message(), context.dispatch(), context.scratch.state);
    count_traffic(context, next);
    const Bytes message = rewrite_request(context, plan);
    if (message.empty()) return drop(DropReason::kTooBig);
    return send(context, plan.top.out->endpoint, *next.endpoint, hop, message.data(),
                message.size());
}

// The last steps of the usual one.
template <bool kPopsRoute>
[[gnu::always_inline]] inline Verdict carry_out_usual(Context& context, const NextHop& next,
                                                      const RequestPlan& plan,
                                                      const table::Listener& leaves_by,
                                                      const table::Hop& hop) noexcept {
    follow_call(context.message(), context.dispatch(), context.scratch.state);
    count_traffic(context, next);
    const Bytes message = rewrite_usual<kPopsRoute>(context, plan);
    if (message.empty()) [[unlikely]]
        return drop(DropReason::kTooBig);
    return send(context, leaves_by.endpoint, *next.endpoint, hop, message.data(), message.size());
}

// In line for a request within a dialog: the only Route, which is ours, goes.
Verdict forward_request(Context& context, const LooseRoute& route, const NextHop& next) noexcept {
    const IpAddress& target = next.endpoint->address;
    const table::Hop& hop = context.network().resolve(target, context.scratch.hop);
    if (hop.interface == table::kNoInterface) return refuse(context, 477, "No route");
    const table::ListenerIndex out = outgoing_listener(context, next.listener, target, hop);
    if (out == table::kNoListener) return refuse(context, 477, "No address of that family");
    RequestPlan plan;
    make_plan(context, route, next, out, plan);
    if (plan.usual && plan.pops_route) [[likely]]
        return carry_out_usual<true>(context, next, plan, *plan.top.out, hop);
    return carry_out(context, next, plan, hop);
}

// By all that decides about a request: its Route set, rules, any algorithm.
[[gnu::noinline]] Verdict relay_by_all(Context& context) noexcept {
    const LooseRoute route = loose_route(context);
    if (route.broken) return refuse(context, 400, "Bad Request");
    const NextHop next = find_next_hop(context, route);
    switch (next.kind) {
        case NextHop::Kind::kSend:
            return forward_request(context, route, next);
        case NextHop::Kind::kAnswer:
            return refuse(context, next.code, next.reason);
        case NextHop::Kind::kDrop:
            return drop(DropReason::kRuleDrop);
        case NextHop::Kind::kResolve:
            break;
    }
    return {Action::kResolve, DropReason::kInternal, context.interface};
}

// What NextHop says of a destination that was chosen by the Call-ID.
NextHop dispatched_to(const table::Member& member) noexcept {
    NextHop next;
    next.dispatched = true;
    next.listener = member.listener;
    next.slot = member.slot;
    next.source_slot = table::Dispatch::kNotADestination;
    next.endpoint = &member.endpoint;
    return next;
}

// relay_usual() with a top that is not prepared.
[[gnu::noinline]] Verdict forward_by_plan(Context& context, const table::Member& member,
                                          const table::Hop& hop,
                                          table::ListenerIndex out) noexcept {
    const NextHop next = dispatched_to(member);
    return carry_out(context, next, plan_request(context, loose_route(context), next, out), hop);
}

// And with edits, as behind NAT; `cookie`: of its top.
[[gnu::noinline]] Verdict forward_by_list(Context& context, const table::Member& member,
                                          const table::Hop& hop, table::ListenerIndex out,
                                          std::uint64_t cookie) noexcept {
    const NextHop next = dispatched_to(member);
    RequestPlan plan;
    shape_top(context, context.entrance(), context.listener_at(out), plan.top);
    plan.top.cookie = cookie;
    list_request_edits(context, loose_route(context), next, plan);
    return carry_out(context, next, plan, hop);
}

// relay_by_all() for nearly every request that starts something, in one piece.
Verdict relay_usual(Context& context, const table::Entrance& entrance, const table::Member& member,
                    const table::Hop& hop) noexcept {
    const IpAddress& target = member.endpoint.address;
    const table::ListenerIndex out = outgoing_listener(context, member.listener, target, hop);
    if (out == table::kNoListener) [[unlikely]]
        return relay_by_all(context);
    const table::Listener& leaves_by =
        out == context.listener ? *entrance.listener : context.listener_at(out);
    RequestPlan plan;
    shape_top(context, entrance, leaves_by, plan.top);
    if (plan.top.prepared == nullptr) [[unlikely]]
        return forward_by_plan(context, member, hop, out);
    const NextHop next = dispatched_to(member);
    plan_in_line(context, nullptr, next, *entrance.service, plan);
    if (!plan.usual) [[unlikely]]
        return forward_by_list(context, member, hop, out, plan.top.cookie);
    return carry_out_usual<false>(context, next, plan, leaves_by, hop);
}

// What begins something and is dispatched by its Call-ID goes by relay_usual(), all else by
// relay_by_all(). Both do the same to a message (dp_core_route compares them), the one with fewer
// questions.
[[gnu::always_inline]] inline Verdict relay_request(Context& context) noexcept {
    sip::Message& request = context.message();
    if (!read_addresses(request)) [[unlikely]]
        return refuse(context, 400, "Bad Request");
    context.transaction = sip::transaction_number(context.tables.secret, request);
    if (!is_plain_request(request)) [[unlikely]] {
        if (const Answer early = check_request(context)) return answer(context, early);
    }
    if (request.method == sip::Method::kAck &&
        sip::is_ack_to_our_reply(request, context.tables.secret)) {
        return drop(DropReason::kOurAck);
    }

    const table::Entrance& entrance = context.entrance();
    const UsualWay way = find_usual_way(context, entrance);
    if (way.hop == nullptr) return relay_by_all(context);
    return relay_usual(context, entrance, *way.member, *way.hop);
}

// True if a Via is what the listener writes itself, told without parsing. False says nothing.
bool is_written_by(const table::Listener& listener, const sip::Via& via) noexcept {
    constexpr std::size_t kInFront = std::string_view("<sip:").size();
    const std::string& uri = listener.record_route_uri;
    return uri.size() == kInFront + via.sent_by.size() &&
           same_short(uri.data() + kInFront, via.sent_by.data(), via.sent_by.size());
}

// As a rule a reply comes back to the listener that its request left by.
bool is_own_via(const Context& context, const sip::Via& via) noexcept {
    if (is_written_by(context.listener_at(context.listener), via)) return true;
    const auto sent_by = sip::literal_host(via.host);
    return context.dispatch().find_listener(
               {sent_by.value_or(IpAddress()), via.port != 0 ? via.port : kSipPort}) !=
           table::kNoListener;
}

// The listener that the request came to, as our branch of it says. kNoListener: it is not ours, or
// for a reply to another target, or that listener is no more.
table::ListenerIndex listener_in_branch(const Context& context, std::string_view branch,
                                        const Endpoint& target) noexcept {
    const std::uint64_t likely = context.entrance().listener->mark;
    const std::uint64_t mark = sip::read_relay_mark(context.tables.secret, branch, target, likely);
    return mark == likely ? context.listener : context.dispatch().find_marked_listener(mark);
}

[[gnu::noinline]] Verdict relay_reply(Context& context) noexcept {
    const sip::Via& top = context.message().top_via;
    const Secret& secret = context.tables.secret;
    if (!is_own_via(context, top)) return drop(DropReason::kNotOurVia);

    std::uint64_t probe = 0;
    if (sip::check_probe_branch(secret, top.branch, probe)) {
        return {Action::kPunt, DropReason::kInternal,
                context.interface};  // the prober's socket waits for it
    }
    sip::Via& second = context.scratch.second_via;
    if (!sip::find_second_via(context.message(), second)) return drop(DropReason::kNoReplyRoute);
    Endpoint target;
    if (!sip::find_reply_endpoint(second, target)) return drop(DropReason::kBadNextHop);
    const table::ListenerIndex came_by = listener_in_branch(context, top.branch, target);
    if (came_by == table::kNoListener) return drop(DropReason::kBadBranch);

    const table::Hop& hop = context.network().resolve(target.address, context.scratch.hop);
    if (hop.interface == table::kNoInterface) return drop(DropReason::kNoRoute);
    const table::ListenerIndex out = outgoing_listener(context, came_by, target.address, hop);
    if (out == table::kNoListener) return drop(DropReason::kNoRoute);

    const std::string_view via = own_via(context.message());
    const bool usual = is_usual_reply(context, via);
    follow_call(context.message(), context.dispatch(), context.scratch.state);
    const Bytes message = usual ? rewrite_usual_reply(context, via) : rewrite_reply(context, via);
    if (message.empty()) return drop(DropReason::kTooBig);
    return send(context, context.listener_at(out).endpoint, target, hop, message.data(),
                message.size());
}

// In words: a compare of six bytes is a call.
bool is_same(const MacAddress& a, const MacAddress& b) noexcept {
    const auto word = [](const MacAddress& mac, std::size_t at) {
        std::uint32_t bytes;
        std::memcpy(&bytes, mac.bytes.data() + at, sizeof bytes);
        return bytes;
    };
    return word(a, 0) == word(b, 0) && word(a, 2) == word(b, 2);
}

// To an address of ours on that interface; anything else is for the kernel: ARP, strangers,
// multicast.
bool is_for_us(const table::Network& network, const table::Port& port,
               const net::FrameView& frame) noexcept {
    return is_same(frame.target_mac, port.mac) && network.owns(frame.target.address);
}

// A router tells of a datagram of a listener that was too large for its way.
[[gnu::cold]] void hear_packet_too_big(Context& context) noexcept {
    net::PacketTooBig about;
    if (context.scratch.path_mtus == nullptr ||
        !net::read_packet_too_big(context.packet, context.frame(), about) ||
        context.dispatch().find_listener(about.source) == table::kNoListener)
        return;
    context.scratch.path_mtus->learn(about.target.address, about.mtu, context.scratch.state.now_ms);
}

// Finds listener and interface of what comes in by a listener's own interface, as nearly all does.
// False says nothing.
[[gnu::always_inline]] inline bool enters_by_door(Context& context) noexcept {
    const net::FrameView& frame = context.frame();
    const table::Door& door = context.tables.shortcuts->door_for(frame.target);
    if (!(door.endpoint == frame.target) || door.device != context.packet.device ||
        door.vlan != frame.vlan || !is_same(door.mac, frame.target_mac)) [[unlikely]]
        return false;
    context.interface = door.interface;
    context.listener = door.listener;
    context.hops = door.hops;
    return true;
}

// The same of any frame. What becomes of one that is not for a listener.
[[gnu::noinline]] std::optional<Verdict> enter_by_all(Context& context) noexcept {
    const net::FrameView& frame = context.frame();
    const table::Network& network = context.network();
    const table::Port& port = network.find_port(context.packet.device, frame.vlan);
    context.interface = port.interface;
    if (context.interface == table::kNoInterface) return drop(DropReason::kForeignVlan);

    const Verdict punt{Action::kPunt, DropReason::kInternal, context.interface};
    if (!is_for_us(network, port, frame)) return punt;
    if (!frame.is_udp) {
        if (frame.protocol == net::kProtocolIcmpv6) hear_packet_too_big(context);  // as the kernel
        // A fragment's ports are unknown; it comes back once, whole.
        return frame.is_fragment && frame.protocol == net::kProtocolUdp
                   ? Verdict{Action::kReassemble, DropReason::kInternal, context.interface}
                   : punt;
    }
    context.listener = context.dispatch().find_listener(frame.target);
    if (context.listener == table::kNoListener) return punt;
    return std::nullopt;
}

// False for a source that a reply may not go to: it would reach many hosts, or ourselves.
bool is_plausible_source(const Context& context) noexcept {
    const net::FrameView& frame = context.frame();
    const bool group_mac = (frame.source_mac.bytes[0] & 1) != 0;
    return !group_mac &&
           (is_plain_peer(frame.source) ||
            is_odd_peer(frame.source, frame.target.address.is_loopback())) &&
           !context.network().owns(frame.source.address);
}

// Most messages begin with a letter, and are none.
bool is_keepalive(std::string_view payload) noexcept {
    return (payload.empty() || payload.front() < ' ') && sip::is_keepalive(payload);
}

DropReason drop_reason(net::FrameError error) noexcept {
    const bool checksum =
        error == net::FrameError::kIpChecksum || error == net::FrameError::kUdpChecksum;
    return checksum ? DropReason::kBadChecksum : DropReason::kBadFrame;
}

Verdict refuse_unparsable(Context& context, sip::Error error) noexcept {
    const sip::Message& message = context.message();
    if (!message.is_reply() && message.method == sip::Method::kAck)
        return drop(DropReason::kBadAck);
    if (!sip::answerable(error, message)) return drop(DropReason::kBadSip);
    return answer(context, answer_to_bad_request(error));
}

}  // namespace

// [[unlikely]] tells gcc more than where to jump: behind a dozen ways out that it takes for likely
// it saves space at the cost of time.
Verdict route(net::Packet& packet, const table::Tables& tables, Scratch& scratch) noexcept {
    Context context{packet, tables, scratch};
    net::FrameView& frame = scratch.frame;
    if (const auto error = net::parse_frame(packet, frame, tables.verify_checksums);
        error != net::FrameError::kNone) [[unlikely]] {
        return drop(drop_reason(error));
    }
    if (!enters_by_door(context)) [[unlikely]] {
        if (const auto verdict = enter_by_all(context)) return *verdict;
    }
    if (!is_plausible_source(context)) [[unlikely]]
        return drop(DropReason::kForgedSource);
    const std::string_view payload = frame.payload;
    if (is_keepalive(payload)) [[unlikely]]
        return drop(DropReason::kKeepalive);

    if (const auto error = sip::parse(payload, scratch.message); error != sip::Error::kNone)
        [[unlikely]] {
        return refuse_unparsable(context, error);
    }
    return scratch.message.is_reply() ? relay_reply(context) : relay_request(context);
}

}  // namespace lb::core
