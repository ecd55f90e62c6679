#include "cp/set_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace lb::cp {
namespace {

std::vector<std::int32_t> listed(const std::vector<std::int32_t>& ids) {
    std::vector<std::int32_t> out;
    for (const std::uint32_t at : listing_order(ids)) out.push_back(ids[at]);
    return out;
}

using Ids = std::vector<std::int32_t>;

// Recorded: golden/kamcmd s02, s03, s03b, s07 (after the first listing), spec 6.3.
TEST(SetOrder, AsRecorded) {
    EXPECT_EQ(listed({1, 2, 3}), (Ids{1, 3, 2}));
    EXPECT_EQ(listed({1, 2, 3, 4, 5, 7}), (Ids{1, 3, 2, 7, 5, 4}));
    EXPECT_EQ(listed({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}), (Ids{1, 3, 2, 5, 7, 6, 10, 9, 8, 4}));
    EXPECT_EQ(listed({3, 1, 2, 5, 4}), (Ids{1, 3, 5, 4, 2}));
    EXPECT_EQ(listed({1, 0, -5, 2147483647, 3}), (Ids{-5, 1, 2147483647, 3, 0}));
    EXPECT_EQ(listed({1, 2}), (Ids{2, 1}));
    EXPECT_EQ(listed({}), Ids{});
}

// Each rebuild of Kamailio inserts the sets as listed before: more recorded pairs.
TEST(SetOrder, AsRecordedAfterRebuilds) {
    EXPECT_EQ(listed({1, 3, 5, 4, 2, 6}), (Ids{2, 1, 4, 6, 5, 3}));
    EXPECT_EQ(listed({2, 1, 4, 6, 5}), (Ids{1, 4, 6, 5, 2}));
    EXPECT_EQ(listed({2, 1, 55}), (Ids{1, 55, 2}));
    EXPECT_EQ(listed({1, 55, 2, -4}), (Ids{-4, 1, 55, 2}));
}

TEST(SetOrder, AnyOrderListsEachOnce) {
    std::mt19937 random(7);
    for (int round = 0; round < 50; ++round) {
        Ids ids(200);
        for (int i = 0; i < 200; ++i) ids[static_cast<std::size_t>(i)] = i * 3 - 100;
        std::shuffle(ids.begin(), ids.end(), random);
        Ids out = listed(ids);
        std::sort(out.begin(), out.end());
        std::sort(ids.begin(), ids.end());
        EXPECT_EQ(out, ids);
    }
}

}  // namespace
}  // namespace lb::cp
