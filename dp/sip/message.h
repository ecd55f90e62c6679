#pragma once

// A parsed SIP message: views into the datagram, nothing copied, nothing owned.
//
// The parser (parser.h) makes one pass and remembers what a stateless proxy needs; everything else
// stays text. Values are as on the wire: trimmed at both ends (space, TAB, CR, LF), folding inside
// kept.

#include <array>
#include <cstdint>
#include <string_view>

#include "dp/base/limits.h"
#include "dp/sip/scan.h"

namespace lb::sip {

enum class Method : std::uint8_t {
    kOther,  // any token that is not below; a proxy relays it (RFC 3261 16.3)
    kInvite,
    kAck,
    kBye,
    kCancel,
    kOptions,
    kRegister,
    kMessage,
    kSubscribe,
    kNotify,
    kInfo,
    kUpdate,
    kPrack,
    kRefer,
    kPublish,
};

// One header field: its value, trimmed. No text at all, not even an empty one: it is absent.
struct HeaderField {
    std::string_view value;

    bool present() const noexcept { return value.data() != nullptr; }
};

// One with where it stands: `line` runs from the first character of the name up to and including
// the line end of its last (folded) line.
struct HeaderLine {
    std::string_view line;
    std::string_view value;

    bool present() const noexcept { return !line.empty(); }
};

// The value of one Via (via-parm, RFC 3261 25.1), one of possibly several in a header field.
struct Via {
    std::string_view value;           // this via-parm alone, trimmed
    std::string_view host;            // sent-by host as written, IPv6 with brackets
    std::string_view branch;          // value of ;branch, empty when absent
    std::string_view received;        // value of ;received, empty when absent
    std::string_view received_param;  // ";received=..." with its semicolon, for replacement
    std::string_view rport;           // value of ;rport, empty for the bare flag
    std::string_view rport_param;     // ";rport" or ";rport=...", for replacement; empty: absent
    std::string_view maddr;
    std::string_view sent_by;  // host[:port] as written: `received` goes right behind it
    std::uint16_t port = 0;    // 0: absent
    bool has_rport() const noexcept { return !rport_param.empty(); }
};

// A name-addr or addr-spec header value (From, To, Contact, Route): where its URI is.
struct NameAddr {
    std::string_view whole;   // this value alone (one of a comma list), trimmed
    std::string_view uri;     // the addr-spec, without <>
    std::string_view params;  // header parameters behind it, from the first ';', or empty
    std::string_view tag;     // value of ;tag among the params
};

struct alignas(64) Message {
    std::string_view text;    // the message: start line to the end of the body by Content-Length
    std::string_view header;  // behind the start line up to and including the empty line
    std::string_view body;
    std::string_view start_line;  // with its line end

    // From here on parse() clears what an earlier message left.
    bool reply = false;
    // Requests
    Method method = Method::kOther;
    bool plain_uri = false;  // request_uri is sip:user@host[:port][;params], without headers
    std::string_view method_text;
    std::string_view request_uri;
    // Replies
    std::uint16_t status = 0;  // 100..699 (RFC 3261 7.2), anything else is a parse error
    std::string_view reason;

    // First of each kind unless the name says otherwise. The parser refuses a second Call-ID, CSeq,
    // From, To, Max-Forwards or differing Content-Length (Error::kDuplicateHeader).
    HeaderField via;  // the header field that holds the topmost Via
    HeaderField from, to, call_id, cseq, max_forwards, content_length;
    NameAddr from_addr, to_addr;  // parsed on demand by parse_from_to(), see parser.h
    std::uint32_t cseq_number = 0;
    std::string_view cseq_method;
    HeaderField contact;  // the first Contact header field; it may hold several addresses
    HeaderField authorization, proxy_authorization, proxy_require, require, record_route;
    HeaderField second_via;  // the next Via header field after `via`, if any

    std::uint16_t routes_count = 0;
    std::uint16_t via_lines = 0;           // Via header fields seen
    std::int32_t max_forwards_value = -1;  // -1: absent; a huge number is clamped to 1000000

    // What parse() clears ends here. Route header fields, in order: entries behind routes_count are
    // old.
    std::array<HeaderLine, kRoutesMax> routes{};
    Via top_via;  // the topmost Via, parsed; parser error when it does not parse

    // Of `text`, as long as nothing is written to it: for the readers of its fields (parser.h,
    // uri.h), which are faster with it.
    TextIndex index;

    bool is_reply() const noexcept { return reply; }
    // A CANCEL or ACK: it goes where its INVITE went (RFC 3261 16.10, 16.11), and has no
    // credentials.
    bool follows_invite() const noexcept {
        return method == Method::kCancel || method == Method::kAck;
    }
};

}  // namespace lb::sip
