#include "dp/sip/break_walk.h"
#include "dp/sip/parser.h"
#include "dp/sip/text.h"

namespace lb::sip {
namespace {

// sent-protocol: "SIP/2.0/UDP" with LWS around the slashes (RFC 4475 3.1.1.1).
bool take_protocol(Cursor& cursor) noexcept {
    constexpr Name kSip("sip");
    if (!kSip.is(cursor.take_token()) || !cursor.take_separator('/')) return false;
    if (cursor.take_token() != "2.0" || !cursor.take_separator('/')) return false;
    return !cursor.take_token().empty();  // whatever the transport is
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
        if (!parse_port(cursor.take_digits(), via.port) || via.port == 0) {
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
    if (!take_protocol(cursor)) return false;
    if (cursor.done() || !is_lws(*cursor.at)) return false;
    cursor.skip_lws();
    if (!take_sent_by(cursor, via) || !take_params(cursor, via)) return false;
    via.value = trimmed(between(begin, cursor.at));
    if (cursor.take(',')) rest = between(cursor.at, cursor.end);
    return true;
}

// Parameters of any number and order, from `at` on, or if need be all of the Via anew.
[[gnu::noinline]] bool take_rest(const char* at, Via& via, std::string_view& rest,
                                 const TextIndex& index) noexcept {
    const std::string_view text = via.value;
    const char* const end = end_of(text);
    clear(via.branch);
    clear(via.received);
    clear(via.received_param);
    clear(via.rport);
    clear(via.rport_param);
    while (at != end) {
        Param param;
        if (!take_plain_param(at, end, index, param)) return take_via(text, via, rest, &index);
        remember(param, via);
    }
    clear(rest);
    return true;
}

// The parameters that nearly every Via has, read one by one into the Via that `end` is the end of.
struct UsualParams {
    static constexpr Name kBranch{";branch="};
    static constexpr Name kRport{";rport"};
    static constexpr Name kReceived{";received="};

    Via& via;
    const char* end;
    const TextIndex& index;

    template <std::size_t N>
    bool is_at(const char* at, const Name<N>& name) const noexcept {
        return end - at >= name.size() && name.equals(at);
    }
    // Each returns what is behind it. REQUIRES: the parameter is there.
    const char* take_branch(const char* at) const noexcept {
        const char* const token = at + kBranch.size();
        const char* const token_end = near_break(token, index);
        via.branch = between(token, token_end);
        return token_end;
    }
    const char* take_rport(const char* at) const noexcept {
        const char* value = at + kRport.size();
        const char* value_end = value;
        if (value != end && *value == '=') value_end = near_break(++value, index);
        via.rport = between(value, value_end);
        via.rport_param = between(at, value_end);
        return value_end;
    }
    const char* take_received(const char* at) const noexcept {
        const char* const value = at + kReceived.size();
        const char* const value_end = near_break(value, index);
        via.received = between(value, value_end);
        via.received_param = between(at, value_end);
        return value_end;
    }
};

// ";branch=token" with ";rport" behind or in front of it or without, and in a Via that was passed
// on ";received=address" in front of both and a value of rport: all that there is up to the end of
// the Via. False when there is anything else in it. REQUIRES: `received` is clear.
[[gnu::always_inline]] inline bool take_usual_params(const char* at, Via& via,
                                                     const TextIndex& index) noexcept {
    const UsualParams params{via, end_of(via.value), index};
    const char* const end = params.end;
    if (end - at < params.kBranch.size()) return false;
    if (!params.kBranch.equals(at)) {
        if (params.is_at(at, params.kReceived)) at = params.take_received(at);
        if (params.is_at(at, params.kRport)) {
            at = params.take_rport(at);
            return params.is_at(at, params.kBranch) && params.take_branch(at) == end;
        }
        if (!params.is_at(at, params.kBranch)) return false;
    }
    at = params.take_branch(at);
    if (at != end) return params.is_at(at, params.kRport) && params.take_rport(at) == end;
    clear(via.rport);
    clear(via.rport_param);
    return true;
}

constexpr std::string_view kUsualProtocol = "SIP/2.0/UDP ";

// The rest of a Via that begins so, behind its host.
[[gnu::always_inline]] inline bool take_behind_host(std::string_view text, const char* host_end,
                                                    Via& via, std::string_view& rest,
                                                    const TextIndex& index) noexcept {
    const char* const host = text.data() + kUsualProtocol.size();
    const char* at = host_end;
    via.value = text;
    via.host = between(host, host_end);
    clear(via.received);
    clear(via.received_param);
    clear(via.maddr);
    if (*at == ':') {
        ++at;
        const std::uint32_t port = end_of(text) - at < 8 ? 0 : take_short_number(at);
        if (port - 1 > 65534) return take_via(via.value, via, rest, &index);
        via.port = static_cast<std::uint16_t>(port);
    } else {
        via.port = 0;
    }
    via.sent_by = between(host, at);
    if (!take_usual_params(at, via, index)) return take_rest(at, via, rest, index);
    clear(rest);
    return true;
}

// A Via whose host is an IPv6 reference or a long name, or any other.
[[gnu::noinline]] bool take_long_host(std::string_view text, Via& via, std::string_view& rest,
                                      const TextIndex* index) noexcept {
    if (index == nullptr || !text.starts_with(kUsualProtocol))
        return take_via(text, via, rest, index);
    const char* const end = end_of(text);
    const char* const host = text.data() + kUsualProtocol.size();
    const bool reference = host != end && *host == '[';
    const char* at = reference ? kNoIpv6Char.find(host + 1, end) : kNoHostChar.find(host, end);
    if (reference && at != end && *at++ != ']') at = end;
    if (at == host || at == end) return take_via(text, via, rest, index);
    return take_behind_host(text, at, via, rest, *index);
}

}  // namespace

// "SIP/2.0/UDP host:port;branch=token;rport" is what nearly every message has.
bool parse_via(std::string_view text, Via& via, std::string_view& rest,
               const TextIndex* index) noexcept {
    constexpr std::size_t kHost = kUsualProtocol.size();
    if (index != nullptr && text.size() >= kHost + 16 && text.starts_with(kUsualProtocol)) {
        const char* const host = text.data() + kHost;
        const char* const host_end = kNoHostChar.find_in_16(host);
        if (host_end != nullptr && host_end != host) [[likely]]
            return take_behind_host(text, host_end, via, rest, *index);
    }
    return take_long_host(text, via, rest, index);
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
