#include "dp/io/eal.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/dp/io/io_fixture.h"

namespace lb::io {
namespace {

using Args = std::vector<std::string>;

TEST(EalArgs, HugePagesNeedNoMount) {
    EXPECT_EQ(plan_eal_args({"-l", "0-1"}, 64).value(), (Args{"-l", "0-1", "--in-memory"}));
    EXPECT_EQ(plan_eal_args({"--huge-dir=/mnt/h"}, 64).value(), (Args{"--huge-dir=/mnt/h"}));
    EXPECT_EQ(plan_eal_args({"--file-prefix", "x"}, 64).value(), (Args{"--file-prefix", "x"}));
}

TEST(EalArgs, WithoutHugePagesSaysWhatToDo) {
    const auto planned = plan_eal_args({"-l", "0"}, 0);
    ASSERT_FALSE(planned);
    EXPECT_NE(planned.error().message.find("vm.nr_hugepages"), std::string::npos);
    EXPECT_NE(planned.error().message.find("--no-huge"), std::string::npos);
}

TEST(EalArgs, NoHugeGetsAMemorySize) {
    EXPECT_EQ(plan_eal_args({"--no-huge"}, 0).value(),
              (Args{"--no-huge", "-m", "512", "--no-shconf"}));
    EXPECT_EQ(plan_eal_args({"--no-huge", "-m", "64"}, 0).value(),
              (Args{"--no-huge", "-m", "64", "--no-shconf"}));
}

TEST(EalArgs, RefusesBothMemoryModes) {
    EXPECT_FALSE(plan_eal_args({"--no-huge", "--in-memory"}, 64));
}

TEST(Eal, NamesTheLcoresOfWorkers) {
    EXPECT_EQ(test::eal().worker_lcores(), std::vector<unsigned>{1});
}

}  // namespace
}  // namespace lb::io
