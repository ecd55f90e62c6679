#include "dp/sip/uri.h"

#include "dp/sip/parser.h"
#include "dp/sip/text.h"

namespace lb::sip {
namespace {

Scheme scheme_of(std::string_view text) noexcept {
    constexpr Name kSip("sip");
    constexpr Name kSips("sips");
    constexpr Name kTel("tel");
    if (kSip.is(text)) return Scheme::kSip;
    if (kSips.is(text)) return Scheme::kSips;
    if (kTel.is(text)) return Scheme::kTel;
    return Scheme::kOther;
}

constexpr CharSet kNoSchemeChar = CharSet("+-.", true).with_letters_and_digits();

// The scheme in front of the first ':' (RFC 3986 3.1), empty when that is none.
std::string_view take_scheme(std::string_view text) noexcept {
    if (text.empty() || !is_letter(text[0])) return {};
    const char* const end = kNoSchemeChar.find(text.data(), end_of(text));
    return end != end_of(text) && *end == ':' ? between(text.data(), end) : std::string_view();
}

bool parse_tel(std::string_view number, Uri& uri) noexcept {
    const std::size_t semicolon = number.find(';');
    uri.user = number.substr(0, semicolon);
    if (semicolon != std::string_view::npos) uri.params = number.substr(semicolon);
    return !uri.user.empty();
}

// userinfo in front of the first '@'. Returns what is behind it.
std::string_view take_userinfo(std::string_view text, Uri& uri) noexcept {
    static constexpr CharSet kAt("@");
    static constexpr CharSet kColon(":");
    const char* const at_sign = kAt.find(text.data(), end_of(text));
    if (at_sign == end_of(text)) return text;
    const char* const colon = kColon.find(text.data(), at_sign);
    uri.has_user = true;
    uri.user = between(text.data(), colon);
    if (colon != at_sign) uri.password = between(colon + 1, at_sign);
    return between(at_sign + 1, end_of(text));
}

// What ends a host, and what could be mistaken for structure within one. Other odd characters are
// the resolver's business.
constexpr CharSet kForeign = CharSet("@<>\",[]/").with_controls();
constexpr CharSet kEndsHost = CharSet(":;?@<>\",[]/").with_controls();

bool ends_host(char c) noexcept { return c == ':' || c == ';' || c == '?'; }

bool take_host(Cursor& cursor, Uri& uri) noexcept {
    const char* const begin = cursor.at;
    if (cursor.take('[')) {
        cursor.at = kForeign.find(cursor.at, cursor.end);
        if (cursor.at == begin + 1 || !cursor.take(']')) return false;
    } else {
        cursor.at = kEndsHost.find(cursor.at, cursor.end);
        if (!cursor.done() && !ends_host(*cursor.at)) return false;
    }
    uri.host = between(begin, cursor.at);
    return !uri.host.empty();
}

bool take_host_port(Cursor& cursor, Uri& uri) noexcept {
    const char* const begin = cursor.at;
    if (!take_host(cursor, uri)) return false;
    if (cursor.take(':')) {
        uri.port_text = cursor.take_digits();
        if (!uri.port_text.empty() && !parse_port(uri.port_text, uri.port)) return false;
    }
    uri.host_port = between(begin, cursor.at);
    return cursor.done() || cursor.is(';') || cursor.is('?');
}

void take_params_headers(Cursor& cursor, Uri& uri) noexcept {
    if (cursor.done()) return;
    const std::string_view tail = between(cursor.at, cursor.end);
    const std::size_t question = tail.find('?');
    uri.params = tail.substr(0, question);
    if (question != std::string_view::npos) uri.headers = tail.substr(question);
    if (uri.params.empty()) return;
    constexpr Name kPhone("phone");
    const auto user = find_param(uri.params, "user");
    uri.user_phone = user.has_value() && kPhone.is(*user);
}

}  // namespace

bool parse_uri(std::string_view text, Uri& uri) noexcept {
    static constexpr Uri kEmpty;
    uri = kEmpty;  // gcc makes `= {}` a temporary, and copying that waits for its own stores
    uri.text = text;
    const std::string_view scheme = take_scheme(text);
    if (scheme.empty()) return false;
    uri.scheme = scheme_of(scheme);
    const std::string_view behind = text.substr(scheme.size() + 1);
    if (uri.scheme == Scheme::kOther) return true;
    if (uri.scheme == Scheme::kTel) return parse_tel(behind, uri);
    Cursor cursor(take_userinfo(behind, uri));
    if (!take_host_port(cursor, uri)) return false;
    take_params_headers(cursor, uri);
    return true;
}

std::optional<std::string_view> find_param(std::string_view params,
                                           std::string_view name) noexcept {
    static constexpr CharSet kStops(";\"");
    Cursor cursor(params);
    while (!cursor.done()) {
        if (*cursor.at != ';') {  // what no parameter has: look for the next one
            if (*cursor.at != '"' || !cursor.skip_quoted()) {
                cursor.at = kStops.find(cursor.done() ? cursor.at : cursor.at + 1, cursor.end);
            }
            continue;
        }
        Cursor start = cursor;
        Param param;
        if (!take_param(cursor, param)) {
            cursor.at = start.at + 1;
        } else if (iequals(param.name, name)) {
            return param.value;
        }
    }
    return std::nullopt;
}

std::optional<IpAddress> literal_host(std::string_view host) noexcept {
    if (host.size() < 2 || host.front() != '[') return IpAddress::parse(host);
    if (host.back() != ']') return std::nullopt;
    const auto address = IpAddress::parse(host.substr(1, host.size() - 2));
    if (!address || !address->is_ipv6()) return std::nullopt;
    return address;
}

}  // namespace lb::sip
