#pragma once

// Writes a local reply in place of the request it answers (RFC 3261 8.2.6, in Kamailio's sl format:
// spec/dispatcher.md 7.10).

#include <cstdint>
#include <string_view>

#include "dp/base/address.h"
#include "dp/base/bytes.h"
#include "dp/base/keyed_hash.h"
#include "dp/sip/message.h"

namespace lb::sip {

struct ReplyText {
    std::uint16_t code = 0;
    std::string_view reason;
    std::string_view server;   // value of the Server header; empty: no such header
    std::string_view extra;    // whole header lines with their CRLF (Unsupported: ..., Accept: ...)
    bool force_rport = false;  // rport is filled in though the topmost Via does not ask for it
};

// Composes the reply to `request`, received from `source`, into `out`: Via lines copied with
// received and rport filled in, From, To (with our tag if it has none), Call-ID, CSeq, Server,
// Content-Length: 0. Returns its size, or 0 when `out` is too small.
std::size_t write_reply(const Message& request, const Endpoint& source, const ReplyText& text,
                        const Secret& secret, Bytes out) noexcept;

// True if the To tag of this ACK is the one that write_reply() gave: the ACK to a reply of ours.
bool is_ack_to_our_reply(const Message& ack, const Secret& secret) noexcept;

// Where a reply to `request` goes: RFC 3581 when rport was asked for, or is forced, else the source
// address and the Via's port.
Endpoint reply_target(const Message& request, const Endpoint& source, bool force_rport) noexcept;

}  // namespace lb::sip
