#pragma once

// What a change of the tables would do, before it is made: which share of a sample of calls would
// move, and the load of each destination before and after. Pure: nothing is touched, neither
// pointers nor loads.
//
// Threads: the control thread. Cost: two choices per sample call.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "dp/table/tables.h"

namespace lb::core {

// One side of the comparison. REQUIRES: `dispatch` was built with this algorithm for this set (a
// service or rule names it, or Dispatch::Input::also_prepare). A set that is not there serves
// nobody.
struct PreviewSide {
    const table::Dispatch& dispatch;
    std::int32_t set = 0;
    table::Algorithm algorithm = table::Algorithm::kCallId;
};

struct PreviewRow {
    std::string uri;
    std::string duid;
    std::size_t before = 0;  // calls of the sample
    std::size_t after = 0;
};

struct Preview {
    std::size_t sample = 0;
    std::size_t moved = 0;  // served before and after, by different destinations
    std::size_t lost = 0;   // served before only
    std::size_t won = 0;    // served after only
    // False for algorithms that do not choose by the message (round robin, weights ...): the loads
    // are those of the sample put through in order, and `moved` says nothing about calls in
    // progress.
    bool by_message = true;
    std::vector<PreviewRow> rows;  // in the order of the set after, then those that are gone

    double moved_share() const noexcept {
        return sample == 0 ? 0.0 : static_cast<double>(moved) / static_cast<double>(sample);
    }
};

// Every sample text stands for one call: it is the Call-ID, and users in From, To, Request-URI and
// credentials are made of it, so that each hash algorithm has a different key for each call.
Preview preview(const PreviewSide& before, const PreviewSide& after,
                std::span<const std::string> call_ids);

// `count` Call-IDs as phones make them, the same for the same seed.
std::vector<std::string> sample_call_ids(std::size_t count, std::uint64_t seed = 1);

}  // namespace lb::core
