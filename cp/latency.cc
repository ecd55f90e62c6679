#include "cp/latency.h"

#include <algorithm>
#include <cmath>

namespace lb::cp {

void add_latency_sample(Latency& latency, std::int32_t ms, std::int32_t alpha) noexcept {
    constexpr std::uint32_t kCountMax = 2097152;
    const auto sample = static_cast<float>(ms);
    ++latency.samples;
    if (latency.count < kCountMax) {
        ++latency.count;
    } else {
        latency.m2 -= latency.m2 / latency.count;
    }
    if (latency.count == 1) {
        latency.stdev = 0;
        latency.m2 = 0;
        latency.min = latency.max = ms;
        latency.average = latency.estimate = sample;
    }
    // A steady average is frozen.
    if (latency.count > 10 && latency.count < 10000 && latency.stdev < 0.5f) latency.count = 10000;
    latency.min = std::min(latency.min, ms);
    latency.max = std::max(latency.max, ms);
    if (latency.count > 1) {
        const float before = sample - latency.average;
        latency.average += before / static_cast<float>(latency.count);
        const float after = sample - latency.average;
        latency.m2 += static_cast<double>(before) * after;
        latency.stdev = static_cast<float>(std::sqrt(latency.m2 / (latency.count - 1)));
    }
    if (latency.count < 10) {
        latency.estimate = latency.average;
    } else {
        const float keep = static_cast<float>(alpha) / 1000.0f;
        latency.estimate = latency.estimate * keep + sample * (1 - keep);
    }
}

Latency configured_latency(std::int32_t ms) noexcept {
    Latency out;
    out.min = out.max = ms;
    out.average = out.estimate = static_cast<float>(ms);
    out.count = 10000;
    return out;
}

}  // namespace lb::cp
