#pragma once

// Puts the fragments that an appliance sent back together, as a receiver would, with the tests' own
// slow reassembly. IPv4 without options; other frames, IPv6 among them, stay as they are.

#include <vector>

#include "tests/support/frames.h"

namespace lb::bench {

// A datagram stands where its last fragment came; one that is not complete, or whose fragments
// overlap, is left out.
std::vector<test::Octets> defragment(const std::vector<test::Octets>& frames);

}  // namespace lb::bench
