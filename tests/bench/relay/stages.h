#pragma once

// What each step of route() costs over a list of frames. The steps are those of dp/core/route.cc,
// called one after the other; a step's cost is the time of a pass that ends behind it less the time
// of a pass that ends in front of it. The fastest of many passes counts, so that a busy machine
// disturbs little.

#include <cstddef>
#include <vector>

#include "tests/support/frames.h"

namespace lb::bench {

struct StageCost {
    const char* name;
    double ns;      // per message
    double cycles;  // of the time-stamp counter
};

// Steps that a message does not reach (a reply is not dispatched) cost it nothing. "route" is the
// whole function. REQUIRES: frames of make_workload().
std::vector<StageCost> measure_stages(const std::vector<test::Octets>& frames, std::size_t rounds);

// The whole function alone, the copy of the frame into its buffer included.
StageCost measure_route(const std::vector<test::Octets>& frames, std::size_t rounds);

}  // namespace lb::bench
