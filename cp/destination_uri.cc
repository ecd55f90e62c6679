// What a destination's URI is (spec/dispatcher.md 3.3). Wider than RFC 3261's grammar where
// Kamailio 5.6.3 is (recorded in tests/golden/dispatcher/uris.tsv), narrower in one thing: white
// space, control bytes, quotes and angle brackets are refused everywhere, because the text goes
// into messages we send.

#include <fmt/format.h>
#include <strings.h>

#include <algorithm>

#include "cp/destination.h"

namespace lb::cp {
namespace {

constexpr std::size_t kHostMax = 254;
constexpr std::size_t kPrefixedMax = 499;  // what "sip:" is put in front of is shorter than 500

bool starts_with_nocase(std::string_view text, std::string_view start) noexcept {
    return text.size() >= start.size() && strncasecmp(text.data(), start.data(), start.size()) == 0;
}

bool is_unsafe(char c) noexcept {
    return static_cast<unsigned char>(c) <= ' ' || c == 0x7f || c == '<' || c == '>' || c == '"';
}

// PROTOID by transport name; 0 for what Kamailio 5.6 does not know either.
std::uint8_t protocol_of(std::string_view transport) noexcept {
    constexpr std::string_view kTransports[] = {"", "udp", "tcp", "tls", "sctp", "ws"};
    for (std::uint8_t i = 1; i < std::size(kTransports); ++i) {
        if (transport.size() == kTransports[i].size() &&
            starts_with_nocase(transport, kTransports[i])) {
            return i;
        }
    }
    return 0;
}

// ";name=value;name" up to '?': the value of transport, of the last one if there are several.
std::string_view find_transport(std::string_view params) noexcept {
    std::string_view transport;
    params = params.substr(0, params.find('?'));
    while (!params.empty()) {
        params.remove_prefix(1);  // the ';'
        const std::string_view one = params.substr(0, params.find(';'));
        if (starts_with_nocase(one, "transport=")) transport = one.substr(10);
        params.remove_prefix(one.size());
    }
    return transport;
}

const char* take_user(std::string_view& rest) noexcept {
    const std::size_t at = rest.find('@');
    if (at == std::string_view::npos) return nullptr;
    if (rest.find('@', at + 1) != std::string_view::npos) return "more than one '@'";
    if (at == 0 || rest.front() == ':') return "the user part is empty";
    rest.remove_prefix(at + 1);
    return nullptr;
}

const char* take_host(std::string_view& rest, DestinationUriView& out) {
    if (rest.starts_with('[')) {
        const std::size_t end = rest.find(']');
        if (end == std::string_view::npos) return "']' is missing";
        out.host = rest.substr(1, end - 1);
        out.literal = IpAddress::parse(out.host);
        if (!out.literal || !out.literal->is_ipv6()) return "not an IPv6 address in the brackets";
        rest.remove_prefix(end + 1);
        return nullptr;
    }
    out.host = rest.substr(0, rest.find_first_of(":;?"));
    if (out.host.empty()) return "the host is missing";
    if (out.host.size() > kHostMax) return "the host is longer than 254 characters";
    out.literal = IpAddress::parse(out.host);
    rest.remove_prefix(out.host.size());
    return nullptr;
}

const char* take_port(std::string_view& rest, std::uint16_t& port) noexcept {
    if (!rest.starts_with(':')) return nullptr;
    rest.remove_prefix(1);
    std::uint32_t value = 0;
    while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') {
        value = value * 10 + static_cast<std::uint32_t>(rest.front() - '0');
        if (value > 65535) return "the port is above 65535";
        rest.remove_prefix(1);
    }
    port = static_cast<std::uint16_t>(value);
    return nullptr;
}

// Null, or what is wrong.
const char* parse(std::string_view text, DestinationUriView& out) {
    if (std::any_of(text.begin(), text.end(), is_unsafe)) {
        return "white space, control characters, quotes and angle brackets are not allowed";
    }
    const bool secure = starts_with_nocase(text, "sips:");
    if (!secure && !starts_with_nocase(text, "sip:")) return "not a sip: or sips: URI";
    std::string_view rest = text.substr(secure ? 5 : 4);
    if (const char* error = take_user(rest)) return error;
    if (const char* error = take_host(rest, out)) return error;
    if (const char* error = take_port(rest, out.port)) return error;
    if (!rest.empty() && rest.front() != ';' && rest.front() != '?') {
        return "text after host and port that is neither a parameter nor a header";
    }
    if (rest.starts_with(';')) out.protocol = protocol_of(find_transport(rest));
    out.uri = text;
    return nullptr;
}

}  // namespace

bool over_udp(std::string_view uri, std::uint8_t protocol) noexcept {
    return protocol <= 1 && !starts_with_nocase(uri, "sips:");
}

bool Destination::over_udp() const noexcept { return cp::over_udp(uri, protocol); }

Result<DestinationUriView> view_destination_uri(std::string_view text, std::string& prefixed) {
    DestinationUriView out;
    if (text.size() > table::SetTexts::kTextMax) {
        return failed(Errc::kInvalid, fmt::format("destination is longer than {} characters",
                                                  table::SetTexts::kTextMax));
    }
    const char* error = parse(text, out);
    if (error != nullptr && text.size() > 4 && text.size() <= kPrefixedMax &&
        !starts_with_nocase(text, "sip:") && !starts_with_nocase(text, "tel:")) {
        out = {};
        prefixed = "sip:";
        prefixed += text;
        const char* second = parse(prefixed, out);
        if (second == nullptr) return out;
        if (!starts_with_nocase(text, "sips:")) error = second;
    }
    if (error != nullptr) {
        return failed(Errc::kInvalid, fmt::format("destination \"{}\": {}", text, error));
    }
    return out;
}

Result<DestinationUri> parse_destination_uri(std::string_view text) {
    std::string prefixed;
    const auto view = view_destination_uri(text, prefixed);
    if (!view) return failed(view.error());
    return DestinationUri{std::string(view->uri), std::string(view->host), view->port,
                          view->protocol, view->literal};
}

}  // namespace lb::cp
