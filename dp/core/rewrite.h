#pragma once

// The edits of a relayed message (RFC 3261 16.6 and 16.7; order of what is added as Kamailio's:
// Max-Forwards, Record-Route, Via; golden/relay 086).

#include "dp/core/loose_route.h"
#include "dp/core/next_hop.h"

namespace lb::core {

// The header fields that a relayed request gets on top. What they say hangs on the message as it
// came; where they stand is known when the edits have been carried out.
struct FrontHeaders {
    const table::Listener* in;   // the message was sent to
    const table::Listener* out;  // the message leaves by
    std::size_t size;            // of all
    std::uint64_t cookie;        // of the dialog; set if a route is written
    std::uint16_t reply_port;    // where replies will have to go, at the source address
    bool max_forwards;
    bool record_route;
    bool path;
    bool full_lr;
};

// All edits of a request that leaves by listener `out`: Via, Record-Route, Path, received and
// rport, Route set, Request-URI, Contact. REQUIRES: scratch.edits is clear. Fills it; it is bad
// (ok() false) when a bound was reached.
FrontHeaders add_request_edits(Context& context, const LooseRoute& route, const NextHop& hop,
                               table::ListenerIndex out) noexcept;

// All edits of a reply: the topmost Via goes, the Contact is fixed.
void add_reply_edits(Context& context) noexcept;

// Overwrites the digits of Max-Forwards, right aligned and padded with spaces, at most 70
// (spec/dispatcher.md 7.8). REQUIRES: nothing but relaying follows; the value is absent or above 0.
void count_down_max_forwards(Context& context) noexcept;

// Carry the edits out. Return the message's new place in the packet's buffer, or an empty span if
// it would not fit.
Bytes apply_request_edits(Context& context, const FrontHeaders& front) noexcept;
Bytes apply_reply_edits(Context& context) noexcept;

}  // namespace lb::core
