#pragma once

// Checks what an appliance sent against what it was given, message by message, with parsers and
// sums of the tests' own (slow, obvious) and none of the data path's.

#include <cstddef>
#include <string>
#include <vector>

#include "tests/support/frames.h"

namespace lb::bench {

struct CheckReport {
    std::size_t received = 0;           // frames that went in
    std::size_t requests = 0;           // relayed and right
    std::size_t replies = 0;            // relayed and right
    std::size_t local = 0;              // answered by the appliance itself, and right
    std::size_t wrong = 0;              // everything else that came out
    std::vector<std::string> problems;  // the first few, one sentence each

    std::size_t sent() const noexcept { return requests + replies + local + wrong; }
};

// Frames as they were received and sent, fragments among them; `sent` in the report counts
// datagrams.
CheckReport check_relayed(const std::vector<test::Octets>& input,
                          const std::vector<test::Octets>& sent);

}  // namespace lb::bench
