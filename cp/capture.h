#pragma once

// UDP datagrams out of a capture file (pcap or pcapng; Ethernet, Linux cooked, raw IP, loopback),
// IP fragments put together.
//
// Bounds:  kCaptureMax datagrams; the rest is counted as left out.
// Errors:  a sentence that names the file.

#include <cstdint>
#include <string>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/result.h"

namespace lb::cp {

inline constexpr std::size_t kCaptureMax = 5'000'000;

struct CapturedDatagram {
    Endpoint source, target;
    std::string payload;
};

struct Capture {
    std::vector<CapturedDatagram> datagrams;
    std::size_t packets = 0;
    std::size_t left_out = 0;  // not UDP, cut short, or fragments that never became whole
    std::size_t outgoing = 0;  // what siplane sent, in a capture of its own: no datagram here
};

Result<Capture> read_capture(const std::string& path);

}  // namespace lb::cp
