#pragma once

// One frame in a writable buffer: what route() reads and rewrites. DPDK-free; dp/io points it at an
// mbuf, tests at an array.

#include <cstdint>

#include "dp/base/assert.h"
#include "dp/base/bytes.h"

namespace lb::net {

inline constexpr std::uint16_t kNoVlan = 0xffff;

enum class Checksum : std::uint8_t {
    kUnknown,  // nobody looked: verify in software or let it be
    kBad,      // the device found it wrong
    kGood,     // the device verified it
    kPartial,  // from a local socket of this host, not filled in: cannot be verified, must not drop
};

struct Packet {
    std::uint8_t* data = nullptr;  // first byte of the Ethernet header
    std::uint32_t length = 0;      // bytes of the frame
    std::uint32_t headroom = 0;    // writable bytes in front of data
    std::uint32_t tailroom = 0;    // writable bytes behind data + length
    std::uint16_t device = 0;      // index of the device it came in on (Tables::interface_of)
    std::uint16_t vlan =
        kNoVlan;  // VLAN id that the device stripped; a tag in the bytes stays there
    Checksum udp_checksum = Checksum::kUnknown;
    // Of a frame to send: offset of the UDP header whose checksum is not whole yet (ChecksumMode in
    // frame.h); 0: nothing is left to do.
    std::uint16_t unsummed_udp = 0;
    // Of a frame to send whose checksum is whole: the MTU of its path if that is known to be less
    // than the link's; 0: it is not.
    std::uint16_t path_mtu = 0;

    Bytes bytes() noexcept { return {data, length}; }
    ConstBytes bytes() const noexcept { return {data, length}; }

    // Sets the length: cuts the end off, or takes tailroom.
    void resize(std::uint32_t new_length) noexcept {
        LB_ASSERT(new_length <= length + tailroom);
        tailroom = length + tailroom - new_length;
        length = new_length;
    }
};

}  // namespace lb::net
