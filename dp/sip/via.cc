#include "dp/sip/parser.h"
#include "dp/sip/text.h"

namespace lb::sip {
namespace {

// sent-protocol: "SIP/2.0/UDP" with LWS around the slashes (RFC 4475 3.1.1.1), in nearly every
// message just so.
bool take_protocol(Cursor& cursor, Via& via) noexcept {
    constexpr Name kSip("sip");
    constexpr std::string_view kUsual = "SIP/2.0/UDP ";
    if (between(cursor.at, cursor.end).starts_with(kUsual)) {
        via.transport = {cursor.at + 8, 3};
        cursor.at += 11;
        return true;
    }
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

}  // namespace

bool parse_via(std::string_view text, Via& via, std::string_view& rest,
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
