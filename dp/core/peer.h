#pragma once

// Which endpoints are one other host: what a message or a reply may be sent to.

#include "dp/base/address.h"

namespace lb::core {

// The answer for any endpoint; is_peer() has it for most without a call.
bool is_odd_peer(const Endpoint& endpoint, bool local) noexcept;

// True for what nearly all are: an IPv4 address of one host and no loopback, or an IPv6 address
// that is neither in ::/8, where all odd ones are, nor multicast; and a port.
inline bool is_plain_peer(const Endpoint& endpoint) noexcept {
    const unsigned first = endpoint.address.data()[0];
    if (endpoint.port == 0) return false;
    if (endpoint.address.is_ipv4()) return first - 1 < 223 && first != 127;
    return endpoint.address.is_ipv6() && first - 1 < 254;
}

// False for what reaches many (multicast, broadcast), nobody (0.0.0.0, port 0, and an IPv4 address
// in IPv6 clothes: mapped, or compatible as in RFC 4291 2.5.5.1), or what listens on our own
// loopback - unless the message came in there (`local`).
inline bool is_peer(const Endpoint& endpoint, bool local) noexcept {
    return is_plain_peer(endpoint) || is_odd_peer(endpoint, local);
}

}  // namespace lb::core
