#include "dp/base/cpu_check.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <errno.h>
#include <unistd.h>

// What runs here runs before it is known which instructions there are: no call of anything else,
// not even of the standard library's inline functions, which are compiled for the whole level.
#define LB_ANY_CPU __attribute__((target("arch=x86-64,no-avx"), noinline))
#else
#define LB_ANY_CPU
#endif

namespace lb {
namespace {

LB_ANY_CPU char* append(char* to, const char* end, const char* text) noexcept {
    for (; *text != '\0' && to != end; ++text) *to++ = *text;
    return to;
}

}  // namespace

LB_ANY_CPU std::size_t write_cpu_refusal(const char* program, const char* level,
                                         const CpuFeature* wanted, std::size_t count, char* text,
                                         std::size_t size) noexcept {
    char* const end = text + size - 1;  // the line's end fits, whatever is cut off
    char* to = append(append(text, end, program), end, ": built for ");
    to = append(append(to, end, level), end, ", but this processor lacks ");
    bool lacks = false;
    for (std::size_t i = 0; i < count; ++i) {
        if (wanted[i].there) continue;
        to = append(append(to, end, lacks ? ", " : ""), end, wanted[i].name);
        lacks = true;
    }
    if (!lacks) return 0;
    to = append(to, end, ": build it here, or with meson setup build -Dcpp_args=-march=x86-64-v2");
    *to++ = '\n';
    return static_cast<std::size_t>(to - text);
}

#if defined(__x86_64__)
namespace {

#if defined(__AVX512F__)
constexpr char kLevel[] = "more than x86-64-v3";
#elif !defined(__AVX2__)
constexpr char kLevel[] = "x86-64-v2";
#elif !defined(__AES__) || !defined(__PCLMUL__)
constexpr char kLevel[] = "x86-64-v3";
#else
constexpr char kLevel[] = "x86-64-v3 with AES";
#endif

constexpr int kStatus = 2;  // as for a configuration error: starting it again does not help

[[gnu::constructor(101)]] LB_ANY_CPU void check_cpu() {
    __builtin_cpu_init();
    [[maybe_unused]] unsigned a, b, basic, extended, d;  // what not all compilers have a name for
    __cpuid(1, a, b, basic, d);
    __cpuid(0x80000001, a, b, extended, d);
    const CpuFeature wanted[] = {
#if defined(__SSE4_2__)
        {"sse4.2", __builtin_cpu_supports("sse4.2") != 0},
        {"popcnt", __builtin_cpu_supports("popcnt") != 0},
#endif
#if defined(__AVX2__)
        {"avx2", __builtin_cpu_supports("avx2") != 0},
#endif
#if defined(__FMA__)
        {"fma", __builtin_cpu_supports("fma") != 0},
#endif
#if defined(__BMI2__)
        {"bmi", __builtin_cpu_supports("bmi") != 0},
        {"bmi2", __builtin_cpu_supports("bmi2") != 0},
#endif
#if defined(__F16C__)
        {"f16c", (basic & bit_F16C) != 0},
#endif
#if defined(__MOVBE__)
        {"movbe", (basic & bit_MOVBE) != 0},
#endif
#if defined(__LZCNT__)
        {"lzcnt", (extended & bit_LZCNT) != 0},
#endif
#if defined(__AES__)
        {"aes", __builtin_cpu_supports("aes") != 0},
#endif
#if defined(__PCLMUL__)
        {"pclmul", __builtin_cpu_supports("pclmul") != 0},
#endif
#if defined(__AVX512F__)  // only who asks for it by name: -march=native and the like
        {"avx512f", __builtin_cpu_supports("avx512f") != 0},
#endif
#if defined(__AVX512BW__)
        {"avx512bw", __builtin_cpu_supports("avx512bw") != 0},
#endif
#if defined(__AVX512VL__)
        {"avx512vl", __builtin_cpu_supports("avx512vl") != 0},
#endif
        {"", true},
    };
    char text[256];
    const std::size_t size = write_cpu_refusal(program_invocation_short_name, kLevel, wanted,
                                               sizeof wanted / sizeof *wanted, text, sizeof text);
    if (size == 0) return;
    [[maybe_unused]] const auto written = write(STDERR_FILENO, text, size);
    _exit(kStatus);
}

}  // namespace
#endif

}  // namespace lb
