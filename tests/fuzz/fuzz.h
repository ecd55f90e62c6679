#pragma once

// What each fuzz target <name>_fuzz.cc defines. libFuzzer calls the first (clang only, see
// meson.build); the driver replay_main.cc calls both with any compiler, as a unit test.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace lb::test {

// Good inputs, from which mutations start.
std::vector<std::string> fuzz_seeds();

}  // namespace lb::test

// On in every build: what must hold whatever the input is.
#define FUZZ_CHECK(condition)                                                                   \
    do {                                                                                        \
        if (!(condition)) {                                                                     \
            std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                                       \
        }                                                                                       \
    } while (false)
