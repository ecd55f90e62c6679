#include "cp/appliance_setup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "cp/line_budget.h"

namespace lb::cp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kPorts = R"(
[[port]]
name = "edge"
device = "net_af_packet0,iface=sl0"
tap = "edge0"
addresses = ["10.77.0.1/24"]
[[port]]
name = "bare"
device = "net_null0"
addresses = ["10.78.0.1/24"]
)";

Config config_of(const std::string& rest, const std::string& ports = kPorts) {
    auto config = parse_config(ports + rest, "test.toml");
    EXPECT_TRUE(config) << config.error().message;
    return std::move(*config);
}

const std::string kService = "[[service]]\nname = \"public\"\nset = 1\n";

TEST(EalArguments, WorkersBecomeLcores) {
    EXPECT_THAT(*lcore_arguments(0, {0, 1}), IsEmpty()) << "as DPDK likes";
    EXPECT_THAT(*lcore_arguments(1, {0, 1}), ElementsAre("--lcores", "0@0,1@1"));
    EXPECT_THAT(*lcore_arguments(2, {4, 5, 9}), ElementsAre("--lcores", "0@4,1@5,2@9"));
    EXPECT_THAT(*lcore_arguments(2, {0, 1}), ElementsAre("--lcores", "0@0,1@1,2@0"))
        << "the last beside the control thread";
    EXPECT_THAT(*lcore_arguments(1, {3}), ElementsAre("--lcores", "0@3,1@3"));
    const auto many = lcore_arguments(5, {0, 1, 2, 3});
    ASSERT_FALSE(many);
    EXPECT_THAT(many.error().message, HasSubstr("workers = 5"));
    EXPECT_THAT(many.error().message, HasSubstr("4 CPUs"));
    EXPECT_FALSE(lcore_arguments(1, {}));
    EXPECT_GE(usable_cpus().size(), 1U);
}

TEST(EalArguments, OrdinaryMemoryOnlyWhereNothingElseWasAskedFor) {
    const EalArguments fallen = eal_arguments({"-l", "0"}, 0);
    EXPECT_THAT(fallen.args, ElementsAre("-l", "0", "--no-huge", "-m", "512"));
    EXPECT_THAT(fallen.warning, HasSubstr("vm.nr_hugepages"));
    EXPECT_THAT(eal_arguments({"-l", "0"}, 8).args, ElementsAre("-l", "0"));
    for (const char* said : {"-m", "-m512", "--no-huge", "--in-memory", "--huge-dir=/x"}) {
        const EalArguments kept = eal_arguments({said}, 0);
        EXPECT_THAT(kept.args, ElementsAre(said));
        EXPECT_THAT(kept.warning, IsEmpty());
    }
    EXPECT_THAT(eal_arguments({"--main-lcore=1"}, 0).args.size(), 4U) << "not about memory";
}

TEST(KernelListeners, NotThoseOfPortsWithoutTwin) {
    const auto listeners = kernel_listeners(config_of(kService));
    EXPECT_THAT(listeners, ElementsAre(*Endpoint::parse("10.77.0.1:5060")));
}

TEST(Reload, SaysWhatNeedsARestartAndKeepsIt) {
    const Config now = config_of(kService);
    EXPECT_THAT(needs_restart(now, now), IsEmpty());
    std::string ports = kPorts;
    ports.replace(ports.find("10.78.0.1"), 9, "10.79.0.1");
    const Config next = config_of(
        kService + "[eal]\nargs = [\"-l\", \"0-3\"]\n[dispatcher]\nds_hash_size = 4\n", ports);
    EXPECT_THAT(needs_restart(now, next),
                ElementsAre("[eal]", "[[port]]", "[dispatcher] ds_hash_*"));
    EXPECT_THAT(needs_restart(now, merge_reloadable(now, next)), IsEmpty());

    Config other = now;
    other.transactions = 2 * now.transactions;
    other.workers = 3;
    other.adaptive = false;
    other.spread_calls = true;
    other.rpc.json_pretty = false;
    other.http.listen = Endpoint::parse("127.0.0.1:9");
    other.secret_file = "/elsewhere";
    EXPECT_THAT(needs_restart(now, other),
                ElementsAre("[rpc]", "[http]", "secret_file", "transactions", "workers", "adaptive",
                            "spread"));
    EXPECT_THAT(needs_restart(now, merge_reloadable(now, other)), IsEmpty());

    Config moved = now;
    for (PortConfig& port : moved.ports) port.line += 7;
    EXPECT_THAT(needs_restart(now, moved), IsEmpty()) << "the same ports, further down the file";
}

TEST(Reload, ServicesChangeWithoutANewModel) {
    const Config now = config_of(kService);
    EXPECT_TRUE(
        same_model(now, config_of(kService + "algorithm = 4\nno_destination = \"503 x\"\n")));
    EXPECT_FALSE(same_model(now, config_of(kService + "listen = [\"10.77.0.1:5070\"]\n")));
    EXPECT_FALSE(same_model(now, config_of(kService + "[dispatcher]\nds_probing_threshold = 4\n")));
}

TEST(PortStats, OneRowADevice) {
    const Config config = config_of(kService);
    io::DeviceStats device;
    device.device = "net_af_packet0";
    device.stats.rx_packets = 7;
    const auto rows = port_stats(config.ports, {device});
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].name, "edge");
    EXPECT_EQ(rows[0].rx_packets, 7U);
}

TEST(LineBudget, ASecondHasSoManyLinesAndTheRestIsCounted) {
    LineBudget budget(3);
    const LineBudget::Clock::time_point start{std::chrono::hours(1)};
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.take(start));
    EXPECT_FALSE(budget.take(start));
    EXPECT_FALSE(budget.take(start + std::chrono::milliseconds(999)));
    EXPECT_EQ(budget.take_left_out(), 2U);
    EXPECT_EQ(budget.take_left_out(), 0U) << "told once";
    EXPECT_TRUE(budget.take(start + std::chrono::seconds(1)));
    EXPECT_EQ(budget.take_left_out(), 0U);
}

}  // namespace
}  // namespace lb::cp
