#include "dp/base/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/support/guarded_bytes.h"

namespace lb {
namespace {

struct Row {
    const char* text;
    const char* canonical;  // null: refused
};

constexpr Row kAddresses[] = {
    {"0.0.0.0", "0.0.0.0"},
    {"255.255.255.255", "255.255.255.255"},
    {"10.77.0.1", "10.77.0.1"},
    {"", nullptr},
    {"1.2.3", nullptr},
    {"1.2.3.4.5", nullptr},
    {"1.2.3.256", nullptr},
    {"1.2.3.04", nullptr},
    {"1.2.3.-4", nullptr},
    {" 1.2.3.4", nullptr},
    {"::", "::"},
    {"::1", "::1"},
    {"1::", "1::"},
    {"2001:DB8::1", "2001:db8::1"},
    {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
    {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
    {"::ffff:192.0.2.10", "::ffff:c000:20a"},
    {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
    {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
    {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
    {"1:2:3:4:5:6:7", nullptr},
    {"1:2:3:4:5:6:7:8:9", nullptr},
    {"1:2:3:4::5:6:7:8", nullptr},
    {":::", nullptr},
    {"1::2::3", nullptr},
    {"1:", nullptr},
    {":1", nullptr},
    {"12345::", nullptr},
    {"::1.2.3", nullptr},
    {"1:2:3:4:5:6:7:1.2.3.4", nullptr},
    {"[::1]", nullptr},
    {"fe80::1%eth0", nullptr},
    {"2001:db8:::192.0.2.1", nullptr},
};

TEST(Address, ParsesStrictlyAndPrintsCanonically) {
    for (const Row& row : kAddresses) {
        const test::GuardedBytes guarded(row.text);
        const auto address = IpAddress::parse(guarded.text());
        ASSERT_EQ(address.has_value(), row.canonical != nullptr) << row.text;
        if (address) {
            EXPECT_EQ(address->text(), row.canonical) << row.text;
        }
    }
}

TEST(Address, AgreesWithInetPtonOnQuadsAndWhatLooksLikeThem) {
    std::mt19937 random(8);
    int accepted = 0;
    for (int i = 0; i < 20000; ++i) {
        std::string text;
        const std::size_t numbers = random() % 16 == 0 ? random() % 6 : 4;
        for (std::size_t n = 0; n < numbers; ++n) {
            if (n != 0) text += '.';
            text += std::to_string(random() % (random() % 8 == 0 ? 1200 : 256));
        }
        if (random() % 4 == 0 && !text.empty()) {
            constexpr std::string_view kOdd = "0123456789.. -+x/:";
            text[random() % text.size()] = kOdd[random() % kOdd.size()];
        }
        if (random() % 8 == 0 && !text.empty()) text.resize(random() % text.size());
        const test::GuardedBytes guarded(text);
        std::uint8_t expected[4];
        const bool good = inet_pton(AF_INET, text.c_str(), expected) == 1;
        const auto address = IpAddress::parse(guarded.text());
        ASSERT_EQ(address.has_value() && address->is_ipv4(), good) << text;
        // At the end of an IPv6 address a quad is read number by number.
        if (text.find('.') != std::string::npos && text.find(':') == std::string::npos) {
            ASSERT_EQ(IpAddress::parse("::ffff:" + text).has_value(), good) << text;
        }
        if (!good) continue;
        ++accepted;
        ASSERT_EQ(*address, IpAddress::from_ipv4(expected)) << text;
        ASSERT_EQ(address->text(), text);
    }
    EXPECT_GT(accepted, 2000);
}

// Every shape of a quad, each with numbers at the ends of their ranges, alone and behind a page
// that may not be read.
TEST(Address, ReadsQuadsOfEveryShape) {
    constexpr const char* kNumbers[] = {"0",   "9",   "10",   "99", "100", "255", "00", "01",
                                        "256", "001", "1000", "",   "a",   "1/",  "1:"};
    std::mt19937 random(4);
    for (const char* const a : kNumbers) {
        for (const char* const b : kNumbers) {
            for (const char* const c : kNumbers) {
                const char* const d = kNumbers[random() % std::size(kNumbers)];
                const std::string text = std::string(a) + "." + b + "." + c + "." + d;
                const test::GuardedBytes back(text), front(text, true);
                std::uint8_t expected[4];
                const bool good = inet_pton(AF_INET, text.c_str(), expected) == 1;
                for (const std::string_view quad : {back.text(), front.text()}) {
                    const auto address = IpAddress::parse(quad);
                    ASSERT_EQ(address.has_value(), good) << text;
                    if (!good) continue;
                    ASSERT_EQ(*address, IpAddress::from_ipv4(expected)) << text;
                }
            }
        }
    }
}

TEST(Address, HashesEveryPartOfAnEndpoint) {
    std::mt19937 random(9);
    for (const std::size_t size : {std::size_t{4}, std::size_t{16}}) {
        std::uint8_t bytes[16];
        for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
        const auto hash = [&](std::uint16_t port) {
            const auto make = size == 4 ? IpAddress::from_ipv4 : IpAddress::from_ipv6;
            return hash_of(Endpoint{make(bytes), port});
        };
        const std::uint64_t before = hash(5060);
        EXPECT_NE(hash(5061) & 0xffffffff, before & 0xffffffff);
        for (std::size_t i = 0; i < size; ++i) {  // both halves: tables take bits of either
            bytes[i] ^= 1;
            EXPECT_NE(hash(5060) & 0xffffffff, before & 0xffffffff) << i;
            EXPECT_NE(hash(5060) >> 32, before >> 32) << i;
            bytes[i] ^= 1;
        }
    }
}

TEST(Address, SpreadsNeighboursOverATable) {
    // Half full, as the indexes are: at random 39 % of the slots would hold something.
    for (const bool ipv6 : {false, true}) {
        std::vector<int> low(2048), high(2048);
        for (std::uint32_t i = 0; i < 1024; ++i) {
            std::uint8_t bytes[16] = {0x20, 0x01, 0x0d, 0xb8};
            store_be32(bytes + (ipv6 ? 12 : 0), 0x0a4d0000 + i);
            const std::uint64_t hash =
                hash_of(ipv6 ? IpAddress::from_ipv6(bytes) : IpAddress::from_ipv4(bytes));
            ++low[hash % 2048];
            ++high[hash >> 53];
        }
        for (const std::vector<int>* table : {&low, &high}) {
            EXPECT_GT(std::ranges::count_if(*table, [](int n) { return n != 0; }), 700) << ipv6;
            EXPECT_LT(*std::ranges::max_element(*table), 9);
        }
    }
}

TEST(Address, AgreesWithInetNtopOnRandomAddresses) {
    std::mt19937 random(7);
    for (int i = 0; i < 20000; ++i) {
        std::uint8_t bytes[16];
        for (std::uint8_t& byte : bytes) {  // many zero groups, so that "::" occurs everywhere
            byte = random() % 3 == 0 ? static_cast<std::uint8_t>(random()) : 0;
        }
        bytes[0] |= 0x20;  // not IPv4-mapped or -compatible: inet_ntop prints those as dotted quads
        char expected[INET6_ADDRSTRLEN];
        ASSERT_NE(inet_ntop(AF_INET6, bytes, expected, sizeof expected), nullptr);
        const IpAddress address = IpAddress::from_ipv6(bytes);
        EXPECT_EQ(address.text(), expected);
        EXPECT_EQ(IpAddress::parse(expected), address);
    }
}

TEST(Address, AgreesWithInetNtopOnQuadsOfAllLengths) {
    constexpr std::uint8_t kOctets[] = {0, 7, 9, 10, 42, 99, 100, 200, 255};
    for (const std::uint8_t a : kOctets) {
        for (const std::uint8_t b : kOctets) {
            for (const std::uint8_t c : kOctets) {
                for (const std::uint8_t d : kOctets) {
                    const std::uint8_t bytes[4] = {a, b, c, d};
                    char expected[INET_ADDRSTRLEN];
                    ASSERT_NE(inet_ntop(AF_INET, bytes, expected, sizeof expected), nullptr);
                    ASSERT_EQ(IpAddress::from_ipv4(bytes).text(), expected);
                }
            }
        }
    }
}

TEST(Address, KnowsItsRanges) {
    const auto at = [](const char* text) { return *IpAddress::parse(text); };
    for (const char* text : {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.4.4",
                             "100.64.0.1", "100.127.255.255", "192.0.0.3", "fd00::1"}) {
        EXPECT_TRUE(at(text).is_private()) << text;
    }
    for (const char* text : {"11.0.0.1", "172.32.0.1", "172.15.0.1", "100.63.0.1", "100.128.0.0",
                             "192.0.1.1", "8.8.8.8", "2001:db8::1"}) {
        EXPECT_FALSE(at(text).is_private()) << text;
    }
    EXPECT_TRUE(at("239.1.1.1").is_multicast());
    EXPECT_TRUE(at("ff02::1").is_multicast());
    EXPECT_TRUE(at("255.255.255.255").is_broadcast());
    EXPECT_TRUE(at("127.0.0.53").is_loopback());
    EXPECT_TRUE(at("::1").is_loopback());
    EXPECT_TRUE(at("fe80::1").is_link_local());
    EXPECT_TRUE(at("::").is_unspecified());
    EXPECT_FALSE(IpAddress().is_unspecified());
}

TEST(Endpoint, RoundTrips) {
    for (const char* text : {"192.0.2.1:5060", "[2001:db8::1]:0", "0.0.0.0:65535"}) {
        const auto endpoint = Endpoint::parse(text);
        ASSERT_TRUE(endpoint) << text;
        EXPECT_EQ(endpoint->text(), text);
    }
    for (const char* text : {"192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "2001:db8::1:5060",
                             "[192.0.2.1]:5060", ":5060"}) {
        EXPECT_FALSE(Endpoint::parse(text)) << text;
    }
}

TEST(Prefix, ContainsAndMasks) {
    const Prefix prefix = *Prefix::parse("10.77.5.1/22");
    EXPECT_EQ(prefix.network().text(), "10.77.4.0/22");
    EXPECT_TRUE(prefix.contains(*IpAddress::parse("10.77.7.255")));
    EXPECT_FALSE(prefix.contains(*IpAddress::parse("10.77.8.0")));
    EXPECT_FALSE(prefix.contains(*IpAddress::parse("::1")));
    EXPECT_TRUE(Prefix::parse("::/0")->contains(*IpAddress::parse("2001:db8::1")));
    EXPECT_EQ(Prefix::parse("10.0.0.1")->length, 32);
    EXPECT_FALSE(Prefix::parse("10.0.0.0/33"));
    EXPECT_FALSE(Prefix::parse("10.0.0.0/"));
}

TEST(Mac, RoundTrips) {
    EXPECT_EQ(MacAddress::parse("02:00:aB:00:00:09")->text(), "02:00:ab:00:00:09");
    EXPECT_FALSE(MacAddress::parse("02-00-00-00-00-09"));
    EXPECT_FALSE(MacAddress::parse("02:00:00:00:00"));
}

}  // namespace
}  // namespace lb
