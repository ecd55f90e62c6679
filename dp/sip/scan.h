#pragma once

// The one pass over every byte of a header section: where its lines end, and where its tokens do.
// What reads the fields afterwards goes from one break to the next by this index and looks at few
// bytes itself. The one place for SIMD in the parser.
//
// Bounds:  kHeaderLinesMax header lines, start line and empty line besides; kIndexedMax bytes.
// Threads: no state; any thread.
// Cost:    stops at the empty line that closes the header section; the body is not read, but for
//          less than one block behind it and never behind the end of the text.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "dp/base/bits.h"
#include "dp/base/limits.h"

namespace lb::sip {

// Describes the front of one text, up to the end of its header section.
struct TextIndex {
    static constexpr std::size_t kLinesMax = kHeaderLinesMax + 2;
    static constexpr std::size_t kIndexedMax = std::size_t{64} * 1024;  // bytes of text
    static_assert(kDatagramMax <= kIndexedMax);

    // line_ends[i] is right behind the LF of line i. Line 0 is the start line; if `closed`, the
    // last one is the empty line. Entries behind `lines` are not set.
    std::array<const char*, kLinesMax + 66> line_ends;
    std::uint32_t lines = 0;
    bool closed = false;    // the empty line was found
    bool too_many = false;  // more lines or bytes than there is room for

    // The first byte at or behind `at` that is no token character (RFC 3261 25.1); it may lie
    // behind what the caller looks at. Behind the last byte of the text there is always one.
    // REQUIRES: `at` in the header section or at its end; the text as it was when it was scanned.
    const char* next_break(const char* at) const noexcept {
        std::uint64_t bits = breaks_at(at);
        while (bits == 0) [[unlikely]] {
                at += kBitsAtOnce;
                bits = breaks_at(at);
            }
        return at + lowest_bit(bits);
    }

    // Bit i is set if at[i] is a break; so much for i < kBitsAtOnce, higher bits are 0 or true.
    // REQUIRES: as next_break().
    static constexpr int kBitsAtOnce = 57;
    std::uint64_t breaks_at(const char* at) const noexcept {
        // The bits lie in memory as bytes do on a little-endian machine, so that one load from any
        // byte has them.
        static_assert(std::endian::native == std::endian::little);
        const auto offset = static_cast<std::size_t>(at - text);
        std::uint64_t bits;
        std::memcpy(&bits, reinterpret_cast<const char*>(breaks.data()) + offset / 8, 8);
        return bits >> (offset % 8);
    }

    const char* text = nullptr;
    // Bit i % 64 of word i / 64 is byte i. What was not scanned is undefined, but for one word of
    // ones behind what was.
    std::array<std::uint64_t, kIndexedMax / 64 + 3> breaks;
};

// Fills `index` by the widest variant that this CPU has, chosen once at start.
// REQUIRES: line 0 is not empty.
void scan_header(std::string_view text, TextIndex& index) noexcept;

// The variants by name, for tests and benchmarks. Null when this CPU has not what it needs.
enum class ScanKind : std::uint8_t { kScalar, kSse42, kAvx2, kAvx512 };
using ScanFunction = void (*)(std::string_view text, TextIndex& index) noexcept;
ScanFunction scan_variant(ScanKind kind) noexcept;

}  // namespace lb::sip
