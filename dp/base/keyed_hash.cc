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
    // Each word is a SipHash output over a label, under a key made from the whole master.
    const HashKey root{siphash_2_4({0, 1}, master), siphash_2_4({2, 3}, master)};
    const auto word = [&root](std::uint8_t use, std::size_t number) {
        const std::uint8_t label[] = {use, static_cast<std::uint8_t>(number)};
        return siphash_2_4(root, label);
    };
    const auto hash_key = [&word](std::uint8_t use) { return HashKey{word(use, 0), word(use, 1)}; };
    const auto aes_key = [&word](std::uint8_t use) {
        return AesKey::expand({word(use, 0), word(use, 1)});
    };
    static_assert(TextKey::kWords <= 256);
    Secret secret;
    const auto text_key = [&](std::uint8_t use_of_cipher, std::uint8_t use_of_words, TextKey& key) {
        key.cipher = aes_key(use_of_cipher);
        for (std::size_t i = 0; i < TextKey::kWords; ++i) key.words[i] = word(use_of_words, i);
    };
    text_key(1, 3, secret.cookie);
    text_key(7, 8, secret.transaction);
    secret.reply_route = aes_key(2);
    secret.probe = hash_key(4);
    secret.tag = hash_key(5);
    secret.table = hash_key(6);
    return secret;
}

bool parse_hex64_plain(std::string_view text, std::uint64_t& value) noexcept {
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

bool parse_hex64(std::string_view text, std::uint64_t& value) noexcept {
    if (text.size() != 16) return false;
#if defined(__SSSE3__)
    const __m128i chars = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data()));
    // Either less its zero, as numbers without sign: 9 and 5 at most if it is one of that kind.
    const __m128i digit = _mm_sub_epi8(chars, _mm_set1_epi8('0'));
    const __m128i letter = _mm_sub_epi8(chars, _mm_set1_epi8('a'));
    const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
    const __m128i is_letter = _mm_cmpeq_epi8(_mm_min_epu8(letter, _mm_set1_epi8(5)), letter);
    if (_mm_movemask_epi8(_mm_or_si128(is_digit, is_letter)) != 0xffff) return false;
    const __m128i of_letter = _mm_add_epi8(letter, _mm_set1_epi8(10));
    const __m128i nibbles =
        _mm_or_si128(_mm_and_si128(is_digit, digit), _mm_and_si128(is_letter, of_letter));
    // Pairs of them to bytes, the first one times 16; the first byte of the text is the highest.
    const __m128i pairs = _mm_maddubs_epi16(nibbles, _mm_set1_epi16(0x0110));
    const __m128i bytes = _mm_packus_epi16(pairs, pairs);
    value = __builtin_bswap64(static_cast<std::uint64_t>(_mm_cvtsi128_si64(bytes)));
    return true;
#else
    return parse_hex64_plain(text, value);
#endif
}

}  // namespace lb
