#include "dp/core/next_hop.h"

#include <algorithm>
#include <array>

#include "dp/core/choose.h"
#include "dp/core/peer.h"
#include "dp/core/rules.h"
#include "dp/sip/parser.h"

namespace lb::core {
namespace {

NextHop refuse(std::uint16_t code, std::string_view reason) noexcept {
    NextHop hop;
    hop.kind = NextHop::Kind::kAnswer;
    hop.answer = {code, reason, {}};
    return hop;
}

NextHop send_to(const Endpoint& endpoint) noexcept {
    NextHop hop;
    hop.endpoint = endpoint;
    return hop;
}

// A name that the control plane has looked up (rule 10): key as published, "host" or "host:port".
NextHop find_name(const Context& context, const sip::Uri& uri) noexcept {
    std::array<char, 256> key;
    NextHop unresolved;
    unresolved.kind = NextHop::Kind::kResolve;
    context.scratch.unresolved = uri.host_port;
    if (uri.host_port.size() > key.size()) return refuse(478, "Unresolvable destination");
    if (context.tables.names == nullptr) return unresolved;

    std::transform(uri.host_port.begin(), uri.host_port.end(), key.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    const std::string_view wanted(key.data(), uri.host_port.size());
    const auto& names = *context.tables.names;
    const auto found = std::lower_bound(
        names.begin(), names.end(), wanted,
        [](const table::ResolvedName& name, std::string_view text) { return name.key < text; });
    if (found == names.end() || found->key != wanted) return unresolved;
    if (found->endpoints.empty()) return refuse(478, "Unresolvable destination");
    return send_to(found->endpoints.front());
}

NextHop resolve_uri(const Context& context, std::string_view text) noexcept {
    sip::Uri uri;
    if (!sip::parse_uri(text, uri, &context.message().index) || uri.host.empty())
        return refuse(478, "Unresolvable destination");
    const auto transport = sip::find_param(uri.params, "transport", &context.message().index);
    if (transport && !sip::iequals(*transport, "udp"))
        return refuse(477, "Transport not supported");

    const auto maddr = sip::find_param(uri.params, "maddr", &context.message().index);
    const auto address = sip::literal_host(maddr ? *maddr : uri.host);
    if (!address) return maddr ? refuse(478, "Unresolvable destination") : find_name(context, uri);
    return send_to({*address, uri.port != 0 ? uri.port : kSipPort});
}

// One variable and every return returns it, here and in find_next_hop(): a NextHop is 130 bytes
// that are not to be copied.
NextHop dispatch(Context& context, std::string_view request_uri) noexcept {
    NextHop hop;
    const table::Service& service = context.service();
    const Selection selection = find_selection(context, request_uri);
    if (selection.rule != nullptr) {
        if (selection.rule->action == table::Rule::Action::kReply) {
            hop = refuse(selection.rule->code, selection.rule->reason);
            return hop;
        }
        if (selection.rule->action == table::Rule::Action::kDrop) {
            hop.kind = NextHop::Kind::kDrop;
            return hop;
        }
    }

    const table::Set* const set = context.dispatch().find_set(selection.set);
    Choice choice;
    if (set != nullptr) {
        const Question question{context.message(),
                                context.frame().source,
                                context.transaction,
                                context.dispatch(),
                                *set,
                                selection.algorithm};
        choice = choose(question, context.scratch.state);
    }
    if (!choice) {
        hop = refuse(service.no_destination_code, service.no_destination_reason);
        return hop;
    }
    hop.endpoint = choice.member->endpoint;
    hop.listener = choice.member->listener;
    hop.slot = choice.member->slot;
    hop.dispatched = true;
    if (service.set_host) hop.host_port = set->texts[choice.member->text].host_port;
    return hop;
}

bool is_ours(const Context& context, std::string_view text) noexcept {
    sip::Uri uri;
    return sip::parse_uri(text, uri, &context.message().index) &&
           own_listener(context, uri) != table::kNoListener;
}

// Follows a Route or Request-URI, if the sender may choose where its message goes: a destination of
// ours, a message of a dialog that we record-routed (cookie), or a way that ends at a destination
// anyway. No open relay.
NextHop follow(const Context& context, const LooseRoute& route, std::string_view uri,
               bool trusted) noexcept {
    NextHop hop = resolve_uri(context, uri);
    if (hop.kind == NextHop::Kind::kSend)
        hop.slot = context.dispatch().find_traffic_slot(hop.endpoint);
    if (trusted || route.cookie_valid) return hop;
    if (hop.kind == NextHop::Kind::kSend && hop.slot != table::Dispatch::kNotADestination)
        return hop;
    return refuse(403, "Forbidden");
}

NextHop decide(Context& context, const LooseRoute& route) noexcept {
    const Way way = find_way(context, route);
    NextHop hop =
        way.dispatched ? dispatch(context, way.uri) : follow(context, route, way.uri, way.trusted);
    hop.source_slot = way.source_slot;
    return hop;
}

}  // namespace

Way find_way(const Context& context, const LooseRoute& route) noexcept {
    const std::uint32_t slot = context.dispatch().find_traffic_slot(context.frame().source);
    const bool trusted = slot != table::Dispatch::kNotADestination;
    const bool led_by_route = route.popped > 0 || route.recovered || trusted;
    const Way dispatched{true, trusted, route.request_uri, slot};

    // A Route set that starts with somebody else and comes from outside is the destination's
    // business.
    if (!route.next.empty()) {
        return led_by_route ? Way{false, trusted, route.next, slot} : dispatched;
    }
    if (!led_by_route || is_ours(context, route.request_uri)) return dispatched;

    // A phone with us as its outbound proxy: a Route of ours without cookie on a request that
    // starts something.
    const bool starts_something = context.message().to_addr.tag.empty();
    if (!trusted && !route.cookie_present && starts_something) return dispatched;
    return {false, trusted, route.request_uri, slot};
}

Selection find_selection(const Context& context, std::string_view request_uri) noexcept {
    const table::Service& service = context.service();
    const Selection own{nullptr, service.set, service.algorithm};
    if (service.rules.empty()) return own;
    sip::Uri uri;
    sip::parse_uri(
        request_uri, uri,
        &context.message().index);  // a rule that asks for parts of a bad URI does not match
    const table::Rule* const rule = match_rule(context, uri);
    return rule == nullptr ? own : Selection{rule, rule->set, rule->algorithm};
}

NextHop find_next_hop(Context& context, const LooseRoute& route) noexcept {
    NextHop hop = decide(context, route);
    if (hop.kind != NextHop::Kind::kSend) return hop;
    if (context.network().owns(hop.endpoint.address)) {
        hop = refuse(482, "Loop Detected");
        return hop;
    }
    // Never a reflector to many, nor a way to what listens on our own loopback.
    if (!is_peer(hop.endpoint, context.frame().target.address.is_loopback())) {
        hop = refuse(478, "Unresolvable destination");
        return hop;
    }
    if (hop.listener == table::kNoListener) hop.listener = route.outgoing;
    return hop;
}

}  // namespace lb::core
