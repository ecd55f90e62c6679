#include "dp/net/checksum.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/frames.h"
#include "tests/support/guarded_bytes.h"

namespace lb::net {
namespace {

using test::Octets;
using test::random_octets;
using test::slow_sum;

TEST(Checksum, MatchesTheExampleOfRfc1071) {
    const Octets bytes{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    EXPECT_EQ(sum_of(bytes), 0xddf2);
}

TEST(Checksum, SumsLikeItsSlowTwinAtEveryLength) {
    std::mt19937 random(1);
    for (std::size_t size = 0; size < 300; ++size) {
        const Octets octets = random_octets(random, size);
        const test::GuardedBytes guarded(test::text_of(octets));
        EXPECT_EQ(sum_of(as_bytes(guarded.text())), slow_sum(octets)) << size;
    }
    for (int i = 0; i < 300; ++i) {  // at any alignment, and long enough for the wide loop
        const Octets octets = random_octets(random, 3000);
        const std::size_t from = random() % 64;
        const ConstBytes part = ConstBytes(octets).subspan(from, random() % (octets.size() - from));
        EXPECT_EQ(sum_of(part), slow_sum(part));
        EXPECT_EQ(ipv4_header_sum(octets.data() + from), slow_sum({octets.data() + from, 20}));
    }
    const Octets ones(65535, 0xff);
    EXPECT_EQ(sum_of(ones), slow_sum(ones));
    const Octets zeros(1000, 0);
    EXPECT_EQ(sum_of(zeros), 0);
}

TEST(Checksum, EveryVariantOfThisProcessorSumsLikeTheSlowTwin) {
    const auto folded = [](std::uint64_t raw) {
        return raw_word(static_cast<std::uint16_t>(fold_raw(raw) >> 16));
    };
    std::mt19937 random(5);
    for (const RawSumVariant& variant : raw_sum_variants()) {
        for (std::size_t size = 0; size < 700; ++size) {  // the last byte before an unmapped page
            const Octets octets = random_octets(random, size);
            const test::GuardedBytes guarded(test::text_of(octets));
            const ConstBytes bytes = as_bytes(guarded.text());
            ASSERT_EQ(folded(variant.sum(bytes.data(), size)), slow_sum(octets))
                << variant.name << ' ' << size;
        }
        const Octets many = random_octets(random, kRawSumMax + 64);
        for (int i = 0; i < 300; ++i) {
            const std::size_t from = random() % 64, size = random() % (i < 200 ? 1500 : kRawSumMax);
            ASSERT_EQ(folded(variant.sum(many.data() + from, size)),
                      slow_sum({many.data() + from, size}))
                << variant.name << ' ' << from << ' ' << size;
        }
        for (const int byte : {0x00, 0x7f, 0x80, 0xff}) {  // no lane overflows
            const Octets same(kRawSumMax, static_cast<std::uint8_t>(byte));
            EXPECT_EQ(folded(variant.sum(same.data(), same.size())), slow_sum(same));
            EXPECT_LT(variant.sum(same.data(), same.size()), std::uint64_t{1} << 48);
        }
    }
    EXPECT_EQ(raw_sum_of, raw_sum_variants().back().sum);
}

TEST(Checksum, PseudoHeaderEqualsItsSlowTwin) {
    std::mt19937 random(3);
    for (int i = 0; i < 2000; ++i) {
        const bool ipv4 = i % 2 == 0;
        const Octets a = random_octets(random, 16), b = random_octets(random, 16);
        const IpAddress source =
            ipv4 ? IpAddress::from_ipv4(a.data()) : IpAddress::from_ipv6(a.data());
        const IpAddress target =
            ipv4 ? IpAddress::from_ipv4(b.data()) : IpAddress::from_ipv6(b.data());
        const Octets udp = random_octets(random, 8 + random() % 100);
        const std::uint16_t pseudo =
            pseudo_header_sum(source, target, 17, static_cast<std::uint32_t>(udp.size()));
        EXPECT_EQ(add_sums(pseudo, sum_of(udp)), test::slow_udp_sum(source, target, udp));
    }
}

TEST(Checksum, AZeroUdpChecksumIsSentAsItsOtherForm) {
    EXPECT_EQ(udp_checksum_of(0xffff), 0xffff);
    EXPECT_EQ(udp_checksum_of(0x1234), 0xedcb);
}

}  // namespace
}  // namespace lb::net
