#include "dp/sip/break_walk.h"
#include "dp/sip/parser.h"
#include "dp/sip/text.h"
#include "dp/sip/uri.h"

namespace lb::sip {
namespace {

constexpr StopSet kQuote("\"");
constexpr StopSet kQuoteOrComma("\",");
constexpr StopSet kClosing(">");
constexpr StopSet kEndsBare(";");
constexpr StopSet kEndsBareOfList(";,");
constexpr StopSet kEndsName("<;\\\"");
constexpr StopSet kEndsNameOfList("<;\\\",");
constexpr StopSet kEndsUsualUri("> \t\r\n");

// Moves to the end of header parameters: the end of the text, or a ',' if that ends a value.
bool skip_params(Cursor& cursor, bool comma_ends) noexcept {
    const StopSet& stops = comma_ends ? kQuoteOrComma : kQuote;
    for (;;) {
        cursor.skip_to(stops);
        if (cursor.done() || *cursor.at == ',') return true;
        if (!cursor.skip_quoted()) return false;
    }
}

// Header parameters up to the end of the value, the tag among them.
bool take_params(Cursor& cursor, NameAddr& out, bool comma_ends) noexcept {
    const char* const begin = cursor.at;
    if (!skip_params(cursor, comma_ends)) return false;
    out.params = trimmed(between(begin, cursor.at));
    if (out.params.empty()) return true;
    out.tag = find_param(out.params, "tag", cursor.index).value_or(std::string_view());
    return true;
}

// Behind the '<': URI, '>', parameters.
bool take_bracketed(Cursor& cursor, NameAddr& out, bool comma_ends) noexcept {
    const char* const begin = cursor.at;
    cursor.skip_to(kClosing);
    if (cursor.done()) return false;
    out.uri = trimmed(between(begin, cursor.at++));  // blanks inside <>: RFC 4475 3.1.2.14
    cursor.skip_lws();
    return take_params(cursor, out, comma_ends) &&
           (out.params.empty() || out.params.front() == ';');
}

// addr-spec without <>: what follows a ';' are header parameters (RFC 3261 20.10, 20.20).
bool take_bare(Cursor& cursor, NameAddr& out, bool comma_ends) noexcept {
    const char* const begin = cursor.at;
    cursor.skip_to(comma_ends ? kEndsBareOfList : kEndsBare);
    out.uri = trimmed(between(begin, cursor.at));
    return take_params(cursor, out, comma_ends);
}

// The '<' of this value; the end of the text when there is none; null when a quote has no end.
const char* find_bracket(Cursor cursor, bool comma_ends) noexcept {
    if (cursor.is('<')) return cursor.at;  // no display name
    const StopSet& stops = comma_ends ? kEndsNameOfList : kEndsName;
    for (;;) {
        cursor.skip_to(stops);
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

// Any name-addr or addr-spec.
[[gnu::noinline]] bool take_name_addr(Cursor& cursor, NameAddr& out, bool comma_ends) noexcept {
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
    return true;
}

// The '<' behind a display name that is tokens, or a quoted string without escapes. Null when it is
// anything else.
const char* skip_usual_name(const char* begin, const char* end, const TextIndex& index) noexcept {
    BreakWalk walk(begin, index);
    const char* at = walk.next();
    if (at == begin) {
        if (*at != '"') return nullptr;
        do {
            at = walk.next();
            if (at >= end || *at == '\\') return nullptr;
        } while (*at != '"');
        at = walk.next();
    }
    while (at < end && *at == ' ') at = walk.next();
    return at < end && *at == '<' ? at : nullptr;
}

// find_usual_end() of a URI that is longer than one load of the index.
[[gnu::noinline]] const char* find_far_end(const char* uri, const char* end,
                                           const TextIndex& index) noexcept {
    BreakWalk walk(uri, index);
    const char* at;
    do {
        at = walk.next();
        if (at >= end) return nullptr;
    } while (!kEndsUsualUri.has(*at));
    return at;
}

// The '>' behind a URI without LWS; anything else, null as well, when there is none in front of
// `end`.
[[gnu::always_inline]] inline const char* find_usual_end(const char* uri, const char* end,
                                                         const TextIndex& index) noexcept {
    for (std::uint64_t breaks = index.breaks_at(uri); breaks != 0; breaks &= breaks - 1) {
        const char* const at = uri + lowest_bit(breaks);
        if (at >= end) return nullptr;
        if (kEndsUsualUri.has(*at)) return at;
    }
    return find_far_end(uri, end, index);
}

// Behind the URI that ends at `uri_end`: ";tag=token" or nothing up to the end of the text.
// False when there is anything else in it. REQUIRES: a '<' at `bracket`.
[[gnu::always_inline]] inline bool take_usual_tag(const char* bracket, const char* uri_end,
                                                  std::string_view text, NameAddr& out,
                                                  const TextIndex& index) noexcept {
    constexpr Name kTag(";tag=");
    const char* const end = end_of(text);
    const char* const uri = bracket + 1;
    if (*uri_end != '>' || uri_end == uri) return false;
    const char* const params = uri_end + 1;
    out.whole = text;
    out.uri = between(uri, uri_end);
    out.params = between(params, end);
    clear(out.tag);
    if (params == end) return true;
    if (end - params < kTag.size() || !kTag.equals(params)) return false;
    const char* const tag = params + kTag.size();
    out.tag = between(tag, end);
    return near_break(tag, index) == end;
}

// "Name <uri>;tag=token", with no name and no tag as well, and no LWS in its URI: nearly every
// From, To, Route and Contact. False when there is anything else in it: that is for
// take_name_addr() to judge.
bool take_usual(std::string_view text, NameAddr& out, const TextIndex* index) noexcept {
    if (index == nullptr || text.empty()) return false;
    const char* bracket = text.data();
    if (*bracket != '<') bracket = skip_usual_name(bracket, end_of(text), *index);
    if (bracket == nullptr) return false;
    const char* const uri_end = find_usual_end(bracket + 1, end_of(text), *index);
    return uri_end != nullptr && take_usual_tag(bracket, uri_end, text, out, *index);
}

bool has_lws(std::string_view text, const TextIndex* index) noexcept {
    static constexpr StopSet kLws(" \t\r\n");
    Cursor cursor(text, index);
    cursor.skip_to(kLws);
    return !cursor.done();
}

[[gnu::noinline]] bool take_strictly(std::string_view value, NameAddr& out,
                                     const TextIndex* index) noexcept {
    if (take_usual(value, out, index)) return true;
    Cursor cursor(value, index);
    return take_name_addr(cursor, out, false) && !has_lws(out.uri, index);
}

}  // namespace

bool parse_name_addr(std::string_view text, NameAddr& value, std::string_view& rest,
                     const TextIndex* index) noexcept {
    rest = {};
    if (take_usual(text, value, index)) return true;
    Cursor cursor(text, index);
    if (!take_name_addr(cursor, value, true)) return false;
    if (cursor.take(',')) rest = between(cursor.at, cursor.end);
    return true;
}

// Commas mean nothing here: a display name with a bare one is broken, but clear (RFC
// 4475 3.1.2.15).
bool parse_from_to(std::string_view value, NameAddr& out, const TextIndex* index) noexcept {
    if (take_usual(value, out, index)) return true;
    Cursor cursor(value, index);
    return take_name_addr(cursor, out, false);
}

// Nearly every To has no display name, and a short "sip:" URI.
bool parse_from_to_strictly(std::string_view value, NameAddr& out,
                            const TextIndex* index) noexcept {
    constexpr Name kSip("sip:");
    if (index == nullptr || value.size() < 8 || value[0] != '<' || !kSip.equals(value.data() + 1))
        return take_strictly(value, out, index);
    const char* const at = value.data() + 1 + kSip.size();
    const char* const end = end_of(value);
    for (std::uint64_t breaks = index->breaks_at(at); breaks != 0; breaks &= breaks - 1) {
        const char* const found = at + lowest_bit(breaks);
        if (found >= end || *found <= ' ') break;  // LWS, or what is rare
        if (*found != '>') continue;
        if (take_usual_tag(value.data(), found, value, out, *index)) return true;
        break;
    }
    return take_strictly(value, out, index);
}

}  // namespace lb::sip
