#include "dp/base/keyed_hash.h"

#include <bit>

#if defined(__SSSE3__)
#include <tmmintrin.h>
#endif

namespace lb {
namespace {

std::uint64_t load_le64(const std::uint8_t* at) noexcept {
    static_assert(std::endian::native == std::endian::little);
    std::uint64_t value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

template <int kCompress, int kFinish>
std::uint64_t siphash(const HashKey& key, ConstBytes data) noexcept {
    std::uint64_t v0 = key.k0 ^ 0x736f6d6570736575ULL;
    std::uint64_t v1 = key.k1 ^ 0x646f72616e646f6dULL;
    std::uint64_t v2 = key.k0 ^ 0x6c7967656e657261ULL;
    std::uint64_t v3 = key.k1 ^ 0x7465646279746573ULL;
    const auto round = [&] {
        v0 += v1;
        v1 = std::rotl(v1, 13) ^ v0;
        v0 = std::rotl(v0, 32);
        v2 += v3;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1;
        v1 = std::rotl(v1, 17) ^ v2;
        v2 = std::rotl(v2, 32);
    };
    const auto absorb = [&](std::uint64_t word) {
        v3 ^= word;
        for (int i = 0; i < kCompress; ++i) round();
        v0 ^= word;
    };

    const std::uint8_t* at = data.data();
    const std::size_t size = data.size();
    // Four words a turn and what is left by its bits: a loop over words is a fifth of the work.
    for (std::size_t turns = size / 32; turns != 0; --turns, at += 32) {
        absorb(load_le64(at));
        absorb(load_le64(at + 8));
        absorb(load_le64(at + 16));
        absorb(load_le64(at + 24));
    }
    if ((size & 16) != 0) {
        absorb(load_le64(at));
        absorb(load_le64(at + 8));
        at += 16;
    }
    if ((size & 8) != 0) {
        absorb(load_le64(at));
        at += 8;
    }
    const std::size_t left = size % 8;
    std::uint64_t last = static_cast<std::uint64_t>(size) << 56;
    if (size >= 8) {  // the last eight bytes, without those that are in
        last |= load_le64(at + left - 8) >> (56 - 8 * left) >> 8;
    } else {
        for (std::size_t i = 0; i < left; ++i) last |= static_cast<std::uint64_t>(at[i]) << (8 * i);
    }
    absorb(last);

    v2 ^= 0xff;
    for (int i = 0; i < kFinish; ++i) round();
    return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace

std::uint64_t siphash_2_4(const HashKey& key, ConstBytes data) noexcept {
    return siphash<2, 4>(key, data);
}

std::uint64_t siphash_1_3(const HashKey& key, ConstBytes data) noexcept {
    return siphash<1, 3>(key, data);
}

Secret Secret::derive(ConstBytes master) noexcept {
    // Each key is two SipHash outputs over a label, under a key made from the whole master.
    const HashKey root{siphash_2_4({0, 1}, master), siphash_2_4({2, 3}, master)};
    const auto derived = [&root](std::uint8_t use) {
        const std::uint8_t first[] = {use, 0};
        const std::uint8_t second[] = {use, 1};
        return HashKey{siphash_2_4(root, first), siphash_2_4(root, second)};
    };
    return Secret{derived(1), derived(2), derived(3), derived(4), derived(5), derived(6)};
}

void write_hex64(std::uint64_t value, char* out) noexcept {
#if defined(__SSSE3__)
    const __m128i digits = _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b',
                                         'c', 'd', 'e', 'f');
    const __m128i bytes = _mm_cvtsi64_si128(static_cast<long long>(__builtin_bswap64(value)));
    const __m128i nibble = _mm_set1_epi8(0x0f);
    const __m128i low = _mm_and_si128(bytes, nibble);
    const __m128i high = _mm_and_si128(_mm_srli_epi64(bytes, 4), nibble);
    const __m128i text = _mm_shuffle_epi8(digits, _mm_unpacklo_epi8(high, low));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), text);
#else
    constexpr char kDigits[] = "0123456789abcdef";
    for (int i = 15; i >= 0; --i) {
        out[i] = kDigits[value & 15];
        value >>= 4;
    }
#endif
}

bool parse_hex64(std::string_view text, std::uint64_t& value) noexcept {
    if (text.size() != 16) return false;
    std::uint64_t result = 0;
    for (const char c : text) {
        std::uint64_t digit;
        if (c >= '0' && c <= '9') {
            digit = static_cast<std::uint64_t>(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = static_cast<std::uint64_t>(c - 'a' + 10);
        } else {
            return false;
        }
        result = result << 4 | digit;
    }
    value = result;
    return true;
}

}  // namespace lb
