#include "dp/table/shares.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "dp/table/random.h"

namespace lb::table {
namespace {

TEST(shares, hundred_is_deterministic_and_shuffled) {
    const Share shares[] = {{3, 30}, {7, 20}};
    const Hundred one = fill_hundred(shares, 9, 42);
    EXPECT_EQ(one, fill_hundred(shares, 9, 42));
    EXPECT_NE(one, fill_hundred(shares, 9, 43));
    std::map<std::uint32_t, int> counts;
    for (const std::uint32_t index : one) ++counts[index];
    EXPECT_EQ(counts, (std::map<std::uint32_t, int>{{3, 30}, {7, 20}, {9, 50}}));
}

// Property: in one turn every member comes exactly its weight over the common divisor, whatever the
// weights.
TEST(shares, fair_turns_are_exact) {
    std::uint64_t state = 7;
    for (int round = 0; round < 300; ++round) {
        std::vector<Share> shares;
        const std::size_t count = next_random(state) % 150 + 1;
        for (std::uint32_t i = 0; i < count; ++i) {
            const auto weight = static_cast<std::uint32_t>(next_random(state) % 100 + 1);
            shares.push_back({i * 3, round % 3 == 0 ? 50 : weight});
        }
        const FairTurns turns(shares);
        std::map<std::uint32_t, std::uint64_t> counts;
        for (std::uint32_t slot = 0; slot < turns.turn(); ++slot) ++counts[turns.at(slot)];
        ASSERT_EQ(counts.size(), count);
        for (const Share& share : shares) {
            ASSERT_EQ(counts[share.index] * shares[0].weight, counts[0] * share.weight);
        }
    }
}

TEST(shares, fair_turns_of_many_equal_members_visit_all_before_any_twice) {
    std::vector<Share> shares;
    for (std::uint32_t i = 0; i < 100000; ++i) shares.push_back({i, 100});
    const FairTurns turns(shares);
    ASSERT_EQ(turns.turn(), 100000U);
    std::set<std::uint32_t> seen;
    for (std::uint32_t slot = 0; slot < turns.turn(); ++slot) seen.insert(turns.at(slot));
    EXPECT_EQ(seen.size(), 100000U);
}

TEST(shares, skewed_weights_in_one_section) {
    std::vector<Share> shares;
    for (std::uint32_t i = 0; i < 500; ++i) shares.push_back({i, i < 400 ? 1U : 100U});
    const FairTurns turns(shares);
    ASSERT_EQ(turns.turn(), 10400U);
    std::vector<int> counts(500);
    for (std::uint32_t slot = 0; slot < turns.turn(); ++slot) ++counts[turns.at(slot)];
    for (std::size_t i = 0; i < 500; ++i) ASSERT_EQ(counts[i], i < 400 ? 1 : 100);
}

}  // namespace
}  // namespace lb::table
