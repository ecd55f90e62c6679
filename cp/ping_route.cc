#include "cp/ping_route.h"

#include "cp/socket_text.h"
#include "dp/sip/parser.h"
#include "dp/sip/uri.h"

namespace lb::cp {

namespace {

// "<sip:host;lr>" or "sip:host;lr" or "host:port": the part that names the hop.
std::string with_scheme(std::string_view text) {
    if (text.starts_with('<')) text.remove_prefix(1);
    text = text.substr(0, text.find('>'));
    const bool has_scheme = text.starts_with("sip:") || text.starts_with("sips:");
    return (has_scheme ? "" : "sip:") + std::string(text);
}

}  // namespace

PingHop PingRoute::remote(const Destination& destination) const {
    const std::string_view own = destination.attrs.obproxy();
    const std::string_view proxy = own.empty() ? options_.outbound_proxy : own;
    if (proxy.empty()) {
        if (destination.endpoints.empty()) return {};
        return {destination.endpoints.front(), false};
    }
    const std::string text = with_scheme(proxy);
    sip::Uri uri;
    if (!sip::parse_uri(text, uri) || uri.host.empty()) return {};
    const std::uint16_t port = uri.port != 0 ? uri.port : kSipPort;
    if (const auto address = sip::literal_host(uri.host)) return {Endpoint{*address, port}, false};
    return options_.resolve ? options_.resolve(uri.host, uri.port) : PingHop{};
}

std::optional<Endpoint> PingRoute::local(const Destination& destination,
                                         const IpAddress& remote) const {
    const Family family = remote.family();
    const Attributes& attrs = destination.attrs;
    if (const auto found = by_socket(attrs.ping_socket(), family)) return found;
    if (const auto found = by_name(attrs.sockname(), family)) return found;
    if (const auto found = by_socket(attrs.socket(), family)) return found;
    if (const auto found = by_socket(options_.ds_ping_socket, family)) return found;
    if (const auto found = by_name(options_.ds_default_sockname, family)) return found;
    if (const auto found = by_socket(options_.ds_default_socket, family)) return found;
    return by_way(remote);
}

std::optional<Endpoint> PingRoute::by_way(const IpAddress& remote) const {
    std::optional<Endpoint> first;
    for (const PingListener& listener : options_.listeners) {
        const IpAddress& address = listener.endpoint.address;
        if (address.family() != remote.family()) continue;
        if (options_.on_the_way && options_.on_the_way(address, remote)) return listener.endpoint;
        if (!first) first = listener.endpoint;
    }
    return first;
}

std::optional<Endpoint> PingRoute::by_socket(std::string_view text, Family family) const {
    if (text.empty()) return std::nullopt;
    const std::optional<Endpoint> wanted = parse_socket(text);
    if (!wanted || wanted->address.family() != family) return std::nullopt;
    for (const PingListener& listener : options_.listeners) {
        if (listener.endpoint == *wanted) return wanted;
    }
    return std::nullopt;
}

std::optional<Endpoint> PingRoute::by_name(std::string_view name, Family family) const {
    if (name.empty()) return std::nullopt;
    for (const PingListener& listener : options_.listeners) {
        if (sip::iequals(listener.name, name) && listener.endpoint.address.family() == family) {
            return listener.endpoint;
        }
    }
    return std::nullopt;
}

}  // namespace lb::cp
