#pragma once

// What the relay bench plays: frames of SIP as clients and destinations of one appliance send them,
// made from a fixed seed, so that two runs play the same bytes. Described in docs/measurements.md.

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/keyed_hash.h"
#include "tests/support/frames.h"

namespace lb::bench {

// The appliance of the bench, as scripts/bench configures it.
inline constexpr std::string_view kService4 = "10.77.0.1";
inline constexpr std::string_view kService6 = "fd77::1";
inline constexpr std::uint16_t kSipPort = 5060;
inline constexpr unsigned kDestinations = 16;  // 10.77.0.101 .. 116, fd77::101 .. 116
// What net_pcap calls its first device.
inline constexpr MacAddress kServiceMac{{0x02, 0x70, 0x63, 0x61, 0x70, 0x00}};

// Branches and cookies of replies and in-dialog requests must be good, so the generator knows it.
Secret bench_secret() noexcept;
std::string destination_address(unsigned index, bool ipv6);

// Names in the order of docs/measurements.md.
std::vector<std::string> workload_names();

// `count` frames, or none for a name that is no workload. `corpus` is read by "realworld" alone:
// a folder of files, one datagram each.
std::vector<test::Octets> make_workload(std::string_view name, std::size_t count,
                                        std::uint32_t seed, const std::string& corpus);

}  // namespace lb::bench
