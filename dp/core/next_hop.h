#pragma once

// Where a request goes next: the decision between its Route set, its Request-URI and the dispatcher
// (design.md section 6, rules 3 to 5 and 10).

#include "dp/core/answer.h"
#include "dp/core/loose_route.h"

namespace lb::core {

struct NextHop {
    enum class Kind : std::uint8_t {
        kSend,     // to `endpoint`
        kAnswer,   // with `answer`
        kDrop,     // a rule says so
        kResolve,  // the host of a Route or Request-URI is a name that nobody has looked up yet
    } kind = Kind::kSend;
    Endpoint endpoint;
    table::ListenerIndex listener = table::kNoListener;  // forced local socket
    std::string_view host_port;  // destination text for set_host; empty: Request-URI stays
    Answer answer;
};

// REQUIRES: `route` is loose_route(context), not broken.
NextHop find_next_hop(Context& context, const LooseRoute& route) noexcept;

}  // namespace lb::core
