#pragma once

// Finds the line ends of a header section: the one loop that touches every byte, so the one place
// for SIMD.
//
// Bounds:  kHeaderLinesMax header lines, start line and empty line besides.
// Threads: no state; any thread.
// Cost:    stops at the empty line that closes the header section; the body is not read, but for
//          less than one vector behind it and never behind the end of the text.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "dp/base/limits.h"

namespace lb::sip {

struct LineEnds {
    // at[i] is the offset behind the LF of line i. Line 0 is the start line; if `closed`, the last
    // one is the empty line. Entries behind `count` are not set.
    std::array<std::uint32_t, kHeaderLinesMax + 2> at;
    std::uint32_t count = 0;
    bool closed = false;    // the empty line was found
    bool too_many = false;  // more lines than there is room for
};

// The widest variant that this CPU has, chosen once at start.
// REQUIRES: text.size() < 2**32, and that line 0 is not empty.
void scan_lines(std::string_view text, LineEnds& ends) noexcept;

// The variants by name, for tests and benchmarks. Null when this CPU has not what it needs.
enum class ScanKind : std::uint8_t { kScalar, kAvx2, kAvx512 };
using ScanFunction = void (*)(std::string_view text, LineEnds& ends) noexcept;
ScanFunction scan_variant(ScanKind kind) noexcept;

}  // namespace lb::sip
