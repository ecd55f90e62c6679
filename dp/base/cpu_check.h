#pragma once

// Refuses to run on a processor that lacks what the program was built for, before it dies of the
// first such instruction somewhere (SIGILL). Each installed program is linked with it
// (cpu_check_dep), and it runs before all other initialisers of the program; the build asks it
// whether this machine has the level it would build for.

#include <cstddef>

namespace lb {

struct CpuFeature {
    const char* name;
    bool there;
};

// Writes what to say to whoever started `program` if one of `wanted` is not there: one line with
// its end, cut off if it does not fit. Returns its size, 0 if all are there. Runs on any processor
// of the architecture.
std::size_t write_cpu_refusal(const char* program, const char* level, const CpuFeature* wanted,
                              std::size_t count, char* text, std::size_t size) noexcept;

}  // namespace lb
