#pragma once

// What a proxy must check before it relays a request (RFC 3261 16.3).

#include "dp/core/answer.h"
#include "dp/sip/parser.h"

namespace lb::core {

// The reply to a request that parse() refused but that can be answered.
Answer answer_to_bad_request(sip::Error error) noexcept;

// The reply to a well-formed request that must not be relayed, or that is for us to answer; none if
// it may be relayed. Unknown methods, schemes of other headers and broken headers that a proxy does
// not own are relayed.
Answer check_request(const Context& context) noexcept;

// True for a request that check_request() has nothing to say to, without a look at the parts of its
// Request-URI: nearly every one. False says nothing.
inline bool is_plain_request(const sip::Message& request) noexcept {
    return request.plain_uri && request.max_forwards_value != 0 && !request.proxy_require.present();
}

// Parses From and To of a request that parse() accepted. False if one is malformed, or if the URI
// of To has white space within: nobody answers for such an address (Kamailio does not relay it
// either).
inline bool read_addresses(sip::Message& request) noexcept {
    return sip::parse_from_to_strictly(request.to.value, request.to_addr, &request.index);
}

}  // namespace lb::core
