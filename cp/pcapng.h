#pragma once

// Capture files in pcapng (draft-ietf-opsawg-pcapng), with what libpcap cannot write: names of
// interfaces, directions, a comment on each packet, nanoseconds.
//
// Pure: text in, bytes out, little-endian.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "dp/base/bytes.h"

namespace lb::cp {

inline constexpr std::size_t kPcapngCommentMax = 1024;  // bytes; longer ones are cut

enum class PcapngDirection : std::uint32_t { kInbound = 1, kOutbound = 2 };

// What a file begins with: a section, and an Ethernet interface for each name, numbered from 0.
std::string pcapng_begin(std::span<const std::string> interfaces, std::string_view application);

// One frame. `time_ns`: Unix time, not negative. `comment` may be empty.
void append_pcapng_packet(std::string& out, std::uint32_t interface, std::int64_t time_ns,
                          PcapngDirection direction, ConstBytes frame, std::string_view comment);

}  // namespace lb::cp
