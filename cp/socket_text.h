#pragma once

// "udp:10.0.0.1:5060", how Kamailio writes a local socket: protocol (in any case) and port may be
// left out (UDP, 5060), and only IPv6 stands in brackets.

#include <optional>
#include <string_view>

#include "dp/base/address.h"

namespace lb::cp {

// Nothing for another protocol than UDP, or what is no address.
std::optional<Endpoint> parse_socket(std::string_view text) noexcept;

}  // namespace lb::cp
