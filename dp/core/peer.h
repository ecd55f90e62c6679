#pragma once

// Which endpoints are one other host: what a message or a reply may be sent to.

#include "dp/base/address.h"

namespace lb::core {

// False for what reaches many (multicast, broadcast), nobody (0.0.0.0, port 0, and an IPv4 address
// in IPv6 clothes: mapped, or compatible as in RFC 4291 2.5.5.1), or what listens on our own
// loopback - unless the message came in there (`local`).
bool is_peer(const Endpoint& endpoint, bool local) noexcept;

}  // namespace lb::core
