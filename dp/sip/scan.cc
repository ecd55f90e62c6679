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
    TextIndex& index;
    const char* at;  // the next block
    std::size_t block = 0;
    std::size_t lines = 0;
    std::uint64_t close_by = 0;  // the next block's bytes one or two behind a feed

    [[gnu::always_inline]] inline Scanner(std::string_view text, TextIndex& out) noexcept
        : index(out), at(text.data()) {
        index.text = at;
    }
    // When nothing more is to be looked for.
    [[gnu::always_inline]] inline void finish(std::size_t blocks, bool closed,
                                              bool too_many) noexcept {
        index.breaks[blocks] = ~std::uint64_t{0};
        index.lines = static_cast<std::uint32_t>(lines);
        index.closed = closed;
        index.too_many = too_many;
    }

    // The next block. False when nothing more is to be looked for; all is finished then.
    [[gnu::always_inline]] inline bool take(BlockMasks masks) noexcept {
        const char** to = next_line_end();
        for (std::uint64_t feeds = masks.feeds; feeds != 0; feeds &= feeds - 1) {
            *to++ = at + 1 + std::countr_zero(feeds);
        }
        return go_on(masks);
    }
    const char** next_line_end() noexcept { return index.line_ends.data() + lines; }

    // The same of a block whose line ends are written.
    [[gnu::always_inline]] inline bool go_on(BlockMasks masks) noexcept {
        index.breaks[block] = masks.breaks;
        // The empty line ends one or two bytes behind the end of the line before it: at feeds * 2
        // or feeds * 4. Sums are as good: they differ only behind two feeds side by side, and there
        // the second one closes.
        const Wide behind = Wide{masks.feeds} * 6;
        const std::uint64_t candidates =
            masks.feeds & (static_cast<std::uint64_t>(behind) | close_by);
        if (candidates != 0) [[unlikely]] {
            if (close(masks.feeds, candidates)) return false;
        }
        close_by = static_cast<std::uint64_t>(behind >> 64);
        lines += static_cast<std::size_t>(std::popcount(masks.feeds));
        if (lines > TextIndex::kLinesMax) [[unlikely]] {
            lines = TextIndex::kLinesMax;
            finish(block + 1, false, true);
            return false;
        }
        ++block;
        at += 64;
        return true;
    }

private:
    __extension__ using Wide = unsigned __int128;

    // Looks for the empty line among the feeds of a block that come one or two bytes behind
    // another one.
    [[gnu::always_inline]] inline bool close(std::uint64_t feeds,
                                             std::uint64_t candidates) noexcept {
        for (; candidates != 0; candidates &= candidates - 1) {
            const std::uint64_t bit = candidates & -candidates;
            const char* const feed = at + std::countr_zero(bit);
            if (feed[-1] != '\n' && (feed[-1] != '\r' || feed[-2] != '\n')) continue;
            const auto before = static_cast<std::size_t>(std::popcount(feeds & (bit - 1)));
            if (lines + before >= TextIndex::kLinesMax) return false;
            lines += before + 1;
            finish(block + 1, true, false);
            return true;
        }
        return false;
    }
};

namespace {

[[gnu::always_inline]] inline std::uint64_t behind_end(std::size_t left) noexcept {
    return left >= 64 ? 0 : ~std::uint64_t{0} << left;
}

// Of any text; the variants below leave to it what is shorter than a block or longer than it may
// be.
void scan_scalar(std::string_view text, TextIndex& index) noexcept {
    Scanner scanner(text, index);
    std::size_t left = text.size() < TextIndex::kIndexedMax ? text.size() : TextIndex::kIndexedMax;
    for (; left != 0; left -= left < 64 ? left : 64) {
        BlockMasks masks{0, behind_end(left)};
        for (std::size_t i = 0; i < 64 && i < left; ++i) {
            const char c = scanner.at[i];
            masks.feeds |= std::uint64_t{c == '\n'} << i;
            masks.breaks |= std::uint64_t{!is_token(c)} << i;
        }
        if (!scanner.take(masks)) return;
    }
    scanner.finish(scanner.block, false, text.size() > TextIndex::kIndexedMax);
}

bool has_odd_size(std::string_view text) noexcept {
    return text.size() - 64 > TextIndex::kIndexedMax - 64;
}

#if defined(__x86_64__)

// What a byte is says the row of its low nibble, at the bit of its high nibble: a token character
// if that is set. But the first bit, the sign, says that it is LF: no byte below 0x10 is a token
// character. So the feeds are the negative bytes, and the breaks those that are not positive. From
// 0x80 on no byte has a bit, and 0x10 to 0x1f need none.
constexpr std::uint8_t kFeedBit = 0x80;
constexpr std::array<std::uint8_t, 16> kHighBits{kFeedBit, 0, 1, 2, 4, 8, 16, 32};
constexpr std::array<std::uint8_t, 16> make_rows(bool with_feed) {
    std::array<std::uint8_t, 16> rows{};
    for (unsigned c = 0; c < 128; ++c) {
        if (is_token(static_cast<char>(c)) || (with_feed && c == '\n'))
            rows[c & 15] = static_cast<std::uint8_t>(rows[c & 15] | kHighBits[c >> 4]);
    }
    return rows;
}
constexpr std::array<std::uint8_t, 16> kRows = make_rows(true);
constexpr std::array<std::uint8_t, 16> kTokenRows = make_rows(false);  // for who finds LF himself
static_assert([] {
    for (unsigned c = 0; c < 0x20; ++c)
        if (is_token(static_cast<char>(c))) return false;
    return true;
}());

BlockMasks masks_sse42(const char* at) noexcept {
    const __m128i rows = _mm_loadu_si128(reinterpret_cast<const __m128i*>(&kRows));
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(&kHighBits));
    const __m128i nibble = _mm_set1_epi8(0x0f);
    const __m128i one = _mm_set1_epi8(1);
    BlockMasks masks{0, 0};
    for (int quarter = 0; quarter < 4; ++quarter) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 16 * quarter));
        const __m128i row = _mm_shuffle_epi8(rows, bytes);
        const __m128i bit = _mm_shuffle_epi8(bits, _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble));
        const __m128i kind = _mm_and_si128(row, bit);
        const __m128i outside = _mm_cmpgt_epi8(one, kind);
        const int shift = 16 * quarter;
        masks.feeds |= std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(kind))} << shift;
        masks.breaks |= std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(outside))}
                        << shift;
    }
    return masks;
}

#define LB_AVX2 target("avx2,bmi,bmi2,popcnt")

// What every block needs, in registers.
struct Avx2 {
    __m256i rows, bits, nibble, one;

    __attribute__((LB_AVX2, always_inline)) inline Avx2() noexcept {
        const Constants* from = &kConstants;
        asm("" : "+r"(from));  // loaded: g++ makes each of them by three instructions otherwise
        rows = load(from->rows);
        bits = load(from->bits);
        nibble = load(from->nibble);
        one = load(from->one);
    }

    __attribute__((LB_AVX2, always_inline)) inline BlockMasks masks(const char* at) const noexcept {
        std::uint64_t feeds = 0, breaks = 0;
        for (int half = 0; half < 2; ++half) {
            __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 32 * half));
            asm("" : "+x"(bytes));  // as in Avx512::masks()
            // A byte from 0x80 on has no row: a shuffle makes zero of its low half as well.
            const __m256i row = _mm256_shuffle_epi8(rows, bytes);
            const __m256i high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble);
            const __m256i bit = _mm256_shuffle_epi8(bits, high);
            const __m256i kind = _mm256_and_si256(row, bit);
            const __m256i outside = _mm256_cmpgt_epi8(one, kind);
            feeds |= std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(kind))}
                     << (32 * half);
            breaks |= std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(outside))}
                      << (32 * half);
        }
        return {feeds, breaks};
    }

private:
    struct alignas(32) Constants {
        std::array<std::uint8_t, 32> rows, bits, nibble, one;
    };
    static constexpr Constants kConstants = [] {
        Constants constants{};
        for (std::size_t i = 0; i < 32; ++i) {
            constants.rows[i] = kRows[i % 16];
            constants.bits[i] = kHighBits[i % 16];
            constants.nibble[i] = 0x0f;
            constants.one[i] = 1;
        }
        return constants;
    }();
    __attribute__((LB_AVX2, always_inline)) static inline __m256i load(
        const std::array<std::uint8_t, 32>& bytes) noexcept {
        return _mm256_load_si256(reinterpret_cast<const __m256i*>(bytes.data()));
    }
};

// The line ends of a block are written three at a time whether they are there or not, so that no
// branch depends on how many they are; there is room behind the last one.
__attribute__((LB_AVX2, always_inline)) inline bool take_three(Scanner& scanner,
                                                               BlockMasks masks) noexcept {
    const char** const to = scanner.next_line_end();
    std::uint64_t feeds = masks.feeds;
    const auto write_next = [&](std::size_t i) __attribute__((target("bmi"), always_inline)) {
        to[i] = scanner.at + 1 + _tzcnt_u64(feeds);
        feeds &= feeds - 1;
    };
    write_next(0);
    write_next(1);
    write_next(2);
    std::size_t written = 3;
    while (feeds != 0) [[unlikely]] write_next(written++);
    return scanner.go_on(masks);
}

// What is left at the end of a text is less than a block: the last 64 bytes of it are read, and
// those that were taken before are shifted out of their masks.
[[gnu::always_inline]] inline BlockMasks shifted(BlockMasks masks, std::size_t left) noexcept {
    return {masks.feeds >> (64 - left), masks.breaks >> (64 - left) | behind_end(left)};
}

void scan_sse42(std::string_view text, TextIndex& index) noexcept {
    if (has_odd_size(text)) [[unlikely]]
        return scan_scalar(text, index);
    Scanner scanner(text, index);
    const char* const last = end_of(text) - 64;
    do {
        if (!scanner.take(masks_sse42(scanner.at))) return;
    } while (scanner.at <= last);
    const auto left = static_cast<std::size_t>(last + 64 - scanner.at);
    if (left == 0 || scanner.take(shifted(masks_sse42(last), left)))
        scanner.finish(scanner.block, false, false);
}

__attribute__((LB_AVX2)) void scan_avx2(std::string_view text, TextIndex& index) noexcept {
    if (has_odd_size(text)) [[unlikely]]
        return scan_scalar(text, index);
    Scanner scanner(text, index);
    const Avx2 constants;
    const char* const last = end_of(text) - 64;
    do {
        if (!take_three(scanner, constants.masks(scanner.at))) return;
    } while (scanner.at <= last);
    const auto left = static_cast<std::size_t>(last + 64 - scanner.at);
    if (left == 0 || take_three(scanner, shifted(constants.masks(last), left)))
        scanner.finish(scanner.block, false, false);
}

#define LB_AVX512 target("avx512f,avx512bw,bmi,bmi2,popcnt")

// What every block needs, in registers.
struct Avx512 {
    // For operations that need no mask: without one g++ 12 warns of its own header.
    static constexpr __mmask16 kAll = 0xffff;
    __m512i rows, bits, nibble, feed;

    __attribute__((LB_AVX512, always_inline)) inline Avx512() noexcept {
        rows = _mm512_maskz_broadcast_i32x4(
            kAll, _mm_loadu_si128(reinterpret_cast<const __m128i*>(&kTokenRows)));
        bits = _mm512_maskz_broadcast_i32x4(
            kAll, _mm_loadu_si128(reinterpret_cast<const __m128i*>(&kHighBits)));
        nibble = _mm512_set1_epi8(0x0f);
        feed = _mm512_set1_epi8('\n');
    }

    __attribute__((LB_AVX512, always_inline)) inline BlockMasks masks(
        __m512i bytes) const noexcept {
        // In a register: g++ reads the block from memory three times otherwise, and a block that
        // lies across two cache lines costs twice each time.
        asm("" : "+v"(bytes));
        const __m512i row = _mm512_shuffle_epi8(rows, bytes);
        const __m512i high = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), nibble);
        const __m512i bit = _mm512_shuffle_epi8(bits, high);
        return {_mm512_cmpeq_epi8_mask(bytes, feed), _mm512_testn_epi8_mask(row, bit)};
    }
};

// 64 bytes a step; a masked load does not touch what is behind the end. Line ends by three numbers
// in a row, as above: the one instruction that would gather them all (VBMI2) and the shuffles
// behind it share a port with what finds them, and cost Intel's cores more than they save.
__attribute__((LB_AVX512)) void scan_avx512(std::string_view text, TextIndex& index) noexcept {
    if (has_odd_size(text)) [[unlikely]]
        return scan_scalar(text, index);
    Scanner scanner(text, index);
    const Avx512 constants;
    const char* const last = end_of(text) - 64;
    do {
        if (!take_three(scanner, constants.masks(_mm512_loadu_si512(scanner.at)))) return;
    } while (scanner.at <= last);
    const auto left = static_cast<std::size_t>(last + 64 - scanner.at);
    if (left != 0) {
        const std::uint64_t outside = behind_end(left);
        BlockMasks masks = constants.masks(_mm512_maskz_loadu_epi8(~outside, scanner.at));
        masks.breaks |= outside;
        if (!take_three(scanner, masks)) return;
    }
    scanner.finish(scanner.block, false, false);
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
        // Who has VBMI2, which is not used, is new enough not to lower the clock for wide
        // registers.
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
