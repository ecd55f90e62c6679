#include "dp/table/algorithm.h"

#include <gtest/gtest.h>

namespace lb::table {
namespace {

TEST(algorithm, names_and_numbers) {
    EXPECT_EQ(parse_algorithm("0"), Algorithm::kCallId);
    EXPECT_EQ(parse_algorithm("64"), Algorithm::kOverload);
    EXPECT_EQ(parse_algorithm("99"), static_cast<Algorithm>(99));
    EXPECT_EQ(parse_algorithm("-1"), static_cast<Algorithm>(-1));
    EXPECT_EQ(parse_algorithm("maglev"), Algorithm::kMaglev);
    EXPECT_EQ(parse_algorithm("Round-Robin"), Algorithm::kRoundRobin);
    EXPECT_EQ(parse_algorithm("call_id"), Algorithm::kCallId);
    for (const char* text : {"", "-", "4x", "4 ", "99999", "roundrobi", "maglevs"}) {
        EXPECT_EQ(parse_algorithm(text), std::nullopt) << text;
    }
}

TEST(algorithm, every_name_leads_back_to_its_number) {
    for (int number : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 64, 100, 101}) {
        const auto algorithm = static_cast<Algorithm>(number);
        EXPECT_EQ(parse_algorithm(algorithm_name(algorithm)), algorithm) << number;
    }
    EXPECT_EQ(algorithm_name(static_cast<Algorithm>(99)), "unknown");
}

TEST(algorithm, what_a_configuration_may_not_name) {
    EXPECT_NE(algorithm_problem(Algorithm::kParallel, true, true), "");
    EXPECT_NE(algorithm_problem(Algorithm::kHashPvar, false, true), "");
    EXPECT_NE(algorithm_problem(Algorithm::kCallLoad, true, false), "");
    EXPECT_EQ(algorithm_problem(Algorithm::kHashPvar, true, false), "");
    EXPECT_EQ(algorithm_problem(Algorithm::kCallLoad, false, true), "");
    EXPECT_EQ(algorithm_problem(Algorithm::kCallId, false, false), "");
    EXPECT_EQ(algorithm_problem(static_cast<Algorithm>(99), false, false), "");
}

}  // namespace
}  // namespace lb::table
