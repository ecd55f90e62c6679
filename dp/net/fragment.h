#pragma once

// Splits a frame that is larger than the way out allows (RFC 791 3.2, RFC 8200 4.5). For our own
// frames, as write_udp_headers() makes them: we are their origin, so IPv6 may be fragmented here
// and IPv4 goes without DF.
//
// Bounds:  kFragmentsOutMax fragments.
// Threads: pure functions. Cost: one copy.

#include <cstddef>
#include <cstdint>

#include "dp/base/bytes.h"
#include "dp/base/limits.h"

namespace lb::net {

inline constexpr std::uint8_t kProtocolFragment = 44;  // IPv6: names the header
inline constexpr std::size_t kFragmentHeader = 8;

// How one frame is split.
struct FragmentPlan {
    std::uint32_t count = 0;         // 1: fits as it is; 0: cannot be split
    std::uint32_t ip_offset = 0;     // of the IP header
    std::uint32_t header_size = 0;   // Ethernet and IP
    std::uint32_t payload_size = 0;  // what is behind them, without padding
    std::uint32_t piece_size = 0;    // of it in each fragment but the last
    bool ipv6 = false;
};

// `mtu` is that of the IP packet. count is 0 for what is no IP, is a fragment already, has IP
// options or IPv6 extension headers (none of which we write), for an MTU too small to carry
// anything and for more than kFragmentsOutMax fragments.
FragmentPlan plan_fragments(ConstBytes frame, std::uint16_t mtu) noexcept;

// Writes fragment `index` to `out` and returns its size; 0 if `out` is too small (header_size + 8 +
// piece_size always suffices). `id` is the same for all fragments of one datagram, and another for
// the next one (IPv4 takes its low 16 bits). The IPv4 header checksum is complete. REQUIRES: `plan`
// was made for this frame, count > 1, index < count, and the UDP checksum is complete
// (complete_checksums()): no device can complete it over several frames.
std::size_t write_fragment(ConstBytes frame, const FragmentPlan& plan, std::uint32_t index,
                           std::uint32_t id, Bytes out) noexcept;

}  // namespace lb::net
