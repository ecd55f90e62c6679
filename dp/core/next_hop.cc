#include "dp/core/next_hop.h"

#include <algorithm>
#include <array>

#include "dp/core/choose.h"
#include "dp/core/peer.h"
#include "dp/core/rules.h"
#include "dp/sip/parser.h"

namespace lb::core {
namespace {

void refuse(NextHop& next, std::uint16_t code, std::string_view reason) noexcept {
    next.kind = NextHop::Kind::kAnswer;
    next.code = code;
    next.reason = reason;
}

void send_to(const Context& context, const Endpoint& endpoint, NextHop& next) noexcept {
    context.scratch.followed = endpoint;
    next.endpoint = &context.scratch.followed;
}

// A name that the control plane has looked up (rule 10): key as published, "host" or "host:port".
void find_name(const Context& context, const sip::Uri& uri, NextHop& next) noexcept {
    std::array<char, 256> key;
    context.scratch.unresolved = uri.host_port;
    if (uri.host_port.size() > key.size()) return refuse(next, 478, "Unresolvable destination");
    next.kind = NextHop::Kind::kResolve;
    if (context.tables.names == nullptr) return;

    std::transform(uri.host_port.begin(), uri.host_port.end(), key.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    const std::string_view wanted(key.data(), uri.host_port.size());
    const auto& names = *context.tables.names;
    const auto found = std::lower_bound(
        names.begin(), names.end(), wanted,
        [](const table::ResolvedName& name, std::string_view text) { return name.key < text; });
    if (found == names.end() || found->key != wanted) return;
    if (found->endpoints.empty()) return refuse(next, 478, "Unresolvable destination");
    next.kind = NextHop::Kind::kSend;
    next.endpoint = &found->endpoints.front();
}

// True for a URI that is a Contact which comes back within a dialog: told without parsing. False
// says nothing.
bool resolve_plain_uri(const Context& context, const LooseRoute& route, std::string_view uri,
                       NextHop& next) noexcept {
    const sip::Message& message = context.message();
    if (uri.data() != message.request_uri.data()) return false;
    PlainHost room;
    const PlainHost* host = &room;
    if (route.host) {
        host = &*route.host;
    } else if (!read_plain_host(message, room)) {
        return false;
    }
    if (host->has_params) return false;
    send_to(context, host->endpoint, next);
    return true;
}

[[gnu::noinline]] void resolve_uri(const Context& context, std::string_view text,
                                   NextHop& next) noexcept {
    sip::Uri uri;
    if (!sip::parse_uri(text, uri, &context.message().index) || uri.host.empty())
        return refuse(next, 478, "Unresolvable destination");
    // sips asks for TLS on every hop (RFC 3261 26.2.2).
    if (uri.scheme == sip::Scheme::kSips) return refuse(next, 477, "Transport not supported");
    const auto transport = sip::find_param(uri.params, "transport", &context.message().index);
    if (transport && !sip::iequals(*transport, "udp"))
        return refuse(next, 477, "Transport not supported");

    const auto maddr = sip::find_param(uri.params, "maddr", &context.message().index);
    const auto address = sip::literal_host(maddr ? *maddr : uri.host);
    if (address) return send_to(context, {*address, uri.port != 0 ? uri.port : kSipPort}, next);
    if (maddr) return refuse(next, 478, "Unresolvable destination");
    find_name(context, uri, next);
}

// Takes what the first rule that matches says. True if that leaves the choice to the dispatcher.
[[gnu::noinline]] bool follow_rules(const Context& context, std::string_view request_uri,
                                    Selection& selection, NextHop& next) noexcept {
    selection = find_selection(context, request_uri);
    if (selection.rule == nullptr) return true;
    if (selection.rule->action == table::Rule::Action::kReply)
        refuse(next, selection.rule->code, selection.rule->reason);
    if (selection.rule->action == table::Rule::Action::kDrop) next.kind = NextHop::Kind::kDrop;
    return selection.rule->action == table::Rule::Action::kDispatch;
}

void dispatch(Context& context, std::string_view request_uri, NextHop& next) noexcept {
    const table::Entrance& entrance = context.entrance();
    const table::Service& service = *entrance.service;
    const table::Set* set = context.dispatch().set_of_service(entrance.listener->service);
    table::Algorithm algorithm = service.algorithm;
    bool remember = false;
    if (!service.rules.empty()) [[unlikely]] {
        Selection selection;
        if (!follow_rules(context, request_uri, selection, next)) return;
        set = context.dispatch().find_set(selection.set);
        algorithm = selection.algorithm;
        remember = selection.remember;
    }
    Choice choice;
    if (set != nullptr) {
        choice = choose({context.message(), context.frame().source, context.transaction,
                         context.dispatch(), *set, algorithm, remember},
                        context.scratch.state);
    }
    if (!choice) return refuse(next, service.no_destination_code, service.no_destination_reason);
    const table::Member& member = *choice.member;
    next.dispatched = true;
    next.listener = member.listener;
    next.slot = member.slot;
    next.endpoint = &member.endpoint;
    if (service.set_host) next.host_port = set->texts[member.text].host_port;
}

bool is_ours(const Context& context, std::string_view text) noexcept {
    sip::Uri uri;
    return sip::parse_uri(text, uri, &context.message().index) &&
           own_listener(context, uri) != table::kNoListener;
}

// Follows a Route or Request-URI, if the sender may choose where its message goes: a destination of
// ours, a message of a dialog that we record-routed (cookie), or a way that ends at a destination
// anyway. No open relay.
[[gnu::noinline]] void follow(const Context& context, const LooseRoute& route, std::string_view uri,
                              bool trusted, NextHop& next) noexcept {
    if (!resolve_plain_uri(context, route, uri, next)) resolve_uri(context, uri, next);
    if (next.kind == NextHop::Kind::kSend)
        next.slot = context.dispatch().find_traffic_slot(*next.endpoint);
    if (trusted || route.cookie_valid) return;
    if (next.kind == NextHop::Kind::kSend && next.slot != table::Dispatch::kNotADestination) return;
    refuse(next, 403, "Forbidden");
}

// The way of a request that a Route of ours led here, or that a destination sent.
[[gnu::noinline]] Way find_led_way(const Context& context, const LooseRoute& route,
                                   std::uint32_t source_slot) noexcept {
    const bool trusted = source_slot != table::Dispatch::kNotADestination;
    const Way dispatched{true, trusted, route.request_uri, source_slot};
    if (!route.next.empty()) return {false, trusted, route.next, source_slot};
    if (!route.leads_away && is_ours(context, route.request_uri)) return dispatched;

    // A phone with us as its outbound proxy: a Route of ours without cookie on a request that
    // starts something, or on the ACK for its failure, which has the tag of the reply and all else
    // of its INVITE (RFC 3261 17.1.1.3).
    const sip::Message& message = context.message();
    const bool starts_something =
        message.to_addr.tag.empty() || message.method == sip::Method::kAck;
    if (!trusted && !route.cookie_present && starts_something) return dispatched;
    return {false, trusted, route.request_uri, source_slot};
}

[[gnu::always_inline]] inline Way way_of(const Context& context, const LooseRoute& route) noexcept {
    const std::uint32_t slot = context.dispatch().find_traffic_slot(context.frame().source);
    const bool trusted = slot != table::Dispatch::kNotADestination;
    if (route.popped > 0 || route.recovered || trusted) return find_led_way(context, route, slot);
    // Also a Route set that starts with somebody else and comes from outside: it is the
    // destination's business.
    return {true, trusted, route.request_uri, slot};
}

}  // namespace

Way find_way(const Context& context, const LooseRoute& route) noexcept {
    return way_of(context, route);
}

Selection find_selection(const Context& context, std::string_view request_uri) noexcept {
    const table::Service& service = context.service();
    Selection own{nullptr, service.set, service.algorithm};
    if (service.rules.empty()) return own;
    // CANCEL and ACK need not have the header field by which a rule chose for their INVITE.
    const sip::Message& message = context.message();
    const bool by_header = std::ranges::any_of(
        service.rules, [](const table::Rule& rule) { return !rule.header.empty(); });
    own.remember =
        by_header && (message.follows_invite() || message.method == sip::Method::kInvite);
    if (own.remember && message.follows_invite()) {
        const table::Set* const set =
            find_remembered_set(context.transaction, context.dispatch(), context.scratch.state);
        if (set != nullptr) return {nullptr, set->id, service.algorithm, true};
    }
    sip::Uri uri;
    sip::parse_uri(
        request_uri, uri,
        &context.message().index);  // a rule that asks for parts of a bad URI does not match
    const table::Rule* const rule = match_rule(context, uri);
    return rule == nullptr ? own : Selection{rule, rule->set, rule->algorithm, own.remember};
}

NextHop find_next_hop(Context& context, const LooseRoute& route) noexcept {
    NextHop next;  // what every return returns: it is not copied
    const Way way = way_of(context, route);
    next.source_slot = way.source_slot;
    if (way.dispatched) [[likely]] {
        dispatch(context, way.uri, next);
    } else {
        follow(context, route, way.uri, way.trusted, next);
    }
    if (next.kind != NextHop::Kind::kSend) return next;
    if (context.network().owns(next.endpoint->address)) {
        refuse(next, 482, "Loop Detected");
        return next;
    }
    // Never a reflector to many, nor a way to what listens on our own loopback.
    if (!is_plain_peer(*next.endpoint) &&
        !is_odd_peer(*next.endpoint, context.frame().target.address.is_loopback())) {
        refuse(next, 478, "Unresolvable destination");
        return next;
    }
    if (next.listener == table::kNoListener) next.listener = route.outgoing;
    return next;
}

}  // namespace lb::core
