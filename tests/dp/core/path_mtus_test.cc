#include "dp/core/path_mtus.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace lb::test {
namespace {

using core::PathMtus;

IpAddress address(std::uint32_t n) {
    std::array<std::uint8_t, 16> bytes{0x20, 0x01, 0x0d, 0xb8};
    bytes[15] = static_cast<std::uint8_t>(n);
    bytes[14] = static_cast<std::uint8_t>(n >> 8);
    bytes[13] = static_cast<std::uint8_t>(n >> 16);
    return IpAddress::from_ipv6(bytes.data());
}

constexpr std::uint64_t kLifeMs = PathMtus::kLifeSeconds * 1000;

TEST(PathMtus, KeepsTheLeastForItsLife) {
    PathMtus paths;
    const std::uint64_t start = 5'000;
    EXPECT_EQ(paths.find(address(1), start), 0);
    paths.learn(address(1), 1400, start);
    EXPECT_EQ(paths.find(address(1), start), 1400);
    EXPECT_EQ(paths.find(address(2), start), 0);
    paths.learn(address(1), 1300, start);
    paths.learn(address(1), 1400, start);  // no message makes it grow
    EXPECT_EQ(paths.find(address(1), start + kLifeMs - 1), 1300);
    EXPECT_EQ(paths.find(address(1), start + kLifeMs), 0);
    paths.learn(address(1), 1450, start + kLifeMs);
    EXPECT_EQ(paths.find(address(1), start + kLifeMs), 1450);
    EXPECT_EQ(paths.learned(), 4U);
}

// The seconds are kept in 24 bits.
TEST(PathMtus, LastsOverTheEndOfItsClock) {
    PathMtus paths;
    const std::uint64_t end = (std::uint64_t{1} << 24) * 1000;
    paths.learn(address(1), 1400, end - 2'000);
    EXPECT_EQ(paths.find(address(1), end + 2'000), 1400);
    EXPECT_EQ(paths.find(address(1), end + kLifeMs), 0);
}

// Of many more addresses than slots nobody gets what was said of another one.
TEST(PathMtus, IsBoundedAndTellsAddressesApart) {
    auto paths = std::make_unique<PathMtus>();
    const std::uint32_t many = 20 * PathMtus::kSlots;
    const auto mtu_of = [](std::uint32_t n) { return static_cast<std::uint16_t>(1280 + n % 200); };
    std::uint32_t kept = 0;
    for (std::uint32_t n = 0; n < many; ++n) {
        paths->learn(address(n), mtu_of(n), 0);
        EXPECT_EQ(paths->find(address(n), 0), mtu_of(n));
    }
    for (std::uint32_t n = 0; n < many; ++n) {
        const std::uint16_t found = paths->find(address(n), 0);
        EXPECT_TRUE(found == 0 || found == mtu_of(n)) << n;
        kept += found != 0;
    }
    EXPECT_LE(kept, PathMtus::kSlots);
    EXPECT_GT(kept, PathMtus::kSlots * 9 / 10);
}

TEST(PathMtus, IsForAllWorkers) {
    auto paths = std::make_unique<PathMtus>();
    std::vector<std::thread> workers;
    for (std::uint32_t worker = 0; worker < 2; ++worker) {
        workers.emplace_back([&paths, worker] {
            for (std::uint32_t i = 0; i < 20'000; ++i) {
                const std::uint32_t n = i % 100;
                if (i % 2 == worker) paths->learn(address(n), 1400, i);
                const std::uint16_t found = paths->find(address(n), i);
                EXPECT_TRUE(found == 0 || found == 1400);
            }
        });
    }
    for (std::thread& worker : workers) worker.join();
    EXPECT_EQ(paths->learned(), 20'000U);
}

}  // namespace
}  // namespace lb::test
