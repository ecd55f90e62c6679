#pragma once

// SIP parser: text in, views out (RFC 3261 section 25, with the leniency of Postel where RFC 4475
// asks for it). One pass over the header section; the body is not looked at.
//
// What reads one field takes the index of the message that the field is a view into, or null: the
// result is the same, the index makes it faster (scan.h).
//
// Bounds:   kHeaderLinesMax header lines, kRoutesMax Route fields; more is Error::kTooManyHeaders.
// Threads:  no state; any thread.
// Cost:     no allocation, no copy; reads every byte of the header section about once.
// Safety:   never reads outside [text.begin(), text.end()).

#include <cstdint>
#include <string_view>

#include "dp/sip/message.h"

namespace lb::sip {

// In the order of error_text(). kNone, or the first thing found wrong. Errors for which a request
// still has what a reply needs (Via, From, To, Call-ID, CSeq) leave those fields of Message filled
// in, so that the caller may answer 400; `answerable()` tells.
enum class Error : std::uint8_t {
    kNone,
    kEmpty,       // nothing, or only line ends
    kNotSip,      // the first line is no SIP start line
    kVersion,     // SIP/x.y other than 2.0: 505
    kStatusCode,  // not three digits of 100..699
    kRequestUri,  // request line: URI empty, bracketed, with white space or control characters,
                  // or white space behind the version: 400
    kTruncated,   // the header section ends in the middle of a line
    kHeaderLine,  // a line without colon, or with an empty name, among those we must read
    kTooManyHeaders,
    kDuplicateHeader,  // a second Call-ID, CSeq, From, To, Max-Forwards, or unlike Content-Length
    kNoVia,
    kBadVia,
    kNoCallId,
    kNoCseq,
    kBadCseq,  // not a number below 2**32 and a token, or a method unlike the request's
    kNoFrom,
    kNoTo,
    kBadFromTo,
    kBadMaxForwards,
    kBadContentLength,  // not a number, or more than the datagram has
    kCount,
};

std::string_view error_text(Error error) noexcept;

// Parses one datagram payload. Leading line ends are skipped (RFC 3261 7.5). Bytes behind
// Content-Length are cut off (18.3). A bare LF is taken for a line end, and a missing final empty
// line is tolerated when every header line is whole.
// On any result `message` holds whatever was recognised; unset views are empty.
Error parse(std::string_view datagram, Message& message) noexcept;

// True if the request failed in a way that still allows a 4xx/5xx to its sender: it has a usable
// topmost Via, From, To, Call-ID and CSeq, and is not an ACK.
bool answerable(Error error, const Message& message) noexcept;

// CRLF keep-alive (RFC 5626 4.4.1), NULs, or nothing: payloads to absorb without a word.
bool is_keepalive(std::string_view datagram) noexcept;

// Parses the via-parm at the front of `text`; `rest` is what follows its comma, or empty.
bool parse_via(std::string_view text, Via& via, std::string_view& rest,
               const TextIndex* index = nullptr) noexcept;

// What stands behind the comma that ends the topmost Via, in the same header field. Null data()
// when there is no comma. REQUIRES: message.top_via was parsed.
std::string_view behind_top_via(const Message& message) noexcept;

// Finds the second Via value of the message (in the same field or the next one), for a reply.
// False if there is none or it does not parse.
bool find_second_via(const Message& message, Via& via) noexcept;

// Splits the first value off a comma list of name-addr / addr-spec (Route, Contact, Record-Route).
// Commas inside quotes and <> do not count. False if `text` is empty or the value does not parse.
bool parse_name_addr(std::string_view text, NameAddr& value, std::string_view& rest,
                     const TextIndex* index = nullptr) noexcept;

// Like parse_name_addr for a From or To value: an addr-spec without <> ends at the first ';'.
bool parse_from_to(std::string_view value, NameAddr& out,
                   const TextIndex* index = nullptr) noexcept;

// Like parse_from_to, and false when there is LWS in the URI.
bool parse_from_to_strictly(std::string_view value, NameAddr& out,
                            const TextIndex* index = nullptr) noexcept;

// True if `uri` can stand in a request line: not empty, no white space, control characters or angle
// brackets. What parse() asks of a Request-URI.
bool fits_request_line(std::string_view uri, const TextIndex* index) noexcept;

// Method name (case-sensitive, RFC 3261 7.1) to enumerator.
Method method_of(std::string_view token) noexcept;

// Case-insensitive compare of ASCII text.
bool iequals(std::string_view a, std::string_view b) noexcept;

// Takes the next header field off the front of `rest` (begin with message.header). Lines without a
// colon are passed over. False at the end.
bool next_header(std::string_view& rest, std::string_view& name, HeaderLine& field) noexcept;

// Value of a header by its full name or any letter case, compact form included ("Call-ID" finds
// "i:"). Walks the header section: for rules and $hdr(), not for the fast path. Empty when absent.
HeaderLine find_header(const Message& message, std::string_view name) noexcept;

// Where `field` stands, as in HeaderLine. REQUIRES: a field of the message, and present.
std::string_view line_of(const HeaderField& field, const Message& message) noexcept;

}  // namespace lb::sip
