#pragma once

// What a proxy must check before it relays a request (RFC 3261 16.3).

#include "dp/core/answer.h"
#include "dp/sip/parser.h"

namespace lb::core {

// The reply to a request that parse() refused but that can be answered.
Answer answer_to_bad_request(sip::Error error) noexcept;

// The reply to a well-formed request that must not be relayed; none if it may be.
// Unknown methods, schemes of other headers and broken headers that a proxy does not own are
// relayed.
Answer check_request(const Context& context, const sip::Uri& request_uri) noexcept;

// Parses From and To of a request that parse() accepted. False if one is malformed, or if the URI
// of To has white space within: nobody answers for such an address (Kamailio does not relay it
// either).
bool read_addresses(sip::Message& request) noexcept;

// OPTIONS addressed to us: no user part, and the host is one of our services (RFC 3261 11).
bool is_options_to_us(const Context& context, const sip::Uri& request_uri) noexcept;

}  // namespace lb::core
