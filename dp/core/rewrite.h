#pragma once

// The edits of a relayed message (RFC 3261 16.6 and 16.7).

#include "dp/core/loose_route.h"
#include "dp/core/next_hop.h"
#include "dp/core/rport_text.h"
#include "dp/core/top.h"

namespace lb::core {

// The parts of a message between which something is put or goes away: what is in front of the first
// header field, from there to the topmost Via's sent-by, its parameters up to its rport, what
// follows up to a line that goes (`cut`), and what stays where it is.
struct Parts {
    const char* header;
    const char* sent_by_end;
    const char* rport;
    const char* behind_rport;
    const char* cut;
    const char* tail;

    // Whether all but the first one can be taken by 64 bytes each. `end`: of the message.
    bool are_short(const char* end) const noexcept {
        return sent_by_end - header <= kMax && rport - sent_by_end <= kMax && end - tail >= kMax &&
               cut - behind_rport <= kMax;
    }

private:
    static constexpr std::ptrdiff_t kMax = Blocks::kSize;
};

// How a request is rewritten: decided while the message is as it came, carried out when nobody has
// anything to read in it any more.
struct RequestPlan {
    Top top;
    // True for nearly every request: behind the top there is nothing to do but to put received and
    // rport into the topmost Via, and to take our Route out. False: scratch.edits has all edits.
    bool usual;
    bool received;    // if usual: the topmost Via gets one, and rport if it asks for that
    bool pops_route;  // if usual: the only Route header field goes
    Parts parts;      // if usual
    RportText rport;  // of the source port
};

// What becomes of a request that leaves by listener `out`: Via, Record-Route, Path, received and
// rport, Route set, Request-URI, Contact. The edits are bad (ok() false) when a bound was reached.
RequestPlan plan_request(Context& context, const LooseRoute& route, const NextHop& hop,
                         table::ListenerIndex out) noexcept;

// Turns a usual plan into one with a list: for tests. REQUIRES: as plan_request().
void list_request_edits(Context& context, const LooseRoute& route, const NextHop& hop,
                        RequestPlan& plan) noexcept;

// Carries the plan out and counts Max-Forwards down. Returns the message's new place in the
// packet's buffer, or an empty span if it would not fit. REQUIRES: nothing but relaying follows;
// Max-Forwards is absent or above 0.
Bytes rewrite_request(Context& context, const RequestPlan& plan) noexcept;

// The same for any reply: `via`, which is own_via() of it, goes, and the Contact is fixed. Where
// is_usual_reply() is true, rewrite_usual_reply() does as much.
Bytes rewrite_reply(Context& context, std::string_view via) noexcept;

}  // namespace lb::core
