#include "dp/sip/scan.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lb::sip {
namespace {

// Takes line ends one by one and says when to stop.
struct Collector {
    const char* text;
    LineEnds& ends;
    std::uint32_t begin = 0;
    std::uint32_t count = 0;

    // The line that ends in front of `end`. False when nothing more is to be looked for.
    [[gnu::always_inline]] inline bool add(std::uint32_t end) noexcept {
        if (count == ends.at.size()) [[unlikely]] {
            ends.too_many = true;
            return false;
        }
        ends.at[count++] = end;
        const std::uint32_t size = end - begin;
        const bool empty = size <= 2 && (size == 1 || text[begin] == '\r');
        begin = end;
        ends.closed = empty;
        return !empty;
    }
    // Every set bit of `feeds` is an LF at `base` + its number.
    [[gnu::always_inline]] inline bool add_all(std::uint64_t feeds, std::uint32_t base) noexcept {
        for (; feeds != 0; feeds &= feeds - 1) {
            if (!add(base + static_cast<std::uint32_t>(__builtin_ctzll(feeds)) + 1)) return false;
        }
        return true;
    }
};

void scan_scalar(std::string_view text, LineEnds& ends) noexcept {
    ends.closed = ends.too_many = false;
    Collector lines{text.data(), ends};
    while (lines.begin < text.size()) {
        const void* const found =
            std::memchr(text.data() + lines.begin, '\n', text.size() - lines.begin);
        if (found == nullptr) break;
        const auto feed = static_cast<const char*>(found) - text.data();
        if (!lines.add(static_cast<std::uint32_t>(feed + 1))) break;
    }
    ends.count = lines.count;
}

#if defined(__x86_64__)

__attribute__((target("avx2"))) inline std::uint64_t feeds_avx2(const char* at) noexcept {
    const __m256i feed = _mm256_set1_epi8('\n');
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 32));
    const auto first =
        static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, feed)));
    const auto second =
        static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, feed)));
    return static_cast<std::uint64_t>(second) << 32 | first;
}

__attribute__((target("avx2,bmi"))) void scan_avx2(std::string_view text, LineEnds& ends) noexcept {
    ends.closed = ends.too_many = false;
    Collector lines{text.data(), ends};
    std::uint32_t base = 0;
    bool more = true;
    for (; more && base + 64 <= text.size(); base += 64) {
        more = lines.add_all(feeds_avx2(text.data() + base), base);
    }
    if (more && base < text.size()) {  // less than one block is left: read it from a copy
        char block[64] = {};
        std::memcpy(block, text.data() + base, text.size() - base);
        lines.add_all(feeds_avx2(block), base);
    }
    ends.count = lines.count;
}

// 64 bytes a step; a masked load does not touch what is behind the end.
__attribute__((target("avx512f,avx512bw,bmi"))) void scan_avx512(std::string_view text,
                                                                 LineEnds& ends) noexcept {
    ends.closed = ends.too_many = false;
    Collector lines{text.data(), ends};
    const __m512i feed = _mm512_set1_epi8('\n');
    for (std::uint32_t base = 0; base < text.size(); base += 64) {
        const std::size_t left = text.size() - base;
        const std::uint64_t valid = left >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << left) - 1;
        const __m512i block = _mm512_maskz_loadu_epi8(valid, text.data() + base);
        if (!lines.add_all(_mm512_cmpeq_epi8_mask(block, feed), base)) break;
    }
    ends.count = lines.count;
}

#endif

ScanFunction best() noexcept {
    if (const ScanFunction scan = scan_variant(ScanKind::kAvx512)) return scan;
    if (const ScanFunction scan = scan_variant(ScanKind::kAvx2)) return scan;
    return &scan_scalar;
}

// The scalar one until this file's initialisers have run, so that no order of them matters.
constinit ScanFunction chosen = &scan_scalar;
[[maybe_unused]] const bool chosen_once = (chosen = best(), true);

}  // namespace

ScanFunction scan_variant(ScanKind kind) noexcept {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (kind == ScanKind::kAvx512) {
        return __builtin_cpu_supports("avx512bw") ? &scan_avx512 : nullptr;
    }
    if (kind == ScanKind::kAvx2) return __builtin_cpu_supports("avx2") ? &scan_avx2 : nullptr;
#endif
    return kind == ScanKind::kScalar ? &scan_scalar : nullptr;
}

void scan_lines(std::string_view text, LineEnds& ends) noexcept { chosen(text, ends); }

}  // namespace lb::sip
