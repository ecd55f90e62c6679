#include "cp/appliance_setup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "cp/line_budget.h"
#include "cp/log.h"

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
    EXPECT_EQ(merge_reloadable(now, moved).ports[0].line, moved.ports[0].line);
}

TEST(Reload, ServicesChangeWithoutANewModel) {
    const Config now = config_of(kService);
    EXPECT_TRUE(
        same_model(now, config_of(kService + "algorithm = 4\nno_destination = \"503 x\"\n")));
    EXPECT_FALSE(same_model(now, config_of(kService + "listen = [\"10.77.0.1:5070\"]\n")));
    const auto named = [](const std::string& name) {
        return config_of(kService + "listen = [{ address = \"10.77.0.1:5060\", name = \"" + name +
                         "\" }]\n");
    };
    EXPECT_TRUE(same_model(named("x"), named("x")));
    EXPECT_FALSE(same_model(named("x"), named("y")));
    EXPECT_TRUE(same_model(now, config_of(kService + "[dispatcher]\nds_ping_interval = 5\n")));
    EXPECT_FALSE(same_model(now, config_of("compat = \"6.1\"\n" + kPorts + kService, "")));
}

// Otherwise the new value would wait for a restart, and nothing would say so.
TEST(Reload, EachOptionOfTheModelNeedsANewOne) {
    const std::string with = kService + "[dispatcher]\nds_ping_interval = 5\n";
    const Config now = config_of(with);
    for (const char* option :
         {"ds_load_mode = 1", "ds_attrs_none = true", "reload_keeps_state = false",
          "ds_dns_mode = 4", "ds_probing_mode = 1", "ds_probing_threshold = 2",
          "ds_inactive_threshold = 2", "ds_ping_latency_stats = true",
          "ds_retain_latency_stats = true", "ds_latency_estimator_alpha = 800",
          "hold_until_probed = true"}) {
        EXPECT_FALSE(same_model(now, config_of(with + option + "\n"))) << option;
    }
}

TEST(DataPlaneConfig, ComesFromTheConfiguration) {
    const Config usual = config_of(kService);
    const io::DataPlaneConfig as_is = data_plane_config(usual);
    EXPECT_EQ(as_is.idle, io::IdleMode::kAdaptive);
    EXPECT_FALSE(as_is.spread);
    EXPECT_NE(as_is.route, nullptr);
    Config config = usual;
    config.adaptive = false;
    config.spread_calls = true;
    config.transactions = 4096;
    config.ports[0].mtu = 9000;
    config.ports[0].vlan = 7;
    const io::DataPlaneConfig out = data_plane_config(config);
    EXPECT_EQ(out.idle, io::IdleMode::kPoll);
    EXPECT_TRUE(out.spread);
    EXPECT_EQ(out.transactions, 4096U);
    ASSERT_EQ(out.interfaces.size(), 2U);
    EXPECT_EQ(out.interfaces[0].name, "edge");
    EXPECT_EQ(out.interfaces[0].device, "net_af_packet0,iface=sl0");
    EXPECT_EQ(out.interfaces[0].tap, "edge0");
    EXPECT_EQ(out.interfaces[0].mtu, 9000);
    EXPECT_EQ(out.interfaces[0].vlan, 7);
    EXPECT_EQ(out.interfaces[1].tap, "");
}

TEST(CallLoad, OnlyWithATableForIt) {
    DispatcherConfig config;
    EXPECT_EQ(make_call_load(config, Secret()), nullptr);
    config.ds_hash_size = 24;
    EXPECT_EQ(make_call_load(config, Secret())->buckets(), std::size_t{1} << 17) << "at most";
    config.ds_hash_size = 3;
    EXPECT_EQ(make_call_load(config, Secret())->buckets(), 8U);
}

TEST(PortStats, OneRowADevice) {
    const Config config = config_of(kService);
    io::DeviceStats device;
    device.device = "net_af_packet0";
    device.stats = {true, 7, 8, 9, 10, 11, 12, 13};
    const auto rows = port_stats(config.ports, {device});
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].name, "edge");
    EXPECT_TRUE(rows[0].link_up);
    EXPECT_EQ(rows[0].rx_packets, 7U);
    EXPECT_EQ(rows[0].rx_bytes, 8U);
    EXPECT_EQ(rows[0].rx_missed, 9U);
    EXPECT_EQ(rows[0].rx_errors, 10U);
    EXPECT_EQ(rows[0].tx_packets, 11U);
    EXPECT_EQ(rows[0].tx_bytes, 12U);
    EXPECT_EQ(rows[0].tx_errors, 13U);
}

// By the word that an operator greps for: only what takes a destination out or back has its own.
TEST(Log, ChangesOfStateHaveTheirNames) {
    struct Row {
        std::uint32_t from, to;
        const char* line;
        StateChange::Cause cause = StateChange::Cause::kCommand;
    };
    const Row rows[] = {
        {0, 1, "destination.inactive set=2 uri=sip:a from=AX to=IX reason=command generation=9"},
        {2, 4, "destination.inactive set=2 uri=sip:a from=TX to=DX reason=command generation=9"},
        {1, 0, "destination.active set=2 uri=sip:a from=IX to=AX reason=command generation=9"},
        {1, 4, "destination.state set=2 uri=sip:a from=IX to=DX reason=command generation=9"},
        {8, 0, "destination.state set=2 uri=sip:a from=AP to=AX reason=command generation=9"},
        {0, 1, "destination.inactive set=2 uri=sip:a from=AX to=IX reason=reload generation=9",
         StateChange::Cause::kReload},
    };
    set_up_log(LogConfig{});
    for (const Row& row : rows) {
        testing::internal::CaptureStderr();
        log_state_change({table::DestinationId{1}, 2, "sip:a", row.from, row.to, row.cause}, 9);
        EXPECT_THAT(testing::internal::GetCapturedStderr(),
                    HasSubstr(std::string(" info ") + row.line + "\n"));
    }
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
