#include "dp/sip/via.h"

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

constexpr CharSet kNoIpv6Char = CharSet("-._:", true).with_letters_and_digits();

bool take_host(Cursor& cursor, Via& via) noexcept {
    const char* const begin = cursor.at;
    if (cursor.take('[')) {
        cursor.at = kNoIpv6Char.find(cursor.at, cursor.end);
        if (!cursor.take(']')) return false;
    } else {
        cursor.at = cursor.next_break(begin);
        if (detail::kNoHostChar.find(begin, cursor.at) != cursor.at) return false;
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

}  // namespace

namespace detail {

bool take_any_via(std::string_view text, Via& via, std::string_view* rest,
                  const TextIndex* index) noexcept {
    static constexpr Via kEmpty;
    via = kEmpty;  // as in parse_uri()
    Cursor cursor(text, index);
    cursor.skip_lws();
    const char* const begin = cursor.at;
    if (!take_protocol(cursor)) return false;
    if (cursor.done() || !is_lws(*cursor.at)) return false;
    cursor.skip_lws();
    if (!take_sent_by(cursor, via) || !take_params(cursor, via)) return false;
    via.value = trimmed(between(begin, cursor.at));
    if (cursor.take(',') && rest != nullptr) *rest = between(cursor.at, cursor.end);
    return true;
}

bool take_other_params(const char* at, Via& via, std::string_view* rest,
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
        if (!take_plain_param(at, end, index, param)) return take_any_via(text, via, rest, &index);
        remember(param, via);
    }
    return true;
}

bool take_long_host(std::string_view text, Via& via, std::string_view* rest,
                    const TextIndex& index) noexcept {
    if (!text.starts_with(kUsualProtocol)) return take_any_via(text, via, rest, &index);
    const char* const end = end_of(text);
    const char* const host = text.data() + kUsualProtocol.size();
    const bool reference = host != end && *host == '[';
    const char* at = reference ? kNoIpv6Char.find(host + 1, end) : kNoHostChar.find(host, end);
    if (reference && at != end && *at++ != ']') at = end;
    if (at == host || at == end) return take_any_via(text, via, rest, &index);
    return take_behind_host(text, at, via, rest, index);
}

}  // namespace detail

bool parse_via(std::string_view text, Via& via, std::string_view& rest,
               const TextIndex* index) noexcept {
    rest = {};
    if (index == nullptr) return detail::take_any_via(text, via, &rest, index);
    return take_usual_via(text, via, &rest, *index);
}

std::string_view behind_top_via(const Message& message) noexcept {
    // As a rule it is alone in its header field.
    if (end_of(message.top_via.value) == end_of(message.via.value)) [[likely]]
        return {};
    Cursor cursor(between(end_of(message.top_via.value), end_of(message.via.value)));
    cursor.skip_lws();
    return cursor.take(',') ? cursor.rest() : std::string_view();
}

bool find_second_via(const Message& message, Via& via) noexcept {
    if (message.top_via.value.empty()) return false;  // none, or broken
    const std::string_view behind = behind_top_via(message);
    if (behind.data() == nullptr && !message.second_via.present()) return false;
    const std::string_view text = behind.data() != nullptr ? behind : message.second_via.value;
    return take_usual_via(text, via, nullptr, message.index);
}

}  // namespace lb::sip
