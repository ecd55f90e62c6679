#pragma once

// The order in which sets are listed and probed: post-order of the AVL tree that grew by inserting
// the ids in order of appearance (spec/dispatcher.md 6.3; recorded: ids 1 to 10 come out as 1 3 2 5
// 7 6 10 9 8 4).

#include <cstdint>
#include <span>
#include <vector>

namespace lb::cp {

// Positions in `ids`, in listing order. REQUIRES: no id twice. O(n log n).
std::vector<std::uint32_t> listing_order(std::span<const std::int32_t> ids);

}  // namespace lb::cp
