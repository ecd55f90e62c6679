#pragma once

// Which endpoints are one other host: what a message or a reply may be sent to.

#include "dp/base/address.h"

namespace lb::core {

// The answer for any endpoint; is_peer() has it for most without a call.
bool is_odd_peer(const Endpoint& endpoint, bool local) noexcept;

// True for what nearly all are.
inline bool is_plain_peer(const Endpoint& endpoint) noexcept {
    return endpoint.port != 0 && is_plain_host(endpoint.address);
}

// False for what reaches many (multicast, broadcast), nobody (0.0.0.0, port 0, and an IPv4 address
// in IPv6 clothes: mapped, or compatible as in RFC 4291 2.5.5.1), or what listens on our own
// loopback - unless the message came in there (`local`).
inline bool is_peer(const Endpoint& endpoint, bool local) noexcept {
    return is_plain_peer(endpoint) || is_odd_peer(endpoint, local);
}

}  // namespace lb::core
