#include "dp/base/text_mac.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cstring>

#include "dp/base/text_mac_aes.h"

namespace lb {
namespace {

static_assert(std::endian::native == std::endian::little);

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

LB_AES_TARGET AesBlock encrypt_aes(const AesKey& key, std::uint64_t low,
                                   std::uint64_t high) noexcept {
    return aes::encrypt(key, low, high);
}

LB_AES_TARGET std::uint64_t text_mac_aes(const TextKey& key, std::uint64_t number,
                                         std::string_view first, std::string_view second) noexcept {
    return aes::text_mac(key, number, first, second);
}

LB_AES_TARGET std::uint64_t text_hash_aes(const TextKey& key, std::uint64_t number,
                                          std::string_view first,
                                          std::string_view second) noexcept {
    return aes::text_hash(key, number, first, second);
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
    return _mm_xor_si128(aes::vector_of(number, lengths_of(first, second)), sum);
}

__attribute__((LB_WIDE_TARGET)) std::uint64_t text_mac_wide(const TextKey& key,
                                                            std::uint64_t number,
                                                            std::string_view first,
                                                            std::string_view second) noexcept {
    if (first.size() > 64 || second.size() > 64) [[unlikely]]
        return text_mac_aes(key, number, first, second);
    return aes::low_of(aes::encrypted(key.cipher, sum_wide(key, number, first, second)));
}

__attribute__((LB_WIDE_TARGET)) std::uint64_t text_hash_wide(const TextKey& key,
                                                             std::uint64_t number,
                                                             std::string_view first,
                                                             std::string_view second) noexcept {
    if (first.size() > 64 || second.size() > 64) [[unlikely]]
        return text_hash_aes(key, number, first, second);
    return aes::folded(sum_wide(key, number, first, second));
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

}  // namespace

#if !defined(LB_MAC_IN_LINE)
constinit AesEncrypt aes_encrypt = encrypt_portable;
constinit TextMac text_mac = text_mac_portable;
constinit TextMac text_hash = text_hash_portable;

[[maybe_unused]] static const bool kChosen = [] {
    aes_encrypt = mac_variants().back().encrypt;
    text_mac = mac_variants().back().text;
    text_hash = mac_variants().back().hash;
    return true;
}();
#endif

#if defined(__x86_64__)
LB_AES_TARGET __m128i aes::sum_long(const TextKey& key, std::uint64_t number,
                                    std::string_view first, std::string_view second) noexcept {
    __m128i state = vector_of(number, lengths_of(first, second));
    state = take_long(key, key.of_first(), first, state);
    state = take_long(key, key.of_second(), second, state);
    state = sum_of(key.of_first(), first, state);
    return sum_of(key.of_second(), second, state);
}

#endif

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
