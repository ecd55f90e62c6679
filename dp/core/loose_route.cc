#include "dp/core/loose_route.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "dp/base/quad.h"
#include "dp/sip/branch.h"
#include "dp/sip/parser.h"
#include "dp/sip/text.h"

namespace lb::core {
namespace {

// One value of the Route set. Not initialised, because few of a RouteSet's are ever used.
struct RouteValue {
    const char* begin;  // of the value
    const char* end;
    const char* uri_begin;
    const char* uri_end;
    std::size_t line;  // index in Message::routes

    std::string_view uri() const noexcept {
        return {uri_begin, static_cast<std::size_t>(uri_end - uri_begin)};
    }
};

struct RouteSet {
    std::array<RouteValue, kRouteValuesMax> values;  // `count` of them
    std::uint16_t count = 0;
    bool broken = false;
};

void read_routes(const sip::Message& message, RouteSet& set) noexcept {
    set.broken = true;
    for (std::size_t line = 0; line < message.routes_count; ++line) {
        std::string_view rest = message.routes[line].value;
        do {
            sip::NameAddr addr;
            if (set.count == kRouteValuesMax) return;
            if (!sip::parse_name_addr(rest, addr, rest, &message.index)) return;
            set.values[set.count++] = {addr.whole.data(), addr.whole.data() + addr.whole.size(),
                                       addr.uri.data(), addr.uri.data() + addr.uri.size(), line};
        } while (!rest.empty());
    }
    set.broken = false;
}

void check_cookie(const Context& context, const sip::Uri& uri, LooseRoute& route) noexcept {
    const auto text = sip::find_param(uri.params, sip::kCookieParam, &context.message().index);
    if (!text) return;
    route.cookie_present = true;
    std::uint64_t cookie = 0;
    if (parse_hex64(*text, cookie) &&
        cookie == sip::dialog_cookie(context.tables.secret, context.message().call_id.value)) {
        route.cookie_valid = true;
    }
}

// RFC 3261 16.4: a strict router in front of us put our own Record-Route URI into the Request-URI
// and the real one at the end of the Route set.
void recover_request_uri(const Context& context, const RouteSet& set, sip::Uri& uri,
                         LooseRoute& route) noexcept {
    if (set.count == 0 || !sip::parse_uri(route.request_uri, uri, &context.message().index)) return;
    route.leads_away = own_listener(context, uri) == table::kNoListener;
    if (route.leads_away) return;
    if (!sip::find_param(uri.params, "lr", &context.message().index)) return;
    check_cookie(context, uri, route);
    route.request_uri = set.values[set.count - 1].uri();
    route.recovered = true;
    --route.end;
}

// True for a value as the listener that the message came to writes it, of one Route, not two, and
// with the cookie of this dialog.
bool is_own_value(const Context& context, std::string_view value) noexcept {
    constexpr std::size_t kHexSize = 16;
    const table::Listener& listener = context.listener_at(context.listener);
    const std::string& line = listener.record_route[false][context.service().enable_full_lr];
    const std::size_t size = line.size() - table::kRecordRoute.size();
    if (value.size() != size + kHexSize + 1 || value.back() != '>' ||
        std::memcmp(value.data(), line.data() + table::kRecordRoute.size(), size) != 0)
        return false;
    std::array<char, kHexSize> cookie;
    write_hex64(sip::dialog_cookie(context.tables.secret, context.message().call_id.value),
                cookie.data());
    return std::memcmp(value.data() + size, cookie.data(), kHexSize) == 0;
}

// The usual request within a dialog: its only Route is as we wrote it, and its Request-URI the
// address of a phone. Neither needs parsing. False says nothing.
bool follow_usual_route(const Context& context, LooseRoute& route) noexcept {
    const sip::Message& message = context.message();
    if (message.routes_count != 1 || !is_own_value(context, message.routes[0].value)) return false;
    if (!read_plain_host(message, route.host.emplace())) {
        route.host.reset();
        return false;
    }
    if (context.dispatch().find_listener(route.host->endpoint) != table::kNoListener) return false;
    route.leads_away = true;
    route.first = route.end = route.popped = 1;
    route.cookie_present = route.cookie_valid = true;
    return true;
}

}  // namespace

bool read_plain_host(const sip::Message& message, PlainHost& host) noexcept {
    // A plain one has a valid port if any, and the version behind it: that much can be read.
    if (!message.plain_uri) return false;
    const char* const uri = message.request_uri.data();
    const char* const end = uri + message.request_uri.size();
    const char* const user = uri + std::string_view("sip:").size();
    const char* const begin = message.index.next_break(user) + 1;
    const char* const host_end = message.index.next_break(begin);
    const char* at = host_end;
    std::uint16_t port = 0;
    if (*at == ':') port = static_cast<std::uint16_t>(sip::take_short_number(++at));
    std::uint8_t quad[4];  // IPv6 has brackets, which are breaks
    if (!parse_whole_quad(sip::between(begin, host_end), quad)) return false;
    host.endpoint.address = IpAddress::from_ipv4(quad);
    host.endpoint.port = port != 0 ? port : kSipPort;
    host.has_params = at != end;
    return true;
}

table::ListenerIndex own_listener(const Context& context, const sip::Uri& uri) noexcept {
    const auto address = sip::literal_host(uri.host);
    if (!address) return table::kNoListener;
    return context.dispatch().find_listener({*address, uri.port != 0 ? uri.port : kSipPort});
}

void follow_route_set(const Context& context, LooseRoute& route) noexcept {
    if (follow_usual_route(context, route)) return;
    RouteSet set;
    read_routes(context.message(), set);
    route.broken = set.broken;
    route.end = set.count;
    if (set.broken) return;

    sip::Uri uri;  // one for all: it takes longer to clear than to fill
    recover_request_uri(context, set, uri, route);
    if (route.recovered && !sip::fits_request_line(route.request_uri, &context.message().index)) {
        route.broken = true;
        return;
    }
    // A dialog that passed us more than once has more of ours in a row than one or two.
    while (route.first < route.end) {
        if (!sip::parse_uri(set.values[route.first].uri(), uri, &context.message().index)) break;
        const table::ListenerIndex listener = own_listener(context, uri);
        if (listener == table::kNoListener) break;
        check_cookie(context, uri, route);
        if (route.popped != 0) route.outgoing = listener;
        ++route.popped;
        ++route.first;
    }
    if (route.first < route.end) {
        route.next = set.values[route.first].uri();
        route.next_is_strict = sip::parse_uri(route.next, uri, &context.message().index) &&
                               !sip::find_param(uri.params, "lr", &context.message().index);
        route.broken =
            route.next_is_strict && !sip::fits_request_line(route.next, &context.message().index);
    }
}

void add_route_set_edits(Context& context, const LooseRoute& route) noexcept {
    const sip::Message& message = context.message();
    sip::EditList& edits = context.scratch.edits;

    if (route.first == route.end && !route.recovered) {  // all of them were ours
        for (std::size_t line = 0; line < message.routes_count; ++line)
            edits.remove(message.routes[line].line);
        return;
    }
    RouteSet set;
    read_routes(message, set);
    std::size_t first = route.first;
    if (route.next_is_strict) {  // RFC 3261 16.6 step 6: it becomes the Request-URI, the old one
                                 // the last Route
        edits.replace(message.request_uri, edits.copy(route.next));
        ++first;
    } else if (route.recovered) {
        edits.replace(message.request_uri, edits.copy(route.request_uri));
    }

    for (std::size_t line = 0, i = 0; line < message.routes_count; ++line) {
        std::size_t begin = i;
        while (i < set.count && set.values[i].line == line) ++i;
        const std::size_t keep_begin = std::max(begin, first);
        const std::size_t keep_end = std::min<std::size_t>(i, route.end);
        if (keep_begin >= keep_end) {
            edits.remove(message.routes[line].line);
            continue;
        }
        const auto remove = [&](const char* from, const char* to) {
            if (from == to) return;  // edits are few, Route header fields may be many
            edits.remove({from, static_cast<std::size_t>(to - from)});
        };
        remove(set.values[begin].begin, set.values[keep_begin].begin);
        remove(set.values[keep_end - 1].end, set.values[i - 1].end);
    }

    if (route.next_is_strict) {
        const std::string_view last_line = message.routes[message.routes_count - 1].line;
        edits.insert(last_line.data() + last_line.size(), "Route: <");
        edits.insert(last_line.data() + last_line.size(), edits.copy(route.request_uri));
        edits.insert(last_line.data() + last_line.size(), ">\r\n");
    }
}

}  // namespace lb::core
