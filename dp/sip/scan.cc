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
    std::size_t lines = 0;
    std::uint64_t close_by = 0;  // the next block's bytes one or two behind a feed

    [[gnu::always_inline]] inline Scanner(std::string_view whole, TextIndex& out) noexcept
        : text(whole.data()), index(out), size(whole.size()) {
        if (size > TextIndex::kIndexedMax) [[unlikely]]
            size = TextIndex::kIndexedMax;
        index.text = text;
        index.closed = false;
        index.too_many = size < whole.size();
    }
    [[gnu::always_inline]] inline void finish(std::size_t blocks) noexcept {
        index.breaks[blocks] = ~std::uint64_t{0};
        index.lines = static_cast<std::uint32_t>(lines);
    }

    // The next block. False when nothing more is to be looked for; all is finished then.
    [[gnu::always_inline]] inline bool take(std::size_t block, BlockMasks masks) noexcept {
        std::uint32_t* at = next_line_end();
        for (std::uint64_t feeds = masks.feeds; feeds != 0; feeds &= feeds - 1) {
            *at++ = static_cast<std::uint32_t>(block * 64 + 1) +
                    static_cast<std::uint32_t>(std::countr_zero(feeds));
        }
        return go_on(block, masks);
    }
    std::uint32_t* next_line_end() noexcept { return index.line_ends.data() + lines; }

    // Counts the lines of a block whose line ends are written.
    [[gnu::always_inline]] inline bool go_on(std::size_t block, BlockMasks masks) noexcept {
        index.breaks[block] = masks.breaks;
        // The empty line ends one or two bytes behind the end of the line before it: at feeds * 2
        // or feeds * 4. Their sum is as good: it differs only behind two feeds side by side, and
        // there the second one closes.
        const Wide behind = Wide{masks.feeds} * 6;
        const std::uint64_t candidates =
            masks.feeds & (static_cast<std::uint64_t>(behind) | close_by);
        if (candidates != 0 && close(block, masks.feeds, candidates)) return false;
        close_by = static_cast<std::uint64_t>(behind >> 64);
        lines += static_cast<std::size_t>(std::popcount(masks.feeds));
        if (lines <= TextIndex::kLinesMax) [[likely]]
            return true;
        lines = TextIndex::kLinesMax;
        index.too_many = true;
        finish(block + 1);
        return false;
    }

private:
    __extension__ using Wide = unsigned __int128;

    // Looks for the empty line among the feeds of a block that come one or two bytes behind
    // another one.
    [[gnu::always_inline]] inline bool close(std::size_t block, std::uint64_t feeds,
                                             std::uint64_t candidates) noexcept {
        for (; candidates != 0; candidates &= candidates - 1) {
            const std::uint64_t bit = candidates & -candidates;
            const char* const feed = text + block * 64 + std::countr_zero(bit);
            if (feed[-1] != '\n' && (feed[-1] != '\r' || feed[-2] != '\n')) continue;
            const auto before = static_cast<std::size_t>(std::popcount(feeds & (bit - 1)));
            if (lines + before >= TextIndex::kLinesMax) return false;
            lines += before + 1;
            index.closed = true;
            index.too_many = false;
            finish(block + 1);
            return true;
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
    const std::size_t blocks = (scanner.size + 63) / 64;
    for (std::size_t block = 0; block != blocks; ++block) {
        const std::size_t base = block * 64, left = scanner.size - base;
        BlockMasks masks{0, behind_end(left)};
        for (std::size_t i = 0; i < 64 && i < left; ++i) {
            const char c = text[base + i];
            masks.feeds |= std::uint64_t{c == '\n'} << i;
            masks.breaks |= std::uint64_t{!is_token(c)} << i;
        }
        if (!scanner.take(block, masks)) return;
    }
    scanner.finish(blocks);
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
        __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 32 * half));
        asm("" : "+x"(bytes));  // as in Avx512::take()
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

// The line ends of a block are written three at a time whether they are there or not, so that no
// branch depends on how many they are; there is room behind the last one.
__attribute__((target("avx2,bmi,bmi2,popcnt"), always_inline)) inline bool take_avx2(
    Scanner& scanner, std::size_t block, BlockMasks masks) noexcept {
    const std::uint64_t first = block * 64 + 1;
    std::uint32_t* at = scanner.next_line_end();
    std::uint64_t feeds = masks.feeds;
    for (int i = 0; i < 3; ++i) {
        *at++ = static_cast<std::uint32_t>(first + _tzcnt_u64(feeds));
        feeds &= feeds - 1;
    }
    for (; feeds != 0; feeds &= feeds - 1) [[unlikely]] {
            *at++ = static_cast<std::uint32_t>(first + _tzcnt_u64(feeds));
        }
    return scanner.go_on(block, masks);
}

// What is left at the end of a text is less than a block: the last 64 bytes of it are read, and
// those that were taken before are shifted out of their masks. REQUIRES: there are 64.
struct LastBlock {
    const char* bytes;
    std::size_t left;

    [[gnu::always_inline]] inline LastBlock(const Scanner& scanner, std::size_t block) noexcept
        : bytes(scanner.text + scanner.size - 64), left(scanner.size - block * 64) {}
    [[gnu::always_inline]] inline BlockMasks shifted(BlockMasks masks) const noexcept {
        return {masks.feeds >> (64 - left), masks.breaks >> (64 - left) | behind_end(left)};
    }
};

void scan_sse42(std::string_view text, TextIndex& index) noexcept {
    if (text.size() < 64) [[unlikely]]
        return scan_scalar(text, index);
    Scanner scanner(text, index);
    std::size_t block = 0;
    const std::size_t whole = scanner.size / 64;
    do {
        if (!scanner.take(block, masks_sse42(text.data() + block * 64))) return;
    } while (++block != whole);
    const LastBlock last(scanner, block);
    if (last.left == 0) return scanner.finish(block);
    if (scanner.take(block, last.shifted(masks_sse42(last.bytes)))) scanner.finish(block + 1);
}

__attribute__((target("avx2,bmi,bmi2,popcnt"))) void scan_avx2(std::string_view text,
                                                               TextIndex& index) noexcept {
    if (text.size() < 64) [[unlikely]]
        return scan_scalar(text, index);
    Scanner scanner(text, index);
    std::size_t block = 0;
    const std::size_t whole = scanner.size / 64;
    do {
        if (!take_avx2(scanner, block, masks_avx2(text.data() + block * 64))) return;
    } while (++block != whole);
    const LastBlock last(scanner, block);
    if (last.left == 0) return scanner.finish(block);
    if (take_avx2(scanner, block, last.shifted(masks_avx2(last.bytes)))) scanner.finish(block + 1);
}

constexpr auto kPlaces = [] {
    std::array<std::uint8_t, 64> places{};
    for (std::uint8_t i = 0; i < 64; ++i) places[i] = i;
    return places;
}();

#define LB_AVX512 target("avx512f,avx512bw,avx512vbmi2,bmi,bmi2,popcnt")

// What every block needs, in registers.
struct Avx512 {
    // For operations that need no mask: without one g++ 12 warns of its own header.
    static constexpr __mmask16 kAll = 0xffff;
    __m512i rows, bits, nibble, feed, places;

    __attribute__((LB_AVX512, always_inline)) inline Avx512() noexcept {
        rows = _mm512_maskz_broadcast_i32x4(
            kAll, _mm_loadu_si128(reinterpret_cast<const __m128i*>(&kTokenRows)));
        bits = _mm512_maskz_broadcast_i32x4(
            kAll, _mm_loadu_si128(reinterpret_cast<const __m128i*>(&kHighBits)));
        nibble = _mm512_set1_epi8(0x0f);
        feed = _mm512_set1_epi8('\n');
        places = _mm512_loadu_si512(kPlaces.data());
    }

    // One block. Where its feeds are is written without a loop: sixteen at most, and that is nearly
    // always all.
    __attribute__((LB_AVX512, always_inline)) inline bool take(
        Scanner& scanner, std::size_t block, __m512i bytes, std::uint64_t outside) const noexcept {
        // In a register: g++ reads the block from memory three times otherwise, and a block that
        // lies across two cache lines costs twice each time.
        asm("" : "+v"(bytes));
        const __m512i row = _mm512_shuffle_epi8(rows, bytes);
        const __m512i high = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), nibble);
        const __m512i bit = _mm512_shuffle_epi8(bits, high);
        const BlockMasks masks{_mm512_cmpeq_epi8_mask(bytes, feed),
                               _mm512_testn_epi8_mask(row, bit) | outside};
        if (std::popcount(masks.feeds) > 16) [[unlikely]]
            return scanner.take(block, masks);
        const __m512i found = _mm512_maskz_compress_epi8(masks.feeds, places);
        const __m512i first = _mm512_set1_epi32(static_cast<int>(block * 64 + 1));
        const __m128i low = __builtin_shufflevector(found, found, 0, 1);
        const __m512i ends = _mm512_add_epi32(_mm512_maskz_cvtepu8_epi32(kAll, low), first);
        _mm512_storeu_si512(scanner.next_line_end(), ends);
        return scanner.go_on(block, masks);
    }
};

// 64 bytes a step; a masked load does not touch what is behind the end.
__attribute__((LB_AVX512)) void scan_avx512(std::string_view text, TextIndex& index) noexcept {
    Scanner scanner(text, index);
    const Avx512 constants;
    std::size_t block = 0;
    for (; block != scanner.size / 64; ++block) {
        const __m512i bytes = _mm512_loadu_si512(text.data() + block * 64);
        if (!constants.take(scanner, block, bytes, 0)) return;
    }
    const std::size_t left = scanner.size - block * 64;
    if (left == 0) return scanner.finish(block);
    const std::uint64_t outside = behind_end(left);
    const __m512i bytes = _mm512_maskz_loadu_epi8(~outside, text.data() + block * 64);
    if (constants.take(scanner, block, bytes, outside)) scanner.finish(block + 1);
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
        return bits && __builtin_cpu_supports("avx512vbmi2") ? &scan_avx512 : nullptr;
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
