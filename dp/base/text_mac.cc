#include "dp/base/text_mac.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "dp/base/bytes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace lb {
namespace {

static_assert(std::endian::native == std::endian::little);

std::uint64_t lengths_of(std::string_view first, std::string_view second) noexcept {
    return first.size() | static_cast<std::uint64_t>(second.size()) << 32;
}

// A text of sixteen bytes at most, and zeros behind it. Reads nothing behind the text.
inline AesBlock short_block(std::string_view text) noexcept {
    const char* const at = text.data();
    const std::size_t size = text.size();
    if (size >= 8) {
        const std::uint64_t last = load_word<std::uint64_t>(at + size - 8);
        return {load_word<std::uint64_t>(at), size == 8 ? 0 : last >> (8 * (16 - size))};
    }
    if (size >= 4) {
        const std::uint64_t last = load_word<std::uint32_t>(at + size - 4);
        return {load_word<std::uint32_t>(at) | last << (8 * (size - 4)), 0};
    }
    if (size == 0) return {};
    const std::uint64_t middle = load_word<std::uint8_t>(at + size / 2);
    const std::uint64_t last = load_word<std::uint8_t>(at + size - 1);
    return {load_word<std::uint8_t>(at) | middle << (8 * (size / 2)) | last << (8 * (size - 1)), 0};
}

constexpr std::uint8_t twice(std::uint8_t byte) noexcept {  // times x in AES's field
    return static_cast<std::uint8_t>((byte << 1) ^ ((byte >> 7) * 0x1b));
}

// FIPS 197 5.1.1: the inverse in the field, and an affine map of it. Powers of 3 give all but zero.
constexpr std::array<std::uint8_t, 256> kSubstitute = [] {
    std::array<std::uint8_t, 256> table{};
    std::uint8_t power = 1, inverse = 1;  // 3^i and 3^-i
    do {
        power = static_cast<std::uint8_t>(power ^ twice(power));
        for (const int shift : {1, 2, 4})  // a division by 3
            inverse = static_cast<std::uint8_t>(inverse ^ (inverse << shift));
        if ((inverse & 0x80) != 0) inverse ^= 0x09;
        std::uint8_t byte = 0x63;
        for (const int turn : {0, 1, 2, 3, 4})
            byte = static_cast<std::uint8_t>(byte ^ std::rotl(inverse, turn));
        table[power] = byte;
    } while (power != 1);
    table[0] = 0x63;
    return table;
}();

using AesState = std::array<std::uint8_t, 16>;

// ShiftRows and SubBytes: row r of the state, every fourth byte from r on, moves by r columns.
AesState substituted(const AesState& state) noexcept {
    AesState result;
    for (unsigned i = 0; i < 16; ++i) result[i] = kSubstitute[state[(i + 4 * (i % 4)) % 16]];
    return result;
}

void mix_columns(AesState& state) noexcept {
    for (unsigned column = 0; column < 16; column += 4) {
        const auto byte = [&, old = state](unsigned i) { return old[column + i % 4]; };
        for (unsigned i = 0; i < 4; ++i) {
            const auto pair = static_cast<std::uint8_t>(byte(i) ^ byte(i + 1));
            state[column + i] =
                static_cast<std::uint8_t>(twice(pair) ^ byte(i + 1) ^ byte(i + 2) ^ byte(i + 3));
        }
    }
}

AesBlock encrypt_portable(const AesKey& key, std::uint64_t low, std::uint64_t high) noexcept {
    auto state = std::bit_cast<AesState>(AesBlock{low, high});
    const auto add_round_key = [&](unsigned round) {
        for (unsigned i = 0; i < 16; ++i) state[i] ^= key.rounds[16 * round + i];
    };
    add_round_key(0);
    for (unsigned round = 1; round <= 10; ++round) {
        state = substituted(state);
        if (round != 10) mix_columns(state);
        add_round_key(round);
    }
    return std::bit_cast<AesBlock>(state);
}

AesBlock operator^(AesBlock a, AesBlock b) noexcept { return {a.low ^ b.low, a.high ^ b.high}; }

AesBlock product_portable(AesBlock factors) noexcept {
    __extension__ using Word128 = unsigned __int128;
    Word128 product = 0;
    for (int bit = 0; bit < 64; ++bit) {
        const Word128 mask = 0 - static_cast<Word128>(factors.high >> bit & 1);
        product ^= static_cast<Word128>(factors.low) << bit & mask;
    }
    return {static_cast<std::uint64_t>(product), static_cast<std::uint64_t>(product >> 64)};
}

// x^64 is this modulo text_hash()'s polynomial. What of the product is above x^63 is left out: four
// bits, so that two sums in 2^60 may fold into one.
constexpr std::uint64_t kReduction = 0x1b;

AesBlock sum_portable(const std::uint64_t* key, std::string_view part) noexcept {
    AesBlock sum;
    for (; !part.empty(); part.remove_prefix(part.size() < 16 ? part.size() : 16), key += 2)
        sum = sum ^ product_portable(short_block(part.substr(0, 16)) ^ AesBlock{key[0], key[1]});
    return sum;
}

AesBlock sum_portable(const TextKey& key, std::uint64_t number, std::string_view first,
                      std::string_view second) noexcept {
    AesBlock state{number, lengths_of(first, second)};
    const auto take_long = [&](const std::uint64_t* words, std::string_view& text) {
        for (; text.size() > TextKey::kPartMax; text.remove_prefix(TextKey::kPartMax)) {
            state = state ^ sum_portable(words, text.substr(0, TextKey::kPartMax));
            state = encrypt_portable(key.cipher, state.low, state.high);
        }
    };
    take_long(key.of_first(), first);
    take_long(key.of_second(), second);
    return state ^ sum_portable(key.of_first(), first) ^ sum_portable(key.of_second(), second);
}

std::uint64_t text_mac_portable(const TextKey& key, std::uint64_t number, std::string_view first,
                                std::string_view second) noexcept {
    const AesBlock sum = sum_portable(key, number, first, second);
    return encrypt_portable(key.cipher, sum.low, sum.high).low;
}

std::uint64_t text_hash_portable(const TextKey& key, std::uint64_t number, std::string_view first,
                                 std::string_view second) noexcept {
    const AesBlock sum = sum_portable(key, number, first, second);
    return sum.low ^ product_portable({sum.high, kReduction}).low;
}

#if defined(__x86_64__)
#define LB_AES_TARGET __attribute__((target("avx,aes,pclmul")))
#define LB_AES_INLINE __attribute__((target("avx,aes,pclmul"), always_inline)) inline

LB_AES_INLINE __m128i load_block(const void* at) noexcept {
    return _mm_loadu_si128(static_cast<const __m128i*>(at));
}

LB_AES_INLINE __m128i vector_of(std::uint64_t low, std::uint64_t high) noexcept {
    return _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
}

LB_AES_INLINE std::uint64_t low_of(__m128i block) noexcept {
    return static_cast<std::uint64_t>(_mm_cvtsi128_si64(block));
}

LB_AES_INLINE __m128i encrypted(const AesKey& key, __m128i block) noexcept {
    const auto* const rounds = reinterpret_cast<const __m128i*>(key.rounds.data());
    block = _mm_xor_si128(block, rounds[0]);
    for (int round = 1; round < 10; ++round) block = _mm_aesenc_si128(block, rounds[round]);
    return _mm_aesenclast_si128(block, rounds[10]);
}

LB_AES_TARGET AesBlock encrypt_aes(const AesKey& key, std::uint64_t low,
                                   std::uint64_t high) noexcept {
    const __m128i result = encrypted(key, vector_of(low, high));
    return {low_of(result), static_cast<std::uint64_t>(_mm_extract_epi64(result, 1))};
}

// A shuffle by the sixteen bytes from n on moves a block to the front by n bytes, zeros behind it.
constexpr std::array<std::uint8_t, 32> kToFront{
    0,    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,   11,   12,   13,   14,   15,
    0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80};

LB_AES_INLINE __m128i product(__m128i block, const void* key) noexcept {
    const __m128i factors = _mm_xor_si128(block, load_block(key));
    return _mm_clmulepi64_si128(factors, factors, 0x10);
}

// The last block is read from the last sixteen bytes of the text, in front of which it may begin.
LB_AES_INLINE __m128i sum_aes(const std::uint64_t* key, std::string_view part,
                              __m128i sum) noexcept {
    if (part.size() < 16) {
        if (part.empty()) return sum;
        const AesBlock block = short_block(part);
        return _mm_xor_si128(sum, product(vector_of(block.low, block.high), key));
    }
    const auto last = static_cast<std::ptrdiff_t>(part.size() - 16);
    const char* const text = part.data() + last;
    const char* const words = reinterpret_cast<const char*>(key) + last;
    std::ptrdiff_t at = -last;
    for (; at < 0; at += 16) {
        sum = _mm_xor_si128(sum, product(load_block(text + at), words + at));
        asm("" : "+r"(at));  // gcc would work out anew what it is behind the loop
    }
    const __m128i block = _mm_shuffle_epi8(load_block(text), load_block(kToFront.data() + at));
    return _mm_xor_si128(sum, product(block, words + at));
}

// All parts of a long text but the last one.
LB_AES_INLINE __m128i take_long(const TextKey& key, const std::uint64_t* words,
                                std::string_view& text, __m128i state) noexcept {
    for (; text.size() > TextKey::kPartMax; text.remove_prefix(TextKey::kPartMax))
        state = encrypted(key.cipher, sum_aes(words, text.substr(0, TextKey::kPartMax), state));
    return state;
}

LB_AES_INLINE std::uint64_t folded(__m128i sum) noexcept {
    const __m128i high = _mm_clmulepi64_si128(sum, vector_of(kReduction, 0), 0x01);
    return low_of(_mm_xor_si128(sum, high));
}

[[gnu::noinline]] LB_AES_TARGET __m128i sum_long(const TextKey& key, std::uint64_t number,
                                                 std::string_view first,
                                                 std::string_view second) noexcept {
    __m128i state = vector_of(number, lengths_of(first, second));
    state = take_long(key, key.of_first(), first, state);
    state = take_long(key, key.of_second(), second, state);
    state = sum_aes(key.of_first(), first, state);
    return sum_aes(key.of_second(), second, state);
}

LB_AES_INLINE __m128i sum_aes(const TextKey& key, std::uint64_t number, std::string_view first,
                              std::string_view second) noexcept {
    if (first.size() > TextKey::kPartMax || second.size() > TextKey::kPartMax) [[unlikely]]
        return sum_long(key, number, first, second);
    __m128i sum = vector_of(number, lengths_of(first, second));
    sum = sum_aes(key.of_first(), first, sum);
    return sum_aes(key.of_second(), second, sum);
}

LB_AES_TARGET std::uint64_t text_mac_aes(const TextKey& key, std::uint64_t number,
                                         std::string_view first, std::string_view second) noexcept {
    return low_of(encrypted(key.cipher, sum_aes(key, number, first, second)));
}

LB_AES_TARGET std::uint64_t text_hash_aes(const TextKey& key, std::uint64_t number,
                                          std::string_view first,
                                          std::string_view second) noexcept {
    return folded(sum_aes(key, number, first, second));
}

#define LB_WIDE_TARGET target("avx,aes,pclmul,avx512f,avx512bw,bmi2,vpclmulqdq")

// All products of a text of 64 bytes at most. What is behind the text is not read, and blocks that
// it does not reach count nothing.
__attribute__((LB_WIDE_TARGET, always_inline)) inline __m512i products_wide(
    const std::uint64_t* key, std::string_view text) noexcept {
    const auto bytes = static_cast<__mmask64>(_bzhi_u64(~std::uint64_t{0}, text.size()));
    const __m512i starts = _mm512_setr_epi64(0, 0, 16, 16, 32, 32, 48, 48);
    const __m512i size = _mm512_set1_epi64(static_cast<long long>(text.size()));
    const __mmask8 blocks = _mm512_cmplt_epu64_mask(starts, size);
    const __m512i factors = _mm512_maskz_xor_epi64(
        blocks, _mm512_maskz_loadu_epi8(bytes, text.data()), _mm512_loadu_si512(key));
    return _mm512_clmulepi64_epi128(factors, factors, 0x10);
}

// REQUIRES: 64 bytes at most of each.
__attribute__((LB_WIDE_TARGET, always_inline)) inline __m128i sum_wide(
    const TextKey& key, std::uint64_t number, std::string_view first,
    std::string_view second) noexcept {
    const __m512i all = _mm512_xor_si512(products_wide(key.of_first(), first),
                                         products_wide(key.of_second(), second));
    // Not by _mm512_castsi512_si256() and its like: in gcc 12's header they read an undefined
    // register, says gcc.
    const __m256i half = __builtin_shufflevector(all, all, 0, 1, 2, 3) ^
                         __builtin_shufflevector(all, all, 4, 5, 6, 7);
    const __m128i sum =
        _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    return _mm_xor_si128(vector_of(number, lengths_of(first, second)), sum);
}

__attribute__((LB_WIDE_TARGET)) std::uint64_t text_mac_wide(const TextKey& key,
                                                            std::uint64_t number,
                                                            std::string_view first,
                                                            std::string_view second) noexcept {
    if (first.size() > 64 || second.size() > 64) [[unlikely]]
        return text_mac_aes(key, number, first, second);
    return low_of(encrypted(key.cipher, sum_wide(key, number, first, second)));
}

__attribute__((LB_WIDE_TARGET)) std::uint64_t text_hash_wide(const TextKey& key,
                                                             std::uint64_t number,
                                                             std::string_view first,
                                                             std::string_view second) noexcept {
    if (first.size() > 64 || second.size() > 64) [[unlikely]]
        return text_hash_aes(key, number, first, second);
    return folded(sum_wide(key, number, first, second));
}
#endif

struct Variants {
    std::array<MacVariant, 3> all{
        {{"portable", encrypt_portable, text_mac_portable, text_hash_portable}}};
    std::size_t count = 1;

    Variants() noexcept {
#if defined(__x86_64__)
        __builtin_cpu_init();
        if (!__builtin_cpu_supports("avx") || !__builtin_cpu_supports("aes") ||
            !__builtin_cpu_supports("pclmul"))
            return;
        all[count++] = {"aes", encrypt_aes, text_mac_aes, text_hash_aes};
        if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("bmi2") &&
            __builtin_cpu_supports("vpclmulqdq"))
            all[count++] = {"wide", encrypt_aes, text_mac_wide, text_hash_wide};
#endif
    }
};

const Variants& variants() noexcept {
    static const Variants found;
    return found;
}

[[maybe_unused]] const bool kChosen = [] {
    aes_encrypt = mac_variants().back().encrypt;
    text_mac = mac_variants().back().text;
    text_hash = mac_variants().back().hash;
    return true;
}();

}  // namespace

constinit AesEncrypt aes_encrypt = encrypt_portable;
constinit TextMac text_mac = text_mac_portable;
constinit TextMac text_hash = text_hash_portable;

std::span<const MacVariant> mac_variants() noexcept {
    return {variants().all.data(), variants().count};
}

// FIPS 197 5.2: words of four bytes, each the xor of the one four back and the one in front of it,
// which for every fourth word is turned, substituted and marked by the round first.
AesKey AesKey::expand(AesBlock key) noexcept {
    AesKey expanded;
    auto& bytes = expanded.rounds;
    const auto first = std::bit_cast<AesState>(key);
    std::copy(first.begin(), first.end(), bytes.begin());
    std::uint8_t mark = 1;
    for (std::size_t at = 16; at < bytes.size(); at += 4) {
        std::array<std::uint8_t, 4> word{bytes[at - 4], bytes[at - 3], bytes[at - 2],
                                         bytes[at - 1]};
        if (at % 16 == 0) {
            std::rotate(word.begin(), word.begin() + 1, word.end());
            for (std::uint8_t& byte : word) byte = kSubstitute[byte];
            word[0] ^= mark;
            mark = twice(mark);
        }
        for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = bytes[at - 16 + i] ^ word[i];
    }
    return expanded;
}

}  // namespace lb
