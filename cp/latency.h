#pragma once

// Latency figures of a destination, fold by fold (spec/dispatcher.md 5.2). Pure functions.

#include <cstdint>

#include "cp/dispatcher.h"

namespace lb::cp {

// `alpha`: per mille, how much of the old estimate stays (5.6 meaning).
void add_latency_sample(Latency& latency, std::int32_t ms, std::int32_t alpha) noexcept;
// The figures that the attribute `latency` starts with.
Latency configured_latency(std::int32_t ms) noexcept;

}  // namespace lb::cp
