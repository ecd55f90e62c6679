#include "dp/sip/parser.h"
#include "dp/sip/text.h"

namespace lb::sip {
namespace {

// sent-protocol: "SIP/2.0/UDP" with LWS around the slashes (RFC 4475 3.1.1.1).
bool take_protocol(Cursor& cursor, Via& via) noexcept {
    constexpr Name kSip("sip");
    if (!kSip.is(cursor.take_token()) || !cursor.take_separator('/')) return false;
    if (cursor.take_token() != "2.0" || !cursor.take_separator('/')) return false;
    via.transport = cursor.take_token();
    return !via.transport.empty();
}

constexpr CharSet kNoHostChar = CharSet("-._", true).with_letters_and_digits();
constexpr CharSet kNoIpv6Char = CharSet("-._:", true).with_letters_and_digits();

bool take_host(Cursor& cursor, Via& via) noexcept {
    const char* const begin = cursor.at;
    if (cursor.take('[')) {
        cursor.at = kNoIpv6Char.find(cursor.at, cursor.end);
        if (!cursor.take(']')) return false;
    } else {
        cursor.at = cursor.next_break(begin);
        if (kNoHostChar.find(begin, cursor.at) != cursor.at) return false;
    }
    via.host = between(begin, cursor.at);
    return !via.host.empty();
}

bool take_sent_by(Cursor& cursor, Via& via) noexcept {
    if (!take_host(cursor, via)) return false;
    const char* end = cursor.at;
    if (cursor.take_separator(':')) {
        via.port_text = cursor.take_digits();
        if (!parse_port(via.port_text, via.port) || via.port == 0) {
            via.host = {};  // nobody can be answered there
            return false;
        }
        end = cursor.at;
    }
    via.sent_by = between(via.host.data(), end);
    cursor.skip_lws();
    return true;
}

// The first of each name counts, as for every reader behind us.
void remember(const Param& param, Via& via) noexcept {
    constexpr Name kBranch("branch");
    constexpr Name kReceived("received");
    constexpr Name kRport("rport");
    constexpr Name kMaddr("maddr");
    if (kBranch.is(param.name)) {
        if (via.branch.data() == nullptr) via.branch = param.value;
    } else if (kRport.is(param.name)) {
        if (!via.rport_param.empty()) return;
        via.rport = param.value;
        via.rport_param = param.text;
    } else if (kReceived.is(param.name)) {
        if (!via.received_param.empty()) return;
        via.received = param.value;
        via.received_param = param.text;
    } else if (kMaddr.is(param.name)) {
        if (via.maddr.data() == nullptr) via.maddr = param.value;
    }
}

// A single ';' with nothing behind it is let pass: phones in the field send it.
bool at_stray_semicolon(Cursor cursor) noexcept {
    return cursor.take_separator(';') && (cursor.done() || cursor.is(','));
}

bool take_params(Cursor& cursor, Via& via) noexcept {
    const char* const first = cursor.at;
    while (cursor.is(';')) {
        if (cursor.at != first && at_stray_semicolon(cursor)) {
            cursor.take_separator(';');
            break;
        }
        Param param;
        if (!take_param(cursor, param)) return false;
        remember(param, via);
    }
    return cursor.done() || cursor.is(',');
}

// Any Via.
[[gnu::noinline]] bool take_via(std::string_view text, Via& via, std::string_view& rest,
                                const TextIndex* index) noexcept {
    static constexpr Via kEmpty;
    via = kEmpty;  // as in parse_uri()
    rest = {};
    Cursor cursor(text, index);
    cursor.skip_lws();
    const char* const begin = cursor.at;
    if (!take_protocol(cursor, via)) return false;
    if (cursor.done() || !is_lws(*cursor.at)) return false;
    cursor.skip_lws();
    if (!take_sent_by(cursor, via) || !take_params(cursor, via)) return false;
    via.value = trimmed(between(begin, cursor.at));
    if (cursor.take(',')) rest = between(cursor.at, cursor.end);
    return true;
}

// The two that nearly every message has; `at` goes behind it. False, and `at` stays, when it is
// another one, or has LWS or quotes.
[[gnu::always_inline]] inline bool take_branch(const char*& at, const char* end, Via& via,
                                               const TextIndex& index) noexcept {
    constexpr Name kBranch(";branch=");
    if (end - at < kBranch.size() || !kBranch.equals(at)) return false;
    const char* const value = at + kBranch.size();
    const char* const value_end = index.next_break(value);
    if (value_end > end) [[unlikely]]
        return false;
    if (via.branch.data() == nullptr) via.branch = between(value, value_end);
    at = value_end;
    return true;
}

[[gnu::always_inline]] inline bool take_rport_flag(const char*& at, const char* end,
                                                   Via& via) noexcept {
    constexpr Name kRport(";rport");
    if (end - at < kRport.size() || !kRport.equals(at)) return false;
    const char* const flag_end = at + kRport.size();
    if (flag_end != end && *flag_end != ';') return false;
    if (via.rport_param.empty()) {
        via.rport = between(flag_end, flag_end);
        via.rport_param = between(at, flag_end);
    }
    at = flag_end;
    return true;
}

// The place behind an IPv6 reference; `begin` when there is none.
[[gnu::noinline]] const char* behind_reference(const char* begin, const char* end) noexcept {
    const char* const bracket = kNoIpv6Char.find(begin + 1, end);
    return bracket != end && *bracket == ']' ? bracket + 1 : begin;
}

// What stands in front of the parameters of a Via "SIP/2.0/UDP host:port;..."; the parameters are
// left empty. The place behind it; null when there is anything else in it.
[[gnu::always_inline]] inline const char* take_usual_front(std::string_view text,
                                                           Via& via) noexcept {
    constexpr std::string_view kProtocol = "SIP/2.0/UDP ";
    if (!text.starts_with(kProtocol)) return nullptr;
    const char* const end = end_of(text);
    const char* const host = text.data() + kProtocol.size();
    if (host == end) return nullptr;
    const char* at = *host == '[' ? behind_reference(host, end) : kNoHostChar.find(host, end);
    if (at == host || at == end) return nullptr;
    const char* const host_end = at;
    std::uint32_t port = 0;
    clear(via.port_text);
    if (*at == ':') {
        const char* const port_text = ++at;
        if (end - port_text < 8) return nullptr;
        port = take_short_number(at);
        if (port - 1 > 65534) return nullptr;
        via.port_text = between(port_text, at);
    }
    via.port = static_cast<std::uint16_t>(port);
    via.value = text;
    via.transport = {text.data() + 8, 3};
    via.host = between(host, host_end);
    via.sent_by = between(host, at);
    clear(via.branch);
    clear(via.received);
    clear(via.received_param);
    clear(via.rport);
    clear(via.rport_param);
    clear(via.maddr);
    return at;
}

// The rest of a Via whose parameters are not the usual two: from `at` on, or all of it anew.
[[gnu::noinline]] bool take_rest(const char* at, const char* end, Via& via, std::string_view& rest,
                                 const TextIndex* index) noexcept {
    const std::string_view text = via.value;
    while (at != end) {
        Param param;
        if (!take_plain_param(at, end, *index, param)) return take_via(text, via, rest, index);
        remember(param, via);
    }
    rest = {};
    return true;
}

}  // namespace

// "SIP/2.0/UDP host:port;branch=token;rport" is what nearly every message has.
bool parse_via(std::string_view text, Via& via, std::string_view& rest,
               const TextIndex* index) noexcept {
    if (index == nullptr) return take_via(text, via, rest, index);
    const char* at = take_usual_front(text, via);
    if (at == nullptr) return take_via(text, via, rest, index);
    const char* const end = end_of(text);
    while (at != end) {
        if (!take_branch(at, end, via, *index) && !take_rport_flag(at, end, via))
            return take_rest(at, end, via, rest, index);
    }
    rest = {};
    return true;
}

std::string_view behind_top_via(const Message& message) noexcept {
    Cursor cursor(between(end_of(message.top_via.value), end_of(message.via.value)));
    cursor.skip_lws();
    return cursor.take(',') ? cursor.rest() : std::string_view();
}

bool find_second_via(const Message& message, Via& via) noexcept {
    if (message.top_via.value.empty()) return false;  // none, or broken
    const std::string_view behind = behind_top_via(message);
    std::string_view rest;
    if (behind.data() != nullptr) return parse_via(behind, via, rest, &message.index);
    return message.second_via.present() &&
           parse_via(message.second_via.value, via, rest, &message.index);
}

}  // namespace lb::sip
