#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tests/bench/load/histogram.h"
#include "tests/bench/load/stamp.h"
#include "tests/bench/relay/workload.h"

namespace lb::bench {
namespace {

TEST(Histogram, PercentilesAreWithinABucketOfTheSortedValues) {
    std::mt19937_64 random(1);
    std::vector<std::uint64_t> values;
    Histogram histogram;
    for (int i = 0; i < 10'000; ++i) {
        values.push_back(random() >> random() % 60);
        histogram.add(values.back());
    }
    std::sort(values.begin(), values.end());
    for (const double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999}) {
        const auto index = static_cast<std::size_t>(share * 10'000) - 1;
        const auto exact = static_cast<double>(values[index]);
        const auto told = static_cast<double>(histogram.percentile(share));
        EXPECT_GE(told, exact) << share;
        EXPECT_LE(told, exact * 1.016 + 1) << share;
    }
    EXPECT_EQ(histogram.percentile(1), values.back());
    EXPECT_EQ(histogram.largest(), values.back());
}

TEST(Histogram, SmallValuesAreExactAndNoValuesAreZero) {
    Histogram histogram;
    EXPECT_EQ(histogram.percentile(0.5), 0U);
    for (std::uint64_t value = 0; value < 100; ++value) histogram.add(value);
    EXPECT_EQ(histogram.percentile(0.01), 0U);
    EXPECT_EQ(histogram.percentile(0.5), 49U);
    histogram.add(~std::uint64_t{0});
    EXPECT_EQ(histogram.percentile(1), ~std::uint64_t{0});
}

std::uint16_t checksum_of(const test::Octets& frame, bool ipv4) {
    const std::uint8_t* ip = frame.data() + 14;
    const std::uint8_t* udp = ip + (ipv4 ? 20 : 40);
    const auto source = ipv4 ? IpAddress::from_ipv4(ip + 12) : IpAddress::from_ipv6(ip + 8);
    const auto target = ipv4 ? IpAddress::from_ipv4(ip + 16) : IpAddress::from_ipv6(ip + 24);
    return test::slow_udp_sum(source, target, {udp, load_be16(udp + 4)});
}

TEST(Stamp, EveryNumberKeepsTheChecksumRightAndCanBeReadBack) {
    std::mt19937_64 random(2);
    for (const char* name : {"invite700", "invite1200", "ipv6", "compact", "reply"}) {
        for (const test::Octets& frame : make_workload(name, 20, 1, "")) {
            StampedFrame stamped = prepare_stamp(frame);
            ASSERT_NE(stamped.stamp, 0U) << name;
            ASSERT_EQ(stamped.octets.size(), frame.size());
            const std::uint64_t number = random();
            write_stamp(stamped.octets.data() + stamped.stamp, number);
            EXPECT_EQ(checksum_of(stamped.octets, stamped.octets[12] == 8), 0xffff) << name;
            EXPECT_EQ(read_stamp(udp_payload(stamped.octets)), number);
        }
    }
}

TEST(Stamp, ABodyTooShortGetsNone) {
    for (const char* name : {"register", "bye"}) {
        for (const test::Octets& frame : make_workload(name, 20, 1, "")) {
            const StampedFrame stamped = prepare_stamp(frame);
            EXPECT_EQ(stamped.stamp, 0U);
            EXPECT_EQ(stamped.octets, frame);
            EXPECT_EQ(read_stamp(udp_payload(frame)), std::nullopt);
        }
    }
}

TEST(Stamp, PaddingBehindTheDatagramIsNotRead) {
    StampedFrame stamped = prepare_stamp(make_workload("invite700", 1, 1, "")[0]);
    write_stamp(stamped.octets.data() + stamped.stamp, 77);
    stamped.octets.resize(stamped.octets.size() + 12, 0xff);
    EXPECT_EQ(read_stamp(udp_payload(stamped.octets)), 77U);
}

TEST(Stamp, WhatIsNoDatagramHasNoPayload) {
    test::Octets frame = make_workload("invite700", 1, 1, "")[0];
    for (std::size_t size = 0; size < frame.size(); ++size) {
        EXPECT_TRUE(udp_payload({frame.data(), size}).empty()) << size;
    }
    frame[23] = 6;  // TCP
    EXPECT_TRUE(udp_payload(frame).empty());
    EXPECT_TRUE(udp_payload({}).empty());
}

}  // namespace
}  // namespace lb::bench
