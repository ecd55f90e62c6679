#pragma once

// Small generators and mixers: fast, good enough for shuffles, shares and tables, not for secrets.

#include <cstdint>

namespace lb::table {

// The finisher of SplitMix64 (Steele, Lea, Flood 2014): every input bit moves every output bit.
constexpr std::uint64_t mix64(std::uint64_t x) noexcept {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9;
    x ^= x >> 27;
    x *= 0x94d049bb133111eb;
    x ^= x >> 31;
    return x;
}

// SplitMix64: the next number of the sequence that `state` stands in. Any state will do.
constexpr std::uint64_t next_random(std::uint64_t& state) noexcept {
    state += 0x9e3779b97f4a7c15;
    return mix64(state);
}

}  // namespace lb::table
