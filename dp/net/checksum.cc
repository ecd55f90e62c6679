#include "dp/net/checksum.h"

#include <array>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lb::net {
namespace {

std::uint32_t load32(const std::uint8_t* at) noexcept {
    std::uint32_t word;
    std::memcpy(&word, at, 4);
    return word;
}

// The bytes behind the last whole word of eight.
std::uint64_t sum_rest(const std::uint8_t* at, std::size_t left) noexcept {
    std::uint64_t sum = 0;
    if (left >= 4) {
        sum = load32(at);
        at += 4;
        left -= 4;
    }
    std::uint8_t rest[4] = {};
    for (std::size_t i = 0; i < left; ++i) rest[i] = at[i];
    return sum + load32(rest);
}

// 32-bit pieces in 64-bit lanes cannot overflow below 2^32 pieces.
[[gnu::noinline]] std::uint64_t raw_sum_plain(const std::uint8_t* at, std::size_t size) noexcept {
    std::uint64_t low = 0, high = 0;
    for (std::size_t words = size / 8; words != 0; --words, at += 8) {
        std::uint64_t word;
        std::memcpy(&word, at, 8);
        low += word & 0xffffffff;
        high += word >> 32;
    }
    return low + high + sum_rest(at, size % 8);
}

#if defined(__x86_64__)
// Both wide variants take 16-bit words as signed numbers, each 0x8000 too small, add neighbours by
// a multiplication by one, and add those up in 32-bit lanes: three instructions a step. A lane
// loses 0x10000 a step at most, so kRawSumMax is far from an overflow. What was too small is added
// at the end.

constexpr std::size_t kTurn = 128;  // bytes of a turn of the loop with AVX2

// Factors for a turn's words: those that begin n bytes in leave its last n.
alignas(64) constexpr auto kFactors = [] {
    std::array<std::uint16_t, kTurn> factors{};
    for (std::size_t i = kTurn / 2; i < kTurn; ++i) factors[i] = 1;
    return factors;
}();

__attribute__((target("avx2"), always_inline)) inline std::uint32_t sum_of_lanes(
    __m256i all) noexcept {
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
    return static_cast<std::uint32_t>(_mm_cvtsi128_si32(sum));
}

// Sizes differ from message to message, so nothing but the number of turns depends on one: what is
// left behind the last turn is summed as one more, with zeros as factors for what was summed
// before.
__attribute__((target("avx2"))) std::uint64_t raw_sum_avx2(const std::uint8_t* at,
                                                           std::size_t size) noexcept {
    if (size < kTurn) [[unlikely]]
        return raw_sum_plain(at, size);
    __m256i all_bits = _mm256_set1_epi16(-1);
    asm("" : "+x"(all_bits));  // gcc would make the next two by longer ways
    const __m256i sign = _mm256_slli_epi16(all_bits, 15), one = _mm256_srli_epi16(all_bits, 15);
    const auto load = [](const void* from) __attribute__((target("avx2"))) {
        return _mm256_loadu_si256(static_cast<const __m256i*>(from));
    };
    __m256i sums = _mm256_setzero_si256(), others = sums;
    const auto step = [&](__m256i & to, const std::uint8_t* from, __m256i factors)
        __attribute__((target("avx2"))) {
        const __m256i pairs = _mm256_madd_epi16(_mm256_xor_si256(load(from), sign), factors);
        asm("vpaddd %1, %0, %0" : "+x"(to) : "x"(pairs));  // gcc would copy `to` each turn
    };

    // An odd last byte by itself, so that each step begins at a word.
    const std::uint64_t odd = at[size - 1] & (0 - (size & 1));
    const std::size_t even = size & ~std::size_t{1};
    const std::uint8_t* const end = at + even;
    const std::uint8_t* const left = at + size / kTurn * kTurn;
    for (; at != left; at += kTurn) {
        step(sums, at, one);
        step(others, at + 32, one);
        step(sums, at + 64, one);
        step(others, at + 96, one);
    }
    const std::uint16_t* const factors = kFactors.data() + even % kTurn / 2;
    step(sums, end - 128, load(factors));
    step(others, end - 96, load(factors + 16));
    step(sums, end - 64, load(factors + 32));
    step(others, end - 32, load(factors + 48));

    const std::uint32_t sum = sum_of_lanes(_mm256_add_epi32(sums, others));
    return odd + (sum + static_cast<std::uint32_t>(even / 2 * 0x8000));
}

#define LB_VNNI_TARGET target("avx512f,avx512bw,avx512vnni,bmi2")

// VNNI multiplies, adds neighbours and adds up in one instruction: two a step. Since that one takes
// a few cycles, four sums take turns.
__attribute__((LB_VNNI_TARGET)) std::uint64_t raw_sum_avx512(const std::uint8_t* at,
                                                             std::size_t size) noexcept {
    __m512i sign = _mm512_set1_epi16(static_cast<short>(0x8000));
    __m512i ones = _mm512_set1_epi16(1);
    asm("" : "+v"(sign), "+v"(ones));  // as above
    __m512i sum0 = _mm512_setzero_si512(), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    const auto step = [&](__m512i & sum, __m512i words) __attribute__((LB_VNNI_TARGET)) {
        sum = _mm512_dpwssd_epi32(sum, _mm512_xor_si512(words, sign), ones);
    };
    for (std::size_t turns = size / 256; turns != 0; --turns, at += 256) {
        step(sum0, _mm512_loadu_si512(at));
        step(sum1, _mm512_loadu_si512(at + 64));
        step(sum2, _mm512_loadu_si512(at + 128));
        step(sum3, _mm512_loadu_si512(at + 192));
        asm("" : "+v"(sum0), "+v"(sum1), "+v"(sum2), "+v"(sum3));  // or each turn copies them
    }
    if ((size & 128) != 0) {
        step(sum0, _mm512_loadu_si512(at));
        step(sum1, _mm512_loadu_si512(at + 64));
        at += 128;
    }
    if ((size & 64) != 0) {
        step(sum2, _mm512_loadu_si512(at));
        at += 64;
    }
    const auto tail = static_cast<__mmask64>(_bzhi_u64(~std::uint64_t{0}, size % 64));
    step(sum3, _mm512_maskz_loadu_epi8(tail, at));
    const __m512i all =
        _mm512_add_epi32(_mm512_add_epi32(sum0, sum1), _mm512_add_epi32(sum2, sum3));
    // Not _mm512_extracti64x4_epi64(): in gcc 12's header it reads an undefined register, says gcc.
    const __m256i low = __builtin_shufflevector(all, all, 0, 1, 2, 3);
    const __m256i high = __builtin_shufflevector(all, all, 4, 5, 6, 7);
    const std::uint32_t sum = sum_of_lanes(_mm256_add_epi32(low, high));
    return sum + static_cast<std::uint32_t>((size / 64 + 1) * 32 * 0x8000);
}
#endif

struct Variants {
    std::array<RawSumVariant, 3> all{};
    std::size_t count = 0;

    Variants() noexcept {
        all[count++] = {"plain", raw_sum_plain};
#if defined(__x86_64__)
        if (__builtin_cpu_supports("avx2")) all[count++] = {"avx2", raw_sum_avx2};
        if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni") &&
            __builtin_cpu_supports("bmi2"))
            all[count++] = {"avx512", raw_sum_avx512};
#endif
    }
};

const Variants& variants() noexcept {
    static const Variants found;
    return found;
}

[[maybe_unused]] const bool kChosen = [] {
    raw_sum_of = raw_sum_variants().back().sum;
    return true;
}();

std::uint16_t fold(std::uint64_t raw) noexcept {
    return raw_word(static_cast<std::uint16_t>(fold_raw(raw) >> 16));
}

}  // namespace

constinit RawSum raw_sum_of = raw_sum_plain;

std::span<const RawSumVariant> raw_sum_variants() noexcept {
    return {variants().all.data(), variants().count};
}

std::uint16_t sum_of(ConstBytes data) noexcept {
    std::uint64_t sum = 0;
    for (; data.size() > kRawSumMax; data = data.subspan(kRawSumMax))
        sum += raw_sum_of(data.data(), kRawSumMax);
    return fold(sum + raw_sum_of(data.data(), data.size()));
}

std::uint16_t ipv4_header_sum(const std::uint8_t* header) noexcept {
    return fold(raw_ipv4_header_sum(header));
}

std::uint16_t pseudo_header_sum(const IpAddress& source, const IpAddress& target,
                                std::uint8_t protocol, std::uint32_t length) noexcept {
    const std::uint16_t addresses = fold(raw_address_sum(source) + raw_address_sum(target));
    return add_sums(addresses, add_sums(static_cast<std::uint16_t>(length >> 16),
                                        add_sums(static_cast<std::uint16_t>(length), protocol)));
}

}  // namespace lb::net
