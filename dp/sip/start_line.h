#pragma once

// The first line of a message (RFC 3261 7.1, 7.2). The request line that nearly every one has,
// "INVITE sip:bob@example.com SIP/2.0", is read in line; any other is for start_line.cc to judge.

#include <array>
#include <initializer_list>
#include <string_view>

#include "dp/base/bytes.h"
#include "dp/sip/break_walk.h"
#include "dp/sip/message.h"
#include "dp/sip/parser.h"
#include "dp/sip/text.h"

namespace lb::sip {
namespace detail {

// What cannot stand in a Request-URI. UTF-8 is let pass.
inline constexpr StopSet kForeign(CharSet("<>").with_controls());

// The method names of at most eight characters, packed. A product tells each from the others, so
// that one compare finds a name or tells that there is none.
struct MethodTable {
    struct Row {
        std::uint64_t name = 0;  // none: no token is empty
        Method method = Method::kOther;
    };
    static constexpr unsigned kBits = 5;
    std::array<Row, std::size_t{1} << kBits> rows;
    std::uint64_t factor;

    static constexpr std::size_t place(std::uint64_t name, std::uint64_t by) noexcept {
        return static_cast<std::size_t>(name * by >> (64 - kBits));
    }
    consteval explicit MethodTable(std::initializer_list<Row> names) : factor(1) {
        while (!fill(names)) factor += 0x9e3779b97f4a7c14;
    }

private:
    consteval bool fill(std::initializer_list<Row> names) {
        rows = {};
        for (const Row& row : names) {
            Row& to = rows[place(row.name, factor)];
            if (to.name != 0) return false;
            to = row;
        }
        return true;
    }
};
inline constexpr MethodTable kMethods{
    {packed("INVITE"), Method::kInvite},   {packed("ACK"), Method::kAck},
    {packed("BYE"), Method::kBye},         {packed("CANCEL"), Method::kCancel},
    {packed("OPTIONS"), Method::kOptions}, {packed("REGISTER"), Method::kRegister},
    {packed("MESSAGE"), Method::kMessage}, {packed("NOTIFY"), Method::kNotify},
    {packed("INFO"), Method::kInfo},       {packed("UPDATE"), Method::kUpdate},
    {packed("PRACK"), Method::kPrack},     {packed("REFER"), Method::kRefer},
    {packed("PUBLISH"), Method::kPublish},
};

// REQUIRES: a name of one to eight characters, packed.
[[gnu::always_inline]] inline Method find_method(std::uint64_t name) noexcept {
    const MethodTable::Row& row = kMethods.rows[MethodTable::place(name, kMethods.factor)];
    return row.name == name ? row.method : Method::kOther;
}

// Walks over "sip:user@host[:port][;params]" from `uri` on; the walk has just come there. False
// when there is anything else in it. REQUIRES: nine readable bytes behind `end`, which is a space
// and may lie in front of `uri`.
template <class Walk>
[[gnu::always_inline]] inline bool is_plain_uri(const char* uri, const char* end,
                                                Walk walk) noexcept {
    constexpr Name kSip("sip:");
    if (!kSip.equals(uri)) return false;
    walk.next();  // the colon
    const char* at = walk.next();
    if (*at != '@') return false;
    const char* const host = at + 1;
    at = walk.next();
    if (at == host) return false;
    if (*at == ':') {
        const char* const port = at + 1;
        const char* port_end = port;
        if (take_short_number(port_end) > 65535 || port_end == port) return false;
        at = walk.next();
        if (at != port_end) return false;
    }
    if (at != end && *at != ';') return false;
    while (at != end && (*at == ';' || *at == '=')) at = walk.next();
    return at == end;
}

// "INVITE sip:bob@example.com SIP/2.0": nearly every message begins so. False when there is
// anything else in it: that is for parse_request_line() to judge. REQUIRES: `uri_end` as
// usual_uri_end() has it, a walk from the begin of the line that goes as far as that.
template <class Walk>
[[gnu::always_inline]] inline bool take_usual_request_line(std::string_view line,
                                                           const char* uri_end, Walk walk,
                                                           Message& message) noexcept {
    const char* const method_end = walk.next();
    const auto method_size = static_cast<std::size_t>(method_end - line.data());
    const char* const uri = method_end + 1;
    if (method_size - 1 > 7 || *method_end != ' ') return false;
    message.plain_uri = is_plain_uri(uri, uri_end, walk);
    if (!message.plain_uri) {
        if (uri >= uri_end) return false;
        for (const char* at = walk.next(); at != uri_end; at = walk.next()) {
            if (kForeign.has(*at)) return false;
        }
    }
    const std::size_t behind = 64 - 8 * method_size;
    const auto name = load_word<std::uint64_t>(line.data()) << behind >> behind;
    message.method_text = between(line.data(), method_end);
    message.method = find_method(name);
    message.request_uri = between(uri, uri_end);
    return true;
}

// What stands behind the Request-URI.
inline constexpr std::string_view kUsualEnd = " SIP/2.0\r\n";

// Where it begins; null when the line does not end so.
[[gnu::always_inline]] inline const char* usual_uri_end(std::string_view line) noexcept {
    return line.ends_with(kUsualEnd) ? end_of(line) - kUsualEnd.size() : nullptr;
}

// A start line that is no short request line.
Error parse_other_start_line(std::string_view line, Message& message) noexcept;

}  // namespace detail

// Fills in start_line and the fields of a request or reply. kNotSip and kStatusCode say that the
// message is none; kVersion and kRequestUri leave a method, so that the request may be answered.
// REQUIRES: the line is at the begin of the text that message.index is of.
[[gnu::always_inline]] inline Error parse_start_line(std::string_view line,
                                                     Message& message) noexcept {
    message.start_line = line;
    if (line.size() - detail::kUsualEnd.size() < 64 && line.ends_with(detail::kUsualEnd))
        [[likely]] {
        const ShortBreakWalk walk(line.data(), message.index.breaks[0]);
        if (detail::take_usual_request_line(line, detail::usual_uri_end(line), walk, message))
            return Error::kNone;
    }
    return detail::parse_other_start_line(line, message);
}

}  // namespace lb::sip
