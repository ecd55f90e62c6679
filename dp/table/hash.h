#pragma once

// The dispatcher's own hash, bit for bit (spec/dispatcher.md 2.1): what Kamailio on amd64 computes,
// where the bytes of a key are signed.
//
// Threads: pure. Cost: one pass, no allocation.

#include <cstdint>
#include <string_view>

namespace lb::table {

// H(x, y). Groups of four bytes restart at `y`, so H("al", "ice") is not H("alice"). Never 0.
std::uint32_t dispatcher_hash(std::string_view x) noexcept;  // y is empty
std::uint32_t dispatcher_hash(std::string_view x, std::string_view y) noexcept;

}  // namespace lb::table
