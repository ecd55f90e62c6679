#include "dp/base/keyed_hash.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

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
