#pragma once

// Capture files (libpcap format, microseconds, Ethernet): written for a net_pcap port to play, and
// read back from what one recorded.

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "dp/base/bytes.h"

namespace lb::test {

using Frames = std::vector<std::vector<std::uint8_t>>;

inline constexpr std::uint32_t kPcapMagic = 0xa1b2c3d4;
inline constexpr std::uint32_t kPcapNanoMagic = 0xa1b23c4d;  // what net_pcap records
inline constexpr std::uint32_t kSnapLength = 262144;

inline bool write_pcap(const std::string& path, const Frames& frames) {
    std::ofstream out(path, std::ios::binary);
    const auto put32 = [&out](std::uint32_t value) {
        out.write(reinterpret_cast<const char*>(&value), sizeof value);
    };
    for (const std::uint32_t word : {kPcapMagic, 0x00040002U, 0U, 0U, kSnapLength, 1U}) put32(word);
    for (const auto& frame : frames) {
        const auto size = static_cast<std::uint32_t>(frame.size());
        for (const std::uint32_t word : {1U, 0U, size, size}) put32(word);
        out.write(reinterpret_cast<const char*>(frame.data()),
                  static_cast<std::streamsize>(frame.size()));
    }
    out.flush();
    return out.good();
}

// Empty also when the file is none; a record cut short ends the list.
inline Frames read_pcap(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    const auto get32 = [&in] {
        std::uint32_t value = 0;
        in.read(reinterpret_cast<char*>(&value), sizeof value);
        return value;
    };
    Frames frames;
    const std::uint32_t magic = get32();
    if (magic != kPcapMagic && magic != kPcapNanoMagic) return frames;
    in.seekg(24);
    for (;;) {
        in.seekg(8, std::ios::cur);  // time stamp
        const std::uint32_t size = get32();
        in.seekg(4, std::ios::cur);  // size on the wire
        if (!in || size > kSnapLength) return frames;
        std::vector<std::uint8_t> frame(size);
        in.read(reinterpret_cast<char*>(frame.data()), size);
        if (!in) return frames;
        frames.push_back(std::move(frame));
    }
}

}  // namespace lb::test
