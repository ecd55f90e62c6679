#include "dp/sip/uri.h"

#include "dp/sip/break_walk.h"
#include "dp/sip/parser.h"
#include "dp/sip/text.h"

namespace lb::sip {
namespace {

constexpr Name kSip("sip");

Scheme scheme_of(std::string_view text) noexcept {
    constexpr Name kSips("sips");
    constexpr Name kTel("tel");
    constexpr Name kUrn("urn");
    if (kSip.is(text)) return Scheme::kSip;
    if (kSips.is(text)) return Scheme::kSips;
    if (kTel.is(text)) return Scheme::kTel;
    if (kUrn.is(text)) return Scheme::kUrn;
    return Scheme::kOther;
}

constexpr CharSet kNoSchemeChar = CharSet("+-.", true).with_letters_and_digits();

// The scheme in front of the first ':' (RFC 3986 3.1), empty when that is none.
std::string_view take_scheme(Cursor cursor) noexcept {
    if (cursor.done() || !is_letter(*cursor.at)) return {};
    const std::string_view scheme = cursor.take_token();
    if (!cursor.is(':')) return {};
    for (const char c : scheme) {
        if (kNoSchemeChar.has(c)) return {};
    }
    return scheme;
}

bool parse_tel(std::string_view number, Uri& uri) noexcept {
    const std::size_t semicolon = number.find(';');
    uri.user = number.substr(0, semicolon);
    if (semicolon != std::string_view::npos) uri.params = number.substr(semicolon);
    return !uri.user.empty();
}

// userinfo in front of the first '@'; the cursor goes behind it.
void take_userinfo(Cursor& cursor, Uri& uri) noexcept {
    static constexpr StopSet kAtOrColon("@:");
    static constexpr StopSet kAt("@");
    const char* const begin = cursor.at;
    Cursor look = cursor;
    look.skip_to(kAtOrColon);
    const char* const user_end = look.at;
    if (look.is(':')) look.skip_to(kAt);
    if (look.done()) return;
    uri.has_user = true;
    uri.user = between(begin, user_end);
    if (user_end != look.at) uri.password = between(user_end + 1, look.at);
    cursor.at = look.at + 1;
}

// What ends a host, and what could be mistaken for structure within one. Other odd characters are
// the resolver's business.
constexpr StopSet kForeign(CharSet("@<>\",[]/").with_controls());
constexpr StopSet kEndsHost(CharSet(":;?@<>\",[]/").with_controls());

bool ends_host(char c) noexcept { return c == ':' || c == ';' || c == '?'; }

bool take_host(Cursor& cursor, Uri& uri) noexcept {
    const char* const begin = cursor.at;
    if (cursor.take('[')) {
        cursor.skip_to(kForeign);
        if (cursor.at == begin + 1 || !cursor.take(']')) return false;
    } else {
        cursor.skip_to(kEndsHost);
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
}

// Any URI.
[[gnu::noinline]] bool take_uri(std::string_view text, Uri& uri, const TextIndex* index) noexcept {
    static constexpr Uri kEmpty;
    uri = kEmpty;  // gcc makes `= {}` a temporary, and copying that waits for its own stores
    uri.text = text;
    Cursor cursor(text, index);
    if (text.size() > 4 && kSip.equals(text.data()) && text[3] == ':') {  // nearly always
        uri.scheme = Scheme::kSip;
        cursor.at += 4;
    } else {
        const std::string_view scheme = take_scheme(cursor);
        if (scheme.empty()) return false;
        uri.scheme = scheme_of(scheme);
        if (uri.scheme == Scheme::kUrn || uri.scheme == Scheme::kOther) return true;
        cursor.at += scheme.size() + 1;
    }
    if (uri.scheme == Scheme::kTel) return parse_tel(cursor.rest(), uri);
    take_userinfo(cursor, uri);
    if (!take_host_port(cursor, uri)) return false;
    take_params_headers(cursor, uri);
    return true;
}

// find_param() among parameters of any shape.
[[gnu::noinline]] std::optional<std::string_view> find_odd_param(std::string_view params,
                                                                 std::string_view name,
                                                                 const TextIndex* index) noexcept {
    static constexpr StopSet kStops(";\"");
    Cursor cursor(params, index);
    while (!cursor.done()) {
        if (*cursor.at != ';') {  // what no parameter has: look for the next one
            if (*cursor.at != '"' || !cursor.skip_quoted()) {
                if (!cursor.done()) ++cursor.at;
                cursor.skip_to(kStops);
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

constexpr Name kSipColon("sip:");

// "sip:user@host:port;params", in nearly every message just so. False when there is anything else
// in it, a password, headers or an IPv6 reference: that is for take_uri() to judge. REQUIRES:
// begins with kSipColon; a walk from behind that, which is at or behind the end sooner or later.
template <class Walk>
[[gnu::always_inline]] inline bool take_usual_uri(std::string_view text, Uri& uri,
                                                  Walk walk) noexcept {
    const char* const end = end_of(text);
    const char* host = text.data() + kSipColon.size();
    const char* at = walk.next();
    uri.has_user = at < end && *at == '@';
    clear(uri.user);
    if (uri.has_user) {
        uri.user = between(host, at);
        host = at + 1;
        at = walk.next();
    }
    uri.host = between(host, at);
    if (at == host) return false;
    clear(uri.port_text);
    uri.port = 0;
    if (at < end && *at == ':') {
        const char* const port = at + 1;
        at = walk.next();
        if (at > end || !parse_port(between(port, at), uri.port)) return false;
        uri.port_text = between(port, at);
    }
    uri.host_port = between(host, at);
    clear(uri.params);
    if (at < end) {
        if (*at != ';') return false;
        uri.params = between(at, end);
        do {
            at = walk.next();
            if (at >= end) break;
        } while (*at != '?' && (*at != '@' || uri.has_user));
    }
    uri.text = text;
    uri.scheme = Scheme::kSip;
    clear(uri.password);
    clear(uri.headers);
    return at == end;
}

// A URI that is longer than one load of the index, or is not of the usual shape.
[[gnu::noinline]] bool take_other_uri(std::string_view text, Uri& uri,
                                      const TextIndex* index) noexcept {
    const bool usual = index != nullptr && text.size() >= 4 && kSipColon.equals(text.data()) &&
                       take_usual_uri(text, uri, BreakWalk(text.data() + kSipColon.size(), *index));
    return usual || take_uri(text, uri, index);
}

}  // namespace

bool parse_uri(std::string_view text, Uri& uri, const TextIndex* index) noexcept {
    if (index != nullptr && text.size() - 4 < TextIndex::kBitsAtOnce &&
        kSipColon.equals(text.data())) [[likely]] {
        const char* const host = text.data() + kSipColon.size();
        const std::uint64_t at_end = std::uint64_t{1} << (text.size() - 4);  // the walk ends there
        if (take_usual_uri(text, uri, ShortBreakWalk(host, index->breaks_at(host) | at_end)))
            return true;
    }
    return take_other_uri(text, uri, index);
}

std::optional<std::string_view> find_param(std::string_view params, std::string_view name,
                                           const TextIndex* index) noexcept {
    if (params.empty()) return std::nullopt;
    const char* at = params.data();
    const char* const end = end_of(params);
    Param param;
    while (index != nullptr && at != end && take_plain_param(at, end, *index, param)) {
        // Most differ in size or in what they begin with: a letter, whose case is one bit.
        if (param.name.size() != name.size() || ((param.name[0] ^ name[0]) & ~0x20) != 0) continue;
        if (iequals(param.name, name)) return param.value;
    }
    if (at == end) return std::nullopt;
    return find_odd_param(between(at, end), name, index);
}

// The value in this case only, as Kamailio has it: it decides what is hashed.
bool is_user_phone(const Uri& uri) noexcept { return find_param(uri.params, "user") == "phone"; }

std::optional<IpAddress> literal_host(std::string_view host) noexcept {
    if (host.size() < 2 || host.front() != '[') return IpAddress::parse(host);
    if (host.back() != ']') return std::nullopt;
    const auto address = IpAddress::parse(host.substr(1, host.size() - 2));
    if (!address || !address->is_ipv6()) return std::nullopt;
    return address;
}

}  // namespace lb::sip
