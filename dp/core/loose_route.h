#pragma once

// Loose routing (RFC 3261 16.4, 16.6 step 6; RFC 5658 for the double Record-Route): takes our own
// values off the top of the Route set and says where the rest leads.
//
// Bounds: kRouteValuesMax Route values are looked at; a longer set is not ours to follow.

#include <cstdint>
#include <optional>
#include <string_view>

#include "dp/core/context.h"

namespace lb::core {

inline constexpr std::size_t kRouteValuesMax = 32;

// What a Request-URI of the form sip:user@address[:port][;params] names.
struct PlainHost {
    Endpoint endpoint;
    bool has_params;  // they may lead elsewhere
};

struct LooseRoute {
    std::string_view next;         // URI of the Route that is now topmost; empty: none left
    std::string_view request_uri;  // the Request-URI, or what strict routing recovered
    // The values that stay are [first, end) of the Route set; add_route_edits() turns that into
    // edits.
    std::uint16_t first = 0, end = 0;
    std::uint16_t popped = 0;  // own values taken off the top
    table::ListenerIndex outgoing =
        table::kNoListener;       // the last of two or more own values: leave by it
    bool broken = false;          // a Route value that does not parse, or too many: 400
    bool cookie_present = false;  // a popped value (or our Request-URI) carried a dialog cookie
    bool cookie_valid = false;    // ... and it is the one of this Call-ID
    bool next_is_strict = false;  // `next` has no ;lr
    bool recovered = false;       // request_uri came from the last Route value
    bool leads_away = false;      // request_uri is known to name none of our listeners
    // Of the message's Request-URI, if that was read without parsing it.
    std::optional<PlainHost> host;

    LooseRoute() noexcept {}  // not `default`: gcc would clear it all, in a loop, and then set it
};

// Follows the Route set of a message that has one.
void follow_route_set(const Context& context, LooseRoute& route) noexcept;

// Reads the message only.
inline LooseRoute loose_route(const Context& context) noexcept {
    LooseRoute route;
    route.request_uri = context.message().request_uri;
    if (context.message().routes_count != 0) follow_route_set(context, route);
    return route;
}

// Adds the edits that remove what loose_route() took off, rewrite the Request-URI after recovery,
// and do what strict routing asks for when the next Route has no ;lr.
void add_route_set_edits(Context& context, const LooseRoute& route) noexcept;
inline void add_route_edits(Context& context, const LooseRoute& route) noexcept {
    if (context.message().routes_count != 0) add_route_set_edits(context, route);
}

// Told without parsing the Request-URI. False says nothing.
bool read_plain_host(const sip::Message& message, PlainHost& host) noexcept;

// The listener that a URI names, if it is one of ours (literal address, port 5060 when absent).
table::ListenerIndex own_listener(const Context& context, const sip::Uri& uri) noexcept;

}  // namespace lb::core
