#pragma once

// Capture files in pcapng (draft-ietf-opsawg-pcapng), with what libpcap cannot write: names of
// interfaces, directions, a comment on each packet, nanoseconds.
//
// Pure: text in, bytes out, little-endian.

#include <cstdint>
#include <fstream>
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

// What a section of ours begins its application with.
inline constexpr std::string_view kPcapngApplication = "siplane ";

// Which packets of a capture siplane sent, by the marks that it writes itself. A capture that
// another program made says nothing: what its host sent may well be what comes to us.
//
// Errors:  a file of another format, or a broken one, has no such packets from there on.
class SentPackets {
public:
    explicit SentPackets(const std::string& path);

    // Of the next packet, in the order in which libpcap gives them.
    bool next();

private:
    bool read_block();
    bool begin_section();
    std::uint32_t number(std::size_t at, std::size_t bytes) const;
    std::string_view option(std::size_t at, std::uint16_t code) const;

    std::ifstream file_;
    std::string body_;  // of the block read last, with both its lengths
    std::uint32_t type_ = 0;
    bool big_endian_ = false;
    bool ours_ = false;
};

}  // namespace lb::cp
