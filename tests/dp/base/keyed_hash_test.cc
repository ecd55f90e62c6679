#include "dp/base/keyed_hash.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/support/guarded_bytes.h"

namespace lb {
namespace {

TEST(SipHash, MatchesThePublishedVectors) {
    // SipHash-2-4, key 00 01 .. 0f, input 00 01 .. (n-1): from the reference implementation's
    // table.
    const HashKey key{0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
    std::vector<std::uint8_t> input(15);
    std::iota(input.begin(), input.end(), std::uint8_t{0});
    EXPECT_EQ(siphash_2_4(key, {}), 0x726fdb47dd0e0e31ULL);
    EXPECT_EQ(siphash_2_4(key, ConstBytes(input).first(1)), 0x74f839c593dc67fdULL);
    EXPECT_EQ(siphash_2_4(key, input),
              0xa129ca6149be45e5ULL);  // the example of the paper's appendix A
}

// SipHash as its paper says it, byte by byte.
std::uint64_t slow_siphash(const HashKey& key, ConstBytes data, int compress, int finish) {
    std::uint64_t v[4] = {key.k0 ^ 0x736f6d6570736575ULL, key.k1 ^ 0x646f72616e646f6dULL,
                          key.k0 ^ 0x6c7967656e657261ULL, key.k1 ^ 0x7465646279746573ULL};
    const auto half = [&](int a, int b, int c, int d, int s, int t) {
        v[a] += v[b];
        v[c] += v[d];
        v[b] = std::rotl(v[b], s) ^ v[a];
        v[d] = std::rotl(v[d], t) ^ v[c];
        v[a] = std::rotl(v[a], 32);
    };
    const auto rounds = [&](int count) {
        for (int i = 0; i < count; ++i) {
            half(0, 1, 2, 3, 13, 16);
            half(2, 1, 0, 3, 17, 21);
        }
    };
    for (std::size_t word = 0; word <= data.size() / 8; ++word) {
        std::uint64_t m = 0;
        for (std::size_t i = 0; i < 8 && 8 * word + i < data.size(); ++i) {
            m |= static_cast<std::uint64_t>(data[8 * word + i]) << (8 * i);
        }
        if (word == data.size() / 8) m |= static_cast<std::uint64_t>(data.size()) << 56;
        v[3] ^= m;
        rounds(compress);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    rounds(finish);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

TEST(SipHash, AgreesWithItsSlowTwinAtEveryLength) {
    std::mt19937_64 random(5);
    for (std::size_t size = 0; size < 300; ++size) {
        std::string text(size, ' ');
        for (char& c : text) c = static_cast<char>(random());
        const test::GuardedBytes guarded(text);
        const HashKey key{random(), random()};
        const ConstBytes data = as_bytes(guarded.text());
        ASSERT_EQ(siphash_2_4(key, data), slow_siphash(key, data, 2, 4)) << size;
        ASSERT_EQ(siphash_1_3(key, data), slow_siphash(key, data, 1, 3)) << size;
    }
}

TEST(Secret, GivesEachUseAKeyOfItsOwn) {
    const auto words_of = [](std::string_view master) {
        const Secret secret = Secret::derive(as_bytes(master));
        std::vector<std::uint64_t> words(secret.cookie.words.begin(), secret.cookie.words.end());
        words.insert(words.end(), secret.transaction.words.begin(), secret.transaction.words.end());
        for (const HashKey& key : {secret.probe, secret.tag, secret.table}) {
            words.push_back(key.k0);
            words.push_back(key.k1);
        }
        for (const AesKey& key :
             {secret.cookie.cipher, secret.transaction.cipher, secret.reply_route}) {
            const auto first = std::bit_cast<std::array<std::uint64_t, 22>>(key.rounds);
            words.insert(words.end(), first.begin(), first.end());
        }
        return words;
    };
    const auto words = words_of("sixteen bytes of entropy");
    EXPECT_EQ(std::set(words.begin(), words.end()).size(), words.size());
    EXPECT_EQ(words_of("sixteen bytes of entropy"), words);
    const auto others = words_of("sixteen bytes of entropz");
    for (std::size_t i = 0; i < words.size(); ++i) EXPECT_NE(words[i], others[i]) << i;
}

TEST(Hex64, RoundTripsAndRefusesTheRest) {
    char text[16];
    write_hex64(0x0123456789abcdefULL, text);
    EXPECT_EQ(std::string_view(text, 16), "0123456789abcdef");
    std::uint64_t value = 0;
    EXPECT_TRUE(parse_hex64({text, 16}, value));
    EXPECT_EQ(value, 0x0123456789abcdefULL);
    EXPECT_FALSE(parse_hex64("0123456789ABCDEF", value));
    EXPECT_FALSE(parse_hex64("0123456789abcde", value));
    EXPECT_FALSE(parse_hex64("0123456789abcdef0", value));
    EXPECT_FALSE(parse_hex64("0123456789abcdeg", value));
    EXPECT_FALSE(parse_hex64("", value));
    EXPECT_EQ(value, 0x0123456789abcdefULL) << "as it was";
}

TEST(Hex64, ReadsEveryCharacterAtEveryPlaceAsDigitByDigit) {
    for (std::size_t at = 0; at < 16; ++at) {
        for (int c = 0; c < 256; ++c) {
            std::string text = "0f1e2d3c4b5a6978";
            text[at] = static_cast<char>(c);
            std::uint64_t value = 1, plain = 1;
            ASSERT_EQ(parse_hex64(text, value), parse_hex64_plain(text, plain)) << text;
            ASSERT_EQ(value, plain) << text;
        }
    }
    std::mt19937_64 random(6);
    for (int i = 0; i < 1000; ++i) {
        const std::uint64_t number = random();
        char text[48];
        write_hex64(number, text);
        write_hex128(number, ~number, text + 16);
        std::uint64_t value = 0;
        ASSERT_TRUE(parse_hex64({text, 16}, value));
        ASSERT_EQ(value, number);
        ASSERT_EQ(std::string_view(text, 16), std::string_view(text + 16, 16));
        ASSERT_TRUE(parse_hex64({text + 32, 16}, value));
        ASSERT_EQ(value, ~number);
    }
}

}  // namespace
}  // namespace lb
