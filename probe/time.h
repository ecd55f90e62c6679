#pragma once

// Time as the prober has it: microseconds of a clock that never goes back, given by whoever calls.

#include <cstdint>

namespace lb::probe {

using Micros = std::int64_t;

inline constexpr Micros kMillisecond = 1000;
inline constexpr Micros kSecond = 1000 * kMillisecond;

}  // namespace lb::probe
