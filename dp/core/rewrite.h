#pragma once

// The edits of a relayed message (RFC 3261 16.6 and 16.7; order of what is added as Kamailio's:
// Max-Forwards, Record-Route, Via; golden/relay 086).

#include "dp/core/loose_route.h"
#include "dp/core/next_hop.h"

namespace lb::core {

// How a request is rewritten: decided while the message is as it came, carried out when nobody has
// anything to read in it any more.
struct RequestPlan {
    // Of the header fields on top.
    const table::Listener* in;   // the message was sent to
    const table::Listener* out;  // the message leaves by
    std::size_t front_size;
    std::uint64_t cookie;  // of the dialog; set if a route is written
    std::uint64_t mac;     // of the branch: sip::reply_mac()
    bool max_forwards;
    bool record_route;
    bool path;
    bool full_lr;

    // True for nearly every request: behind the top there is nothing to do but to put received and
    // rport into the topmost Via. False: scratch.edits has all edits.
    bool usual;
};

// What becomes of a request that leaves by listener `out`: Via, Record-Route, Path, received and
// rport, Route set, Request-URI, Contact. REQUIRES: scratch.edits is clear. They are bad (ok()
// false) when a bound was reached.
RequestPlan plan_request(Context& context, const LooseRoute& route, const NextHop& hop,
                         table::ListenerIndex out) noexcept;

// Turns a usual plan into one with a list: for tests. REQUIRES: as plan_request().
void list_request_edits(Context& context, const LooseRoute& route, const NextHop& hop,
                        RequestPlan& plan) noexcept;

// All edits of a reply: the topmost Via goes, the Contact is fixed.
void add_reply_edits(Context& context) noexcept;

// Overwrites the digits of Max-Forwards, right aligned and padded with spaces, at most 70
// (spec/dispatcher.md 7.8). REQUIRES: nothing but relaying follows; the value is absent or above 0.
void count_down_max_forwards(Context& context) noexcept;

// Carry the plan or the edits out. Return the message's new place in the packet's buffer, or an
// empty span if it would not fit.
Bytes rewrite_request(Context& context, const RequestPlan& plan) noexcept;
Bytes apply_reply_edits(Context& context) noexcept;

}  // namespace lb::core
