#include "dp/sip/scan.h"

#include <bit>
#include <cstring>

#include "dp/sip/text.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lb::sip {

// One block: 64 bytes of the text as two masks, byte i in bit i. Bytes behind the end of the text
// are breaks and no feeds.
struct BlockMasks {
    std::uint64_t feeds;   // LF
    std::uint64_t breaks;  // no token characters
};

// Takes the blocks of a text one after the other and says when to stop.
struct Scanner {
    const char* text;
    TextIndex& index;
    std::size_t size;
    std::uint64_t* breaks;
    std::uint32_t lines = 0;
    std::uint64_t feeds_before = 0;  // of the block before

    [[gnu::always_inline]] inline Scanner(std::string_view whole, TextIndex& out) noexcept
        : text(whole.data()), index(out), size(whole.size()), breaks(out.breaks.data()) {
        if (size > TextIndex::kIndexedMax) [[unlikely]]
            size = TextIndex::kIndexedMax;
        index.text = text;
        index.closed = false;
        index.too_many = size < whole.size();
    }
    [[gnu::always_inline]] inline ~Scanner() noexcept {
        *breaks = ~std::uint64_t{0};
        index.lines = lines;
    }
    Scanner(const Scanner&) = delete;
    Scanner& operator=(const Scanner&) = delete;

    // The block at `base`. False when nothing more is to be looked for.
    [[gnu::always_inline]] inline bool take(std::size_t base, BlockMasks masks) noexcept {
        const std::uint64_t feeds = masks.feeds;
        *breaks++ = masks.breaks;
        write_line_ends(static_cast<std::uint32_t>(base), feeds);
        // The empty line ends one or two bytes behind the end of the line before it.
        const std::uint64_t behind = feeds << 1 | feeds_before >> 63;
        const std::uint64_t second = feeds << 2 | feeds_before >> 62;
        const auto found = static_cast<std::uint32_t>(std::popcount(feeds));
        if ((feeds & (behind | second)) != 0 && close(found)) return false;
        feeds_before = feeds;
        lines += found;
        if (lines <= TextIndex::kLinesMax) [[likely]]
            return true;
        lines = TextIndex::kLinesMax;
        index.too_many = true;
        return false;
    }

private:
    // Three at a time whether they are there or not: there is room behind the last one.
    [[gnu::always_inline]] inline void write_line_ends(std::uint32_t base,
                                                       std::uint64_t feeds) noexcept {
        std::uint32_t* at = index.line_ends.data() + lines;
        ++base;
        do {
            for (int i = 0; i < 3; ++i) {
                at[i] = base + static_cast<std::uint32_t>(std::countr_zero(feeds));
                feeds &= feeds - 1;
            }
            at += 3;
        } while (feeds != 0);
    }

    // Looks for the empty line among the latest `found` line ends.
    [[gnu::always_inline]] inline bool close(std::uint32_t found) noexcept {
        for (std::uint32_t i = lines; i < lines + found; ++i) {
            if (i == 0 || i >= TextIndex::kLinesMax) continue;
            const std::uint32_t begin = index.line_ends[i - 1];
            const std::uint32_t length = index.line_ends[i] - begin;
            if (length == 1 || (length == 2 && text[begin] == '\r')) {
                lines = i + 1;
                index.closed = true;
                index.too_many = false;
                return true;
            }
        }
        return false;
    }
};

namespace {

[[gnu::always_inline]] inline std::uint64_t behind_end(std::size_t left) noexcept {
    return left >= 64 ? 0 : ~std::uint64_t{0} << left;
}

void scan_scalar(std::string_view text, TextIndex& index) noexcept {
    Scanner scanner(text, index);
    for (std::size_t base = 0; base < scanner.size; base += 64) {
        const std::size_t left = scanner.size - base;
        BlockMasks masks{0, behind_end(left)};
        for (std::size_t i = 0; i < 64 && i < left; ++i) {
            const char c = text[base + i];
            masks.feeds |= std::uint64_t{c == '\n'} << i;
            masks.breaks |= std::uint64_t{!is_token(c)} << i;
        }
        if (!scanner.take(base, masks)) return;
    }
}

#if defined(__x86_64__)

// A byte is a token character when the row of its low nibble has the bit of its high nibble.
// From 0x80 on no byte has a bit.
constexpr std::array<std::uint8_t, 16> kTokenRows = [] {
    std::array<std::uint8_t, 16> rows{};
    for (unsigned c = 0; c < 128; ++c) {
        if (!is_token(static_cast<char>(c))) continue;
        rows[c & 15] = static_cast<std::uint8_t>(rows[c & 15] | 1U << (c >> 4));
    }
    return rows;
}();
constexpr std::array<std::uint8_t, 16> kHighBits{1, 2, 4, 8, 16, 32, 64, 128};

BlockMasks masks_sse42(const char* at) noexcept {
    const __m128i rows = _mm_loadu_si128(reinterpret_cast<const __m128i*>(&kTokenRows));
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(&kHighBits));
    const __m128i nibble = _mm_set1_epi8(0x0f);
    const __m128i feed = _mm_set1_epi8('\n');
    BlockMasks masks{0, 0};
    for (int quarter = 0; quarter < 4; ++quarter) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 16 * quarter));
        const __m128i row = _mm_shuffle_epi8(rows, bytes);
        const __m128i bit = _mm_shuffle_epi8(bits, _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble));
        const __m128i outside = _mm_cmpeq_epi8(_mm_and_si128(row, bit), _mm_setzero_si128());
        const __m128i is_feed = _mm_cmpeq_epi8(bytes, feed);
        const int shift = 16 * quarter;
        masks.feeds |= std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(is_feed))}
                       << shift;
        masks.breaks |= std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(outside))}
                        << shift;
    }
    return masks;
}

__attribute__((target("avx2"), always_inline)) inline BlockMasks masks_avx2(
    const char* at) noexcept {
    const __m256i rows =
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(&kTokenRows)));
    const __m256i bits =
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(&kHighBits)));
    const __m256i nibble = _mm256_set1_epi8(0x0f);
    const __m256i feed = _mm256_set1_epi8('\n');
    std::uint64_t feeds = 0, breaks = 0;
    for (int half = 0; half < 2; ++half) {
        const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 32 * half));
        // A byte from 0x80 on has no row: a shuffle makes zero of its low half as well.
        const __m256i row = _mm256_shuffle_epi8(rows, bytes);
        const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble);
        const __m256i bit = _mm256_shuffle_epi8(bits, high);
        const __m256i outside =
            _mm256_cmpeq_epi8(_mm256_and_si256(row, bit), _mm256_setzero_si256());
        const __m256i is_feed = _mm256_cmpeq_epi8(bytes, feed);
        feeds |= std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(is_feed))}
                 << (32 * half);
        breaks |= std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(outside))}
                  << (32 * half);
    }
    return {feeds, breaks};
}

// What is left at the end of a text is less than a block: it is read from a copy.
struct LastBlock {
    char bytes[64] = {};
    std::uint64_t outside;
    LastBlock(const char* from, std::size_t left) noexcept : outside(behind_end(left)) {
        std::memcpy(bytes, from, left);
    }
};

void scan_sse42(std::string_view text, TextIndex& index) noexcept {
    Scanner scanner(text, index);
    std::size_t base = 0;
    for (; base + 64 <= scanner.size; base += 64) {
        if (!scanner.take(base, masks_sse42(text.data() + base))) return;
    }
    if (base == scanner.size) return;
    const LastBlock last(text.data() + base, scanner.size - base);
    const BlockMasks masks = masks_sse42(last.bytes);
    scanner.take(base, {masks.feeds, masks.breaks | last.outside});
}

__attribute__((target("avx2,bmi,bmi2,popcnt"))) void scan_avx2(std::string_view text,
                                                               TextIndex& index) noexcept {
    Scanner scanner(text, index);
    std::size_t base = 0;
    for (; base + 64 <= scanner.size; base += 64) {
        if (!scanner.take(base, masks_avx2(text.data() + base))) return;
    }
    if (base == scanner.size) return;
    const LastBlock last(text.data() + base, scanner.size - base);
    const BlockMasks masks = masks_avx2(last.bytes);
    scanner.take(base, {masks.feeds, masks.breaks | last.outside});
}

// 64 bytes a step; a masked load does not touch what is behind the end.
__attribute__((target("avx512f,avx512bw,bmi,bmi2,popcnt"))) void scan_avx512(
    std::string_view text, TextIndex& index) noexcept {
    Scanner scanner(text, index);
    // With a mask, because g++ 12 at -O1 warns of its own header otherwise.
    constexpr __mmask16 kAll = 0xffff;
    const __m512i rows = _mm512_maskz_broadcast_i32x4(
        kAll, _mm_loadu_si128(reinterpret_cast<const __m128i*>(&kTokenRows)));
    const __m512i bits = _mm512_maskz_broadcast_i32x4(
        kAll, _mm_loadu_si128(reinterpret_cast<const __m128i*>(&kHighBits)));
    const __m512i nibble = _mm512_set1_epi8(0x0f);
    const __m512i feed = _mm512_set1_epi8('\n');
    for (std::size_t base = 0; base < scanner.size; base += 64) {
        const std::uint64_t outside = behind_end(scanner.size - base);
        const __m512i bytes = _mm512_maskz_loadu_epi8(~outside, text.data() + base);
        const __m512i row = _mm512_shuffle_epi8(rows, bytes);
        const __m512i high = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), nibble);
        const __m512i bit = _mm512_shuffle_epi8(bits, high);
        const BlockMasks masks{_mm512_cmpeq_epi8_mask(bytes, feed),
                               _mm512_testn_epi8_mask(row, bit) | outside};
        if (!scanner.take(base, masks)) return;
    }
}

#endif

ScanFunction best() noexcept {
    if (const ScanFunction scan = scan_variant(ScanKind::kAvx512)) return scan;
    if (const ScanFunction scan = scan_variant(ScanKind::kAvx2)) return scan;
    if (const ScanFunction scan = scan_variant(ScanKind::kSse42)) return scan;
    return &scan_scalar;
}

// The scalar one until this file's initialisers have run, so that no order of them matters.
constinit ScanFunction chosen = &scan_scalar;
[[maybe_unused]] const bool chosen_once = (chosen = best(), true);

}  // namespace

ScanFunction scan_variant(ScanKind kind) noexcept {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool bits = __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                      __builtin_cpu_supports("popcnt");
    if (kind == ScanKind::kAvx512) {
        return bits && __builtin_cpu_supports("avx512bw") ? &scan_avx512 : nullptr;
    }
    if (kind == ScanKind::kSse42) return &scan_sse42;  // what we are compiled for
    if (kind == ScanKind::kAvx2) {
        return bits && __builtin_cpu_supports("avx2") ? &scan_avx2 : nullptr;
    }
#endif
    return kind == ScanKind::kScalar ? &scan_scalar : nullptr;
}

void scan_header(std::string_view text, TextIndex& index) noexcept { chosen(text, index); }

}  // namespace lb::sip
