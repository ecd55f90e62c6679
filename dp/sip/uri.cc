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

// The scheme in front of the first ':' (RFC 3986 3.1), empty when that is none.
std::string_view take_scheme(std::string_view text) noexcept {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0 || !is_letter(text[0])) return {};
    for (const char c : text.substr(0, colon)) {
        if (!is_letter(c) && !is_digit(c) && c != '+' && c != '-' && c != '.') return {};
    }
    return text.substr(0, colon);
}

bool parse_tel(std::string_view number, Uri& uri) noexcept {
    const std::size_t semicolon = number.find(';');
    uri.user = number.substr(0, semicolon);
    if (semicolon != std::string_view::npos) uri.params = number.substr(semicolon);
    return !uri.user.empty();
}

// userinfo in front of the first '@'. Returns what is behind it.
std::string_view take_userinfo(std::string_view text, Uri& uri) noexcept {
    const std::size_t at_sign = text.find('@');
    if (at_sign == std::string_view::npos) return text;
    const std::string_view info = text.substr(0, at_sign);
    const std::size_t colon = info.find(':');
    uri.has_user = true;
    uri.user = info.substr(0, colon);
    if (colon != std::string_view::npos) uri.password = info.substr(colon + 1);
    return text.substr(at_sign + 1);
}

bool ends_host(char c) noexcept { return c == ':' || c == ';' || c == '?'; }

// Anything that could be mistaken for structure. Other odd characters are the resolver's business.
bool is_foreign(char c) noexcept {
    const auto byte = static_cast<std::uint8_t>(c);
    return byte <= 0x20 || byte == 0x7f || c == '@' || c == '<' || c == '>' || c == '"' ||
           c == ',' || c == '[' || c == ']' || c == '/';
}

bool take_host(Cursor& cursor, Uri& uri) noexcept {
    const char* const begin = cursor.at;
    if (cursor.take('[')) {
        while (!cursor.done() && !is_foreign(*cursor.at) && !is_blank(*cursor.at)) ++cursor.at;
        if (cursor.at == begin + 1 || !cursor.take(']')) return false;
    } else {
        while (!cursor.done() && !ends_host(*cursor.at)) {
            if (is_foreign(*cursor.at++)) return false;
        }
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
    uri = {};
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
    Cursor cursor(params);
    while (!cursor.done()) {
        if (*cursor.at != ';') {
            if (*cursor.at == '"' && cursor.skip_quoted()) continue;
            if (!cursor.done()) ++cursor.at;  // what no parameter has: look for the next one
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
