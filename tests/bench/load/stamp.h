#pragma once

// How a message tells when it was sent: a stamp in the last bytes of its body, where no proxy looks
// and nothing moves. The stamp is a number and its complement, so the UDP checksum is the same for
// every number, and a stamp that was damaged, or none, is told from a good one.

#include <cstdint>
#include <optional>
#include <vector>

#include "dp/base/bytes.h"
#include "tests/support/frames.h"

namespace lb::bench {

inline constexpr std::size_t kStampSize = 16;

// A frame to be played.
struct StampedFrame {
    test::Octets octets;
    std::size_t stamp = 0;  // where in `octets`; 0: the body is too short for one
};

// Ethernet, IPv4 without options or IPv6 without extensions, UDP: what make_workload() makes.
// Its payload as lengths in the headers say; empty for anything else, or if it is cut short.
ConstBytes udp_payload(ConstBytes frame) noexcept;

// Room for a stamp, with the number 0 in it and the checksum right. Frames without a body of
// kStampSize stay as they are.
StampedFrame prepare_stamp(test::Octets frame);

void write_stamp(std::uint8_t* at, std::uint64_t number) noexcept;
std::optional<std::uint64_t> read_stamp(ConstBytes payload) noexcept;

}  // namespace lb::bench
