#include "dp/sip/start_line.h"

#include <array>
#include <initializer_list>

#include "dp/base/bytes.h"
#include "dp/sip/break_walk.h"
#include "dp/sip/text.h"

namespace lb::sip {
namespace {

constexpr Name kSipSlash("sip");

// What cannot stand in a Request-URI. UTF-8 is let pass.
constexpr StopSet kForeign(CharSet("<>").with_controls());

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
constexpr MethodTable kMethods{
    {packed("INVITE"), Method::kInvite},   {packed("ACK"), Method::kAck},
    {packed("BYE"), Method::kBye},         {packed("CANCEL"), Method::kCancel},
    {packed("OPTIONS"), Method::kOptions}, {packed("REGISTER"), Method::kRegister},
    {packed("MESSAGE"), Method::kMessage}, {packed("NOTIFY"), Method::kNotify},
    {packed("INFO"), Method::kInfo},       {packed("UPDATE"), Method::kUpdate},
    {packed("PRACK"), Method::kPrack},     {packed("REFER"), Method::kRefer},
    {packed("PUBLISH"), Method::kPublish},
};

// "SIP/" digits "." digits.
bool is_version(std::string_view text) noexcept {
    Cursor cursor(text);
    if (text.size() < 7 || !kSipSlash.equals(text.data()) || text[3] != '/') return false;
    cursor.at += 4;
    return !cursor.take_digits().empty() && cursor.take('.') && !cursor.take_digits().empty() &&
           cursor.done();
}

bool is_version_2(std::string_view text) noexcept {
    return text.size() == 7 && kSipSlash.equals(text.data()) && text.substr(3) == "/2.0";
}

// "SIP/2.0 200 OK": nearly every reply begins so. False when there is anything else in it: that is
// for parse_status_line() to judge.
bool take_usual_status_line(std::string_view line, Message& message) noexcept {
    constexpr std::string_view kBegin = "SIP/2.0 ";
    constexpr std::size_t kReason = kBegin.size() + 4;
    if (!line.starts_with(kBegin) || line.size() < kReason + 2 || !line.ends_with("\r\n"))
        return false;
    const auto digit = [&](std::size_t i) { return static_cast<unsigned>(line[8 + i]) - '0'; };
    if (digit(0) - 1 > 5 || digit(1) > 9 || digit(2) > 9 || line[kReason - 1] != ' ') return false;
    message.reply = true;
    message.status = static_cast<std::uint16_t>(digit(0) * 100 + digit(1) * 10 + digit(2));
    message.reason = between(line.data() + kReason, end_of(line) - 2);
    return true;
}

Error parse_status_line(std::string_view line, Message& message) noexcept {
    const std::size_t space = line.find(' ');
    if (!is_version_2(line.substr(0, space))) return Error::kVersion;
    message.reply = true;
    Cursor cursor(line.substr(space + 1));
    const std::string_view digits = cursor.take_digits();
    std::uint64_t status = 0;
    if (digits.size() != 3 || !parse_number(digits, 699, status) || status < 100) {
        return Error::kStatusCode;
    }
    if (!cursor.done() && !cursor.take(' ')) return Error::kStatusCode;
    message.status = static_cast<std::uint16_t>(status);
    message.reason = between(cursor.at, cursor.end);
    return Error::kNone;
}

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
constexpr std::string_view kUsualEnd = " SIP/2.0\r\n";

// Where it begins; null when the line does not end so.
[[gnu::always_inline]] inline const char* usual_uri_end(std::string_view line) noexcept {
    return line.ends_with(kUsualEnd) ? end_of(line) - kUsualEnd.size() : nullptr;
}

Error parse_request_line(std::string_view line, Message& message) noexcept {
    Cursor cursor(line, &message.index);
    const std::string_view method = cursor.take_token();
    if (method.empty() || !cursor.take(' ')) return Error::kNotSip;
    const std::string_view rest = between(cursor.at, cursor.end);
    const std::string_view trimmed_rest = trimmed(rest);
    const std::size_t space = trimmed_rest.rfind(' ');
    if (space == std::string_view::npos || !is_version(trimmed_rest.substr(space + 1))) {
        return Error::kNotSip;
    }
    message.method_text = method;
    message.method = method_of(method);
    if (!is_version_2(trimmed_rest.substr(space + 1))) return Error::kVersion;
    message.request_uri = trimmed_rest.substr(0, space);
    const bool clean =
        trimmed_rest.size() == rest.size() && fits_request_line(message.request_uri, cursor.index);
    return clean ? Error::kNone : Error::kRequestUri;
}

std::string_view without_line_end(std::string_view line) noexcept {
    if (!line.empty() && line.back() == '\n') line.remove_suffix(1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    return line;
}

// Any start line.
Error parse_any(std::string_view line, Message& message) noexcept {
    const std::string_view text = without_line_end(line);
    // "SIP/" cannot begin a request: '/' is no token character.
    if (text.size() >= 8 && kSipSlash.equals(text.data()) && text[3] == '/') {
        const std::size_t space = text.find(' ');
        if (space == std::string_view::npos) return Error::kNotSip;
        if (!is_version(text.substr(0, space))) return Error::kNotSip;
        return parse_status_line(text, message);
    }
    return parse_request_line(text, message);
}

// A start line that is no short request line.
[[gnu::noinline]] Error parse_other(std::string_view line, Message& message) noexcept {
    const char* const uri_end = usual_uri_end(line);
    const bool usual =
        uri_end != nullptr
            ? take_usual_request_line(line, uri_end, BreakWalk(line.data(), message.index), message)
            : take_usual_status_line(line, message);
    return usual ? Error::kNone : parse_any(line, message);
}

}  // namespace

bool fits_request_line(std::string_view uri, const TextIndex* index) noexcept {
    Cursor cursor(uri, index);
    cursor.skip_to(kForeign);
    return cursor.done() && !uri.empty();
}

Method method_of(std::string_view token) noexcept {
    if (token.size() - 1 > 7) return token == "SUBSCRIBE" ? Method::kSubscribe : Method::kOther;
    return find_method(load_packed(token));
}

Error parse_start_line(std::string_view line, Message& message) noexcept {
    message.start_line = line;
    if (line.size() - kUsualEnd.size() < 64 && line.ends_with(kUsualEnd)) [[likely]] {
        const ShortBreakWalk walk(line.data(), message.index.breaks[0]);
        if (take_usual_request_line(line, usual_uri_end(line), walk, message)) return Error::kNone;
    }
    return parse_other(line, message);
}

}  // namespace lb::sip
