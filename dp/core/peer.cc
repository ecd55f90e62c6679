#include "dp/core/peer.h"

#include <algorithm>

namespace lb::core {
namespace {

// ::ffff:0:0/96 and ::/96. REQUIRES: neither :: nor ::1.
bool is_embedded_ipv4(const IpAddress& address) noexcept {
    const std::uint8_t* const bytes = address.data();
    const std::uint16_t group = load_be16(bytes + 10);
    return address.is_ipv6() && (group == 0 || group == 0xffff) &&
           std::all_of(bytes, bytes + 10, [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

bool is_odd_peer(const Endpoint& endpoint, bool local) noexcept {
    const IpAddress& address = endpoint.address;
    if (endpoint.port == 0 || address.is_none() || address.is_unspecified()) return false;
    if (address.is_multicast() || address.is_broadcast()) return false;
    return address.is_loopback() ? local : !is_embedded_ipv4(address);
}

}  // namespace lb::core
