#include "dp/net/source_ledger.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace lb::net {
namespace {

TEST(SourceLedger, KnowsTheHeaviestLikeAMapOfWeights) {
    constexpr std::size_t kSources = 40, kWeightMax = 9;
    std::mt19937 random(41);
    SourceLedger ledger(kSources, kWeightMax, {1, 2});
    std::map<std::string, std::uint32_t> weights;
    for (int i = 0; i < 200000; ++i) {
        const unsigned n = static_cast<unsigned>(random() % kSources);
        const std::string name =
            n % 2 == 0 ? "10.0.0." + std::to_string(n) : "2001:db8:0:" + std::to_string(n) + "::1";
        const IpAddress address = *IpAddress::parse(name);
        const std::uint32_t at = ledger.find(address);
        const std::uint32_t weight = weights.contains(name) ? weights[name] : 0;
        ASSERT_EQ(ledger.weight(at), weight);
        ASSERT_EQ(at == kNil, weight == 0);
        if (random() % 2 == 0 && weight < kWeightMax) {
            ledger.open(address);
            ++weights[name];
        } else if (weight != 0) {
            const auto less = static_cast<std::uint32_t>(1 + random() % weight);
            ledger.subtract(at, less);
            weights[name] -= less;
        }
        std::uint32_t most = 0;
        for (const auto& [who, held] : weights) most = std::max(most, held);
        ASSERT_EQ(ledger.weight(ledger.heaviest()), most);
    }
}

TEST(SourceLedger, ASlash64IsOneSource) {
    SourceLedger ledger(4, 9, {1, 2});
    ledger.open(*IpAddress::parse("2001:db8::1"));
    EXPECT_EQ(ledger.weight(ledger.find(*IpAddress::parse("2001:db8::ffff:1"))), 1U);
    EXPECT_EQ(ledger.find(*IpAddress::parse("2001:db8:0:1::1")), kNil);
    ledger.open(*IpAddress::parse("10.0.0.1"));
    EXPECT_EQ(ledger.find(*IpAddress::parse("10.0.0.2")), kNil);
}

}  // namespace
}  // namespace lb::net
