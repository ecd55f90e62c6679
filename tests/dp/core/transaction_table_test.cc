#include "dp/core/transaction_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

#include "dp/base/text_mac.h"
#include "dp/table/random.h"

namespace lb::core {
namespace {

using table::DestinationId;

TEST(transaction_table, remembers_until_its_time_is_over) {
    TransactionTable table(64);
    DestinationId id{};
    EXPECT_FALSE(table.find(0, 0, id));
    table.store(0, DestinationId{7}, 0, 32);
    ASSERT_TRUE(table.find(0, 31999, id));
    EXPECT_EQ(id, DestinationId{7});
    EXPECT_FALSE(table.find(0, 32000, id));
    table.store(0, DestinationId{8}, 40000, 32);
    ASSERT_TRUE(table.find(0, 41000, id));
    EXPECT_EQ(id, DestinationId{8});
    EXPECT_EQ(table.size(), 1U);
}

// 0 is a number like any other, no sign of a free entry.
TEST(transaction_table, number_0_has_one_entry) {
    TransactionTable table(8);
    table.store(5, DestinationId{5}, 0, 10);
    table.store(0, DestinationId{7}, 0, 300);
    table.expire(20'000, 1);
    table.store(0, DestinationId{8}, 20'000, 300);
    EXPECT_EQ(table.size(), 1U);
    DestinationId id{};
    ASSERT_TRUE(table.find(0, 20'000, id));
    EXPECT_EQ(id, DestinationId{8});
}

TEST(transaction_table, a_full_bucket_loses_what_expires_first) {
    TransactionTable table(8);
    for (std::uint32_t i = 0; i < 8; ++i) table.store(i, DestinationId{i}, 0, i == 3 ? 32 : 300);
    EXPECT_EQ(table.evictions(), 0U);
    table.store(100, DestinationId{100}, 0, 32);
    EXPECT_EQ(table.evictions(), 1U);
    EXPECT_EQ(table.size(), 8U);
    DestinationId id{};
    EXPECT_FALSE(table.find(3, 0, id));
    EXPECT_TRUE(table.find(100, 0, id));
    EXPECT_TRUE(table.find(7, 0, id));
}

TEST(transaction_table, expiry_is_bounded_and_complete) {
    TransactionTable table(1024);
    for (std::uint64_t i = 0; i < 500; ++i) table.store(i, DestinationId{1}, 0, 10);
    const std::uint64_t stored = table.size();
    table.expire(10000, 4);
    EXPECT_GE(table.size(), stored - 32);
    for (int turn = 0; turn < 40; ++turn) table.expire(10000, 4);
    EXPECT_EQ(table.size(), 0U);
}

// With every key, also of branches that differ in a number only. Chance alone fills one bucket of
// eight in 4000 with more.
TEST(transaction_table, a_quarter_full_it_loses_next_to_nothing) {
    std::mt19937_64 random(5);
    for (int round = 0; round < 300; ++round) {
        TextKey key;
        for (std::uint64_t& word : key.words) word = random();
        TransactionTable table(1 << 13);
        for (std::uint32_t i = 0; i < 2048; ++i) {
            const std::string branch = "z9hG4bK-2731-" + std::to_string(i + 1) + "-0";
            table.store(text_hash(key, 0, branch, "10.0.0.9:5060"), DestinationId{i}, 0, 300);
        }
        ASSERT_LE(table.evictions(), 10U) << round;
    }
}

// Beside a plain map that never forgets: what is found is right, and enough is found.
TEST(transaction_table, equals_a_map_while_it_has_room) {
    TransactionTable table(1 << 14);
    std::map<std::uint64_t, std::uint32_t> twin;
    std::uint64_t state = 5;
    for (std::uint32_t i = 0; i < 2000; ++i) {
        const std::uint64_t transaction = table::next_random(state);
        table.store(transaction, DestinationId{i}, i, 300);
        twin[transaction] = i;
    }
    for (const auto& [transaction, value] : twin) {
        DestinationId id{};
        ASSERT_TRUE(table.find(transaction, 4000, id));
        EXPECT_EQ(id, DestinationId{value});
    }
    EXPECT_EQ(table.evictions(), 0U);
}

}  // namespace
}  // namespace lb::core
