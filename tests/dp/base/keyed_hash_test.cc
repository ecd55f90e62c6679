#include "dp/base/keyed_hash.h"

#include <gtest/gtest.h>

#include <bit>
#include <numeric>
#include <random>
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
    const Secret secret = Secret::derive(as_bytes("sixteen bytes of entropy"));
    const HashKey* const keys[] = {&secret.branch, &secret.reply_route, &secret.cookie,
                                   &secret.probe,  &secret.tag,         &secret.table};
    for (const HashKey* a : keys) {
        for (const HashKey* b : keys) {
            EXPECT_EQ(a == b, a->k0 == b->k0 && a->k1 == b->k1);
        }
    }
    EXPECT_EQ(Secret::derive(as_bytes("sixteen bytes of entropy")).branch.k0, secret.branch.k0);
    EXPECT_NE(Secret::derive(as_bytes("sixteen bytes of entropz")).branch.k0, secret.branch.k0);
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
    EXPECT_FALSE(parse_hex64("0123456789abcdeg", value));
}

}  // namespace
}  // namespace lb
