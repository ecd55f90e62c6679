#include "dp/sip/parser.h"
#include "dp/sip/text.h"
#include "dp/sip/uri.h"

namespace lb::sip {
namespace {

constexpr CharSet kQuote("\"");
constexpr CharSet kQuoteOrComma("\",");
constexpr CharSet kClosing(">");
constexpr CharSet kEndsBare(";");
constexpr CharSet kEndsBareOfList(";,");
constexpr CharSet kEndsName("<;\\\"");
constexpr CharSet kEndsNameOfList("<;\\\",");

// Moves to the end of header parameters: the end of the text, or a ',' if that ends a value.
bool skip_params(Cursor& cursor, bool comma_ends) noexcept {
    const CharSet& stops = comma_ends ? kQuoteOrComma : kQuote;
    for (;;) {
        cursor.at = stops.find(cursor.at, cursor.end);
        if (cursor.done() || *cursor.at == ',') return true;
        if (!cursor.skip_quoted()) return false;
    }
}

// Behind the '<': URI, '>', parameters.
bool take_bracketed(Cursor& cursor, NameAddr& out, bool comma_ends) noexcept {
    const char* const begin = cursor.at;
    cursor.at = kClosing.find(cursor.at, cursor.end);
    if (cursor.done()) return false;
    out.uri = trimmed(between(begin, cursor.at++));  // blanks inside <>: RFC 4475 3.1.2.14
    cursor.skip_lws();
    const char* const params = cursor.at;
    if (!skip_params(cursor, comma_ends)) return false;
    out.params = trimmed(between(params, cursor.at));
    return out.params.empty() || out.params.front() == ';';
}

// addr-spec without <>: what follows a ';' are header parameters (RFC 3261 20.10, 20.20).
bool take_bare(Cursor& cursor, NameAddr& out, bool comma_ends) noexcept {
    const char* const begin = cursor.at;
    cursor.at = (comma_ends ? kEndsBareOfList : kEndsBare).find(cursor.at, cursor.end);
    out.uri = trimmed(between(begin, cursor.at));
    const char* const params = cursor.at;
    if (!skip_params(cursor, comma_ends)) return false;
    out.params = trimmed(between(params, cursor.at));
    return true;
}

// The '<' of this value; the end of the text when there is none; null when a quote has no end.
const char* find_bracket(Cursor cursor, bool comma_ends) noexcept {
    const CharSet& stops = comma_ends ? kEndsNameOfList : kEndsName;
    for (;;) {
        cursor.at = stops.find(cursor.at, cursor.end);
        if (cursor.done()) return cursor.end;
        if (*cursor.at == '<') return cursor.at;
        if (*cursor.at == ';' || *cursor.at == ',') return cursor.end;
        if (*cursor.at == '"') {
            if (!cursor.skip_quoted()) return nullptr;
        } else {  // \"Alice\" <sip:...>, as a phone in the field sends it
            cursor.at += cursor.end - cursor.at > 1 ? 2 : 1;
        }
    }
}

bool take_name_addr(Cursor& cursor, NameAddr& out, bool comma_ends) noexcept {
    static constexpr NameAddr kEmpty;
    out = kEmpty;  // as in parse_uri()
    cursor.skip_lws();
    const char* const begin = cursor.at;
    const char* const bracket = find_bracket(cursor, comma_ends);
    if (bracket == nullptr) return false;
    bool good;
    if (bracket != cursor.end) {
        cursor.at = bracket + 1;
        good = take_bracketed(cursor, out, comma_ends);
    } else {
        good = take_bare(cursor, out, comma_ends);
    }
    if (!good || out.uri.empty()) return false;
    out.whole = trimmed(between(begin, cursor.at));
    out.tag = find_param(out.params, "tag").value_or(std::string_view());
    return true;
}

}  // namespace

bool parse_name_addr(std::string_view text, NameAddr& value, std::string_view& rest) noexcept {
    rest = {};
    Cursor cursor(text);
    if (!take_name_addr(cursor, value, true)) return false;
    if (cursor.take(',')) rest = between(cursor.at, cursor.end);
    return true;
}

// Commas mean nothing here: a display name with a bare one is broken, but clear (RFC
// 4475 3.1.2.15).
bool parse_from_to(std::string_view value, NameAddr& out) noexcept {
    Cursor cursor(value);
    return take_name_addr(cursor, out, false);
}

}  // namespace lb::sip
