#include "cp/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "dp/base/limits.h"
#include "tests/support/run_program.h"

namespace lb::cp {
namespace {

constexpr const char* kSmall = R"(
[[port]]
device = "net_tap0"
addresses = ["10.77.0.1/24", "fd77::1/64"]
[[service]]
name = "public"
)";

Result<Config> parse(const std::string& more) { return parse_config(kSmall + more, "f.toml"); }

std::string error_of(const std::string& more) {
    const auto config = parse(more);
    return config ? "accepted" : config.error().message;
}

TEST(Config, EveryDefaultServes) {
    const auto config = parse("");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_TRUE(config->warnings.empty());
    ASSERT_EQ(config->services.size(), 1u);
    const ServiceConfig& service = config->services[0];
    ASSERT_EQ(service.listen.size(), 2u);
    EXPECT_EQ(service.listen[0].endpoint.text(), "10.77.0.1:5060");
    EXPECT_EQ(service.listen[1].endpoint.text(), "[fd77::1]:5060");
    EXPECT_EQ(service.set, 1);
    EXPECT_EQ(config->dispatcher.db_url, "sqlite:///var/lib/siplane/siplane.db");
    EXPECT_EQ(config->dispatcher.list_file, "");
    EXPECT_EQ(config->probe_timeout_ms(), 30000);
    ASSERT_TRUE(config->http.listen);
    EXPECT_EQ(config->http.listen->text(), "127.0.0.1:9460");
}

TEST(Config, WorkersOrLcoresButNotBoth) {
    const std::string ports =
        "[[port]]\ndevice = \"d\"\naddresses = [\"10.0.0.1/24\"]\n"
        "[[service]]\nname = \"a\"\n";
    const auto error_with = [&](const std::string& args) {
        const auto config = parse_config(
            "adaptive = true\nworkers = 2\n[eal]\nargs = [" + args + "]\n" + ports, "f");
        return config ? std::to_string(config->workers) : config.error().message;
    };
    EXPECT_EQ(error_with("\"--no-pci\", \"--log-level=8\""), "2");
    EXPECT_EQ(error_with("\"-l\", \"0-3\""),
              "f:2: workers: 2 workers, and lcores by \"-l\" in eal.args: only one of the two may "
              "choose them");
    for (const char* option : {"\"-l0-3\"", "\"-c\", \"0xf\"", "\"--lcores=0@0,1@1\""}) {
        EXPECT_TRUE(error_with(option).starts_with("f:2: workers: ")) << option;
    }
}

TEST(Config, TransactionsWithinBounds) {
    const auto with = [](const std::string& value) {
        const auto config = parse_config("transactions = " + value + "\n" + kSmall, "f");
        return config ? std::to_string(config->transactions) : config.error().message;
    };
    EXPECT_EQ(with("8"), "8");
    EXPECT_EQ(with("67108864"), "67108864");
    for (const char* value : {"7", "67108865", "-1", "4294967304"}) {
        EXPECT_EQ(with(value), "f:1: transactions: " + std::string(value) +
                                   " is not an integer from 8 to 67108864");
    }
}

TEST(Config, NetAfPacketCutsLongMessages) {
    const auto warnings = [](const std::string& device) {
        const auto config = parse_config("[[port]]\nname = \"edge\"\ndevice = \"" + device +
                                             "\"\naddresses = [\"10.0.0.1/24\"]\n"
                                             "[[service]]\nname = \"a\"\n",
                                         "f");
        EXPECT_TRUE(config) << config.error().message;
        return config->warnings;
    };
    ASSERT_EQ(warnings("net_af_packet0,iface=eth1").size(), 1U);
    EXPECT_EQ(warnings("net_af_packet0,iface=eth1,framesz=2048")[0],
              "f:1: port \"edge\".device: IPv4 messages above 2 KB get lost: add "
              "\",framesz=8192,blocksz=65536\"");
    EXPECT_EQ(warnings("net_af_packet0,iface=eth1,framesz=8192,blocksz=65536").size(), 0U);
    EXPECT_EQ(warnings("net_af_packet0").size(), 0U) << "the first entry of this device says it";
    EXPECT_EQ(warnings("net_af_xdp0,iface=eth1").size(), 0U);
}

TEST(Config, TheSampleServes) {
    const auto config = load_config(std::string(SIPLANE_SOURCE) + "/scripts/siplane.toml");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_TRUE(config->warnings.empty());
    EXPECT_EQ(config->ports.at(0).tap, "edge0");
    EXPECT_EQ(config->dispatcher.ds_ping_interval, 30);
}

// Each key that the sample shows behind a '#' is one, and its value the default.
TEST(Config, TheSamplesCommentsAreTrue) {
    std::ifstream file(std::string(SIPLANE_SOURCE) + "/scripts/siplane.toml");
    std::string text;
    std::size_t keys = 0;
    for (std::string line; std::getline(file, line);) {
        const bool header = line.starts_with("# [") && line.find("]") != std::string::npos;
        const bool key = line.starts_with("# ") && line.find(" = ") != std::string::npos &&
                         line[2] >= 'a' && line[2] <= 'z';
        if (header || key) line = line.substr(2);
        keys += key ? 1 : 0;
        text += line + "\n";
    }
    EXPECT_GT(keys, 30u);
    const auto config = parse_config(text, "sample");
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->services.at(0).rules.size(), 2u);
    EXPECT_EQ(config->tm.fr_timer, TmConfig{}.fr_timer);
    EXPECT_EQ(config->secret_file, Config{}.secret_file);
}

TEST(Config, EveryPartArrives) {
    const auto config = parse(R"(
listen = [{ address = "10.77.0.1:5062", name = "in" }, "[fd77::1]:5060"]
set = -3
algorithm = 4
record_route = 0
enable_full_lr = true
nat = "always"
no_destination = "480 Busy now"
rules = [ { name = "reg", methods = ["REGISTER"], set = 9, algorithm = "maglev" },
          { sources = ["10.0.0.0/8"], reply = "603 Decline" }, { header = "X-Spam", action = "drop" } ]
[[port]]
name = "two"
device = "net_tap0"
vlan = 7
mtu = 9000
gateway = "10.1.0.254"
addresses = ["10.1.0.1/24"]
neighbors = { "10.1.0.9" = "02:00:00:00:00:09" }
[dispatcher]
list_file = "/etc/d.list"
ds_ping_fr_timer = 10000
ds_latency_estimator_alpha = 100
ds_default_socket = "udp:10.77.0.1:5062"
ds_default_sockname = "in"
[rpc]
binrpc = ["unix:/tmp/a", "tcp:127.0.0.1:2049"]
[http]
listen = ""
[eal]
args = ["-l", "0"]
)");
    ASSERT_TRUE(config) << config.error().message;
    const ServiceConfig& service = config->services[0];
    EXPECT_EQ(service.listen[0].name, "in");
    EXPECT_EQ(service.set, -3);
    EXPECT_EQ(service.algorithm, table::Algorithm::kRoundRobin);
    EXPECT_FALSE(service.record_route);
    EXPECT_TRUE(service.enable_full_lr);
    EXPECT_EQ(service.nat, table::Nat::kAlways);
    EXPECT_EQ(service.no_destination_code, 480);
    EXPECT_EQ(service.no_destination_reason, "Busy now");
    ASSERT_EQ(service.rules.size(), 3u);
    EXPECT_EQ(service.rules[0].name, "reg");
    EXPECT_EQ(service.rules[0].set, 9);
    EXPECT_EQ(service.rules[0].algorithm, table::Algorithm::kMaglev);
    EXPECT_EQ(service.rules[1].name, "2");
    EXPECT_EQ(service.rules[1].action, table::Rule::Action::kReply);
    EXPECT_EQ(service.rules[1].code, 603);
    EXPECT_EQ(service.rules[1].set, -3);  // the service's
    EXPECT_EQ(service.rules[2].action, table::Rule::Action::kDrop);
    const PortConfig& port = config->ports.at(1);
    EXPECT_EQ(port.vlan, 7);
    EXPECT_EQ(port.mtu, 9000);
    EXPECT_EQ(port.gateway.at(0).text(), "10.1.0.254");
    EXPECT_EQ(port.neighbors.at(0).second.text(), "02:00:00:00:00:09");
    EXPECT_EQ(config->dispatcher.list_file, "/etc/d.list");
    EXPECT_EQ(config->dispatcher.db_url, "");
    EXPECT_EQ(config->dispatcher.ds_latency_estimator_alpha, 100);
    EXPECT_EQ(config->probe_timeout_ms(), 10000);
    EXPECT_FALSE(config->http.listen);
    EXPECT_EQ(config->eal.args.size(), 2u);
}

// A key that is read, and then falls on the floor, would be a default that nobody asked for.
TEST(Config, EachKeyArrives) {
    const auto d = [](const char* key) { return std::string("[dispatcher]\n") + key; };
    const std::pair<std::string, bool (*)(const Config&)> kRows[] = {
        {"enable_full_lr = true", [](const Config& c) { return c.services[0].enable_full_lr; }},
        {"path = true", [](const Config& c) { return c.services[0].path; }},
        {"set_host = true", [](const Config& c) { return c.services[0].set_host; }},
        {"server_header = \"x\"",
         [](const Config& c) { return c.services[0].server_header == "x"; }},
        {"nat = \"off\"", [](const Config& c) { return c.services[0].nat == table::Nat::kOff; }},
        {"nat = \"auto\"", [](const Config& c) { return c.services[0].nat == table::Nat::kAuto; }},
        {"[[service.rule]]\nruri_host = \"x\"",
         [](const Config& c) { return c.services[0].rules[0].ruri_host == "x"; }},
        {"[[service.rule]]\nruri_user_prefix = \"x\"",
         [](const Config& c) { return c.services[0].rules[0].ruri_user_prefix == "x"; }},
        {"[[service.rule]]\nheader = \"x\"",
         [](const Config& c) { return c.services[0].rules[0].header == "x"; }},
        {"[[service.rule]]\naction = \"reply\"",
         [](const Config& c) {
             const table::Rule& rule = c.services[0].rules[0];
             return rule.action == table::Rule::Action::kReply && rule.code == 403;
         }},
        {d("table_name = \"x\""), [](const Config& c) { return c.dispatcher.table_name == "x"; }},
        {d("setid_col = \"x\""), [](const Config& c) { return c.dispatcher.setid_col == "x"; }},
        {d("destination_col = \"x\""),
         [](const Config& c) { return c.dispatcher.destination_col == "x"; }},
        {d("flags_col = \"x\""), [](const Config& c) { return c.dispatcher.flags_col == "x"; }},
        {d("priority_col = \"x\""),
         [](const Config& c) { return c.dispatcher.priority_col == "x"; }},
        {d("attrs_col = \"x\""), [](const Config& c) { return c.dispatcher.attrs_col == "x"; }},
        {d("ds_db_extra_attrs = \"a=b\""),
         [](const Config& c) { return c.dispatcher.ds_db_extra_attrs == "a=b"; }},
        {d("ds_attrs_none = 1"), [](const Config& c) { return c.dispatcher.ds_attrs_none; }},
        {d("ds_load_mode = 1"), [](const Config& c) { return c.dispatcher.ds_load_mode == 1; }},
        {d("reload_delta = 7"), [](const Config& c) { return c.dispatcher.reload_delta == 7; }},
        {d("reload_keeps_state = false"),
         [](const Config& c) { return !c.dispatcher.reload_keeps_state; }},
        {d("flags = 3"), [](const Config& c) { return c.dispatcher.flags == 3; }},
        {d("use_default = true"), [](const Config& c) { return c.dispatcher.use_default; }},
        {d("hash_pvar = \"$ci\""), [](const Config& c) { return c.dispatcher.hash_pvar == "$ci"; }},
        {d("ds_hash_size = 7"), [](const Config& c) { return c.dispatcher.ds_hash_size == 7; }},
        {d("ds_hash_expire = 7"), [](const Config& c) { return c.dispatcher.ds_hash_expire == 7; }},
        {d("ds_hash_initexpire = 7"),
         [](const Config& c) { return c.dispatcher.ds_hash_initexpire == 7; }},
        {d("ds_ping_method = \"INFO\""),
         [](const Config& c) { return c.dispatcher.ds_ping_method == "INFO"; }},
        {d("ds_ping_from = \"sip:x\""),
         [](const Config& c) { return c.dispatcher.ds_ping_from == "sip:x"; }},
        {d("ds_ping_interval = 7"),
         [](const Config& c) { return c.dispatcher.ds_ping_interval == 7; }},
        {d("ds_ping_fr_timeout = 7"), [](const Config& c) { return c.probe_timeout_ms() == 7; }},
        {d("ds_probing_threshold = 7"),
         [](const Config& c) {
             return c.dispatcher.ds_probing_threshold == 7 &&
                    c.dispatcher.ds_inactive_threshold == 1;
         }},
        {d("ds_inactive_threshold = 7"),
         [](const Config& c) {
             return c.dispatcher.ds_inactive_threshold == 7 &&
                    c.dispatcher.ds_probing_threshold == 1;
         }},
        {d("ds_ping_reply_codes = \"class=4\""),
         [](const Config& c) { return c.dispatcher.ds_ping_reply_codes == "class=4"; }},
        {d("ds_probing_mode = 3"),
         [](const Config& c) { return c.dispatcher.ds_probing_mode == 3; }},
        {d("ds_ping_spread = false"), [](const Config& c) { return !c.dispatcher.ds_ping_spread; }},
        {d("ping_icmp_errors = true"),
         [](const Config& c) { return c.dispatcher.ping_icmp_errors; }},
        {d("hold_until_probed = true"),
         [](const Config& c) { return c.dispatcher.hold_until_probed; }},
        {d("ping_user_agent = \"\""),
         [](const Config& c) { return c.dispatcher.ping_user_agent.empty(); }},
        {d("event_command = \"/bin/true\""),
         [](const Config& c) { return c.dispatcher.event_command == "/bin/true"; }},
        {d("ds_ping_latency_stats = true"),
         [](const Config& c) {
             return c.dispatcher.ds_ping_latency_stats && !c.dispatcher.ds_retain_latency_stats;
         }},
        {d("ds_retain_latency_stats = true"),
         [](const Config& c) {
             return c.dispatcher.ds_retain_latency_stats && !c.dispatcher.ds_ping_latency_stats;
         }},
        {d("outbound_proxy = \"sip:x\""),
         [](const Config& c) { return c.dispatcher.outbound_proxy == "sip:x"; }},
        {d("ds_ping_socket = \"udp:10.77.0.1:5060\""),
         [](const Config& c) { return c.dispatcher.ds_ping_socket == "udp:10.77.0.1:5060"; }},
        {d("ds_dns_mode = 9"),
         [](const Config& c) {
             return c.dispatcher.ds_dns_mode == 9 && c.dispatcher.asks_services();
         }},
        {d("ds_dns_interval = 7"),
         [](const Config& c) { return c.dispatcher.ds_dns_interval == 7; }},
        {d("ds_dns_ttl = 7"), [](const Config& c) { return c.dispatcher.ds_dns_ttl == 7; }},
        {"[tm]\nfr_timer = 7", [](const Config& c) { return c.probe_timeout_ms() == 7; }},
        {"[tm]\nretr_timer1 = 7", [](const Config& c) { return c.tm.retr_timer1 == 7; }},
        {"[tm]\nretr_timer2 = 7000", [](const Config& c) { return c.tm.retr_timer2 == 7000; }},
        {"[tm]\nmax_noninv_lifetime = 7",
         [](const Config& c) { return c.probe_timeout_ms() == 7; }},
        {"[rpc]\njsonrpc = [\"fifo:/x\"]",
         [](const Config& c) { return c.rpc.jsonrpc == std::vector<std::string>{"fifo:/x"}; }},
        {"[rpc]\nowner = \"x\"", [](const Config& c) { return c.rpc.owner == "x"; }},
        {"[rpc]\ngroup = \"x\"", [](const Config& c) { return c.rpc.group == "x"; }},
        {"[rpc]\nreply_dir = \"/x\"", [](const Config& c) { return c.rpc.reply_dir == "/x"; }},
        {"[rpc]\njson_pretty = false", [](const Config& c) { return !c.rpc.json_pretty; }},
        {"[log]\nlevel = \"error\"", [](const Config& c) { return c.log.level == "error"; }},
        {"[log]\ntarget = \"syslog\"", [](const Config& c) { return c.log.target == "syslog"; }},
    };
    for (const auto& [text, arrived] : kRows) {
        const auto config = parse(text);
        ASSERT_TRUE(config) << text << config.error().message;
        EXPECT_TRUE(arrived(*config)) << text;
    }
    const auto root = parse_config(
        std::string("compat = \"6.1\"\nsecret_file = \"/s\"\ntrace_dir = \"/t\"\nworkers = 2\n"
                    "adaptive = false\nspread = \"call-id\"\nverify_checksums = false\n") +
            kSmall,
        "f");
    ASSERT_TRUE(root) << root.error().message;
    EXPECT_EQ(root->compat, Compat::k61);
    EXPECT_EQ(root->secret_file, "/s");
    EXPECT_EQ(root->trace_dir, "/t");
    EXPECT_EQ(root->workers, 2U);
    EXPECT_FALSE(root->adaptive);
    EXPECT_TRUE(root->spread_calls);
    EXPECT_FALSE(root->verify_checksums);
}

// A file of 6.1 counts alpha the other way round.
TEST(Config, AlphaOfNewerVersions) {
    const auto config = parse_config(std::string("compat = \"6.1\"\n") + kSmall +
                                         "[dispatcher]\nds_latency_estimator_alpha = 100\n",
                                     "f");
    ASSERT_TRUE(config);
    EXPECT_EQ(config->dispatcher.ds_latency_estimator_alpha, 900);
}

TEST(Config, ModesAreOctal) {
    for (const char* mode : {"0o660", "\"0660\"", "\"660\"", "\"0o660\"", "0x1b0"}) {
        const auto config = parse_config(std::string(kSmall) + "[rpc]\nmode = " + mode + "\n", "f");
        ASSERT_TRUE(config) << mode << config.error().message;
        EXPECT_EQ(config->rpc.mode, 0660U) << mode;
    }
}

struct Bad {
    const char* text;  // behind kSmall, so its first line is line 7
    const char* error;
};

constexpr Bad kBad[] = {
    {"colour = 1", "f.toml:7: service \"public\".colour: unknown key, known are: algorithm, "},
    {"\n[dispatcher]\nds_ping_intervall = 3",
     "f.toml:9: dispatcher.ds_ping_intervall: unknown key, known are: "},
    {"[dispatcher]\nxavp_dst = \"x\"",
     "f.toml:8: dispatcher.xavp_dst: belongs to Kamailio's script"},
    {"[dispatcher]\nds_probing_mode = 4",
     "f.toml:8: dispatcher.ds_probing_mode: 4 is not an integer from 0 to 3"},
    {"[dispatcher]\nds_ping_interval = \"30\"",
     "f.toml:8: dispatcher.ds_ping_interval: '30' is not an integer from 0 to 86400"},
    {"[dispatcher]\nuse_default = 2",
     "f.toml:8: dispatcher.use_default: 2 is not true or false (or 1, 0)"},
    {"[dispatcher]\ndb_url = \"mysql://x\"",
     "f.toml:8: dispatcher.db_url: db_url \"mysql://x\": allowed is sqlite:///absolute/path"},
    {"[dispatcher]\nds_default_socket = \"udp:10.9.9.9:5060\"",
     "f.toml:7: dispatcher.ds_default_socket: no service listens on udp:10.9.9.9:5060"},
    {"[dispatcher]\nds_ping_from = \"a\\r\\nX: y\"", "f.toml:8: dispatcher.ds_ping_from: "},
    {"algorithm = 12", "f.toml:5: service \"public\": algorithm 12 (parallel) is not possible"},
    {"algorithm = \"best\"", "f.toml:7: service \"public\".algorithm: 'best' is neither"},
    {"algorithm = 7", "f.toml:5: service \"public\": algorithm 7 needs dispatcher.hash_pvar"},
    {"[dispatcher]\nhash_pvar = \"$nosuch\"", "f.toml:7: dispatcher.hash_pvar: "},
    {"[dispatcher]\nhash_pvar = \"$hdr(X-Key\"", "f.toml:7: dispatcher.hash_pvar: "},
    {"[rpc]\njsonrpc = [\"unix:/x\"]",
     "f.toml:8: rpc.jsonrpc: \"unix:/x\" does not begin with one of: fifo: unixd:"},
    {"algorithm = 10", "f.toml:5: service \"public\": algorithm 10 needs dispatcher.ds_hash_size"},
    {"nat = \"on\"", "f.toml:7: service \"public\".nat: 'on' is not one of: off, auto, always"},
    {"no_destination = \"44 x\"", "f.toml:7: service \"public\".no_destination: \"44 x\" is not"},
    {"no_destination = \"\"", "f.toml:7: service \"public\".no_destination: \"\" is not"},
    {"no_destination = \"404-x\"", "f.toml:7: service \"public\".no_destination: \"404-x\" is"},
    {"no_destination = \"299 x\"", "f.toml:7: service \"public\".no_destination: \"299 x\" is"},
    {"no_destination = \"700 x\"", "f.toml:7: service \"public\".no_destination: \"700 x\" is"},
    {"listen = [\"10.77.0.1:0\"]", "f.toml:7: service \"public\".listen: '10.77.0.1:0' is not"},
    {"[dispatcher]\nds_ping_method = \"options\"",
     "f.toml:8: dispatcher.ds_ping_method: \"options\" is not a method in capital letters"},
    {"[[port]]\nname = \"x\"\ndevice = \"d\"\ntap = \"a234567890123456\"",
     "f.toml:10: port \"x\".tap: is longer than 15 characters"},
    {"[[port]]\nname = \"x\"\ndevice = \"d\"\ntap = \"t\"\n"
     "[[port]]\nname = \"x\"\ndevice = \"e\"",
     "f.toml:11: port \"x\": name is used twice"},
    {"[[port]]\nname = \"x\"\ndevice = \"d\"\ntap = \"t\"\n"
     "[[port]]\nname = \"y\"\ndevice = \"e\"\ntap = \"t\"",
     "f.toml:11: port \"y\": tap \"t\" is used twice"},
    {"[[service]]\nname = \"public\"\nlisten = [\"10.77.0.1:9\"]",
     "f.toml:7: service \"public\": name is used twice"},
    {"listen = [{ address = \"10.77.0.1:1\", name = \"a\" }, { address = \"10.77.0.1:2\", name "
     "= \"a\" }]",
     "f.toml:5: service \"public\": listen name \"a\" is used twice"},
    {"[dispatcher]\nds_ping_socket = \"udp:10.9.9.9:5060\"",
     "f.toml:7: dispatcher.ds_ping_socket: no service listens on udp:10.9.9.9:5060"},
    {"[dispatcher]\nds_default_sockname = \"x\"",
     "f.toml:7: dispatcher.ds_default_sockname: no listen has the name \"x\""},
    {"listen = [\"10.77.0.1\"]",
     "f.toml:7: service \"public\".listen: '10.77.0.1' is not address:port"},
    {"listen = [\"10.77.0.1:5060\", \"10.77.0.1:5060\"]",
     "f.toml:5: service \"public\": listen 10.77.0.1:5060 is used twice"},
    {"[[service.rule]]\nname = \"r\"\nmethods = [\"invite\"]",
     "f.toml:9: service \"public\".rule \"r\".methods: \"invite\" is not a method"},
    {"[[service.rule]]\nname = \"r\"\nalgorithm = 12",
     "f.toml:5: service \"public\".rule \"r\": algorithm 12"},
    {"[[service.rule]]\nsett = 1", "f.toml:8: service \"public\".rule \"1\".sett: unknown key"},
    {"[[service.rule]]\nlisten = [\"10.77.0.1:9\"]",
     "f.toml:5: service \"public\".rule \"1\": listen 10.77.0.1:9 is not among"},
    {"[[port]]\nname = \"x\"", "f.toml:7: port \"x\".device: is missing"},
    {"[[port]]\nname = \"x\"\ndevice = \"net_tap0\"", "f.toml:7: port \"x\": device (and VLAN)"},
    {"[[port]]\nname = \"x\"\ndevice = \"d\"\nvlan = 4095",
     "f.toml:10: port \"x\".vlan: 4095 is not an integer from 1 to 4094"},
    {"[[port]]\nname = \"x\"\ndevice = \"d\"\naddresses = [\"10.77.0.1/24\"]",
     "f.toml:7: port \"x\": address 10.77.0.1 is used twice"},
    {"[[port]]\nname = \"x\"\ndevice = \"d\"\naddresses = [\"10.77.0.1/33\"]",
     "f.toml:10: port \"x\".addresses: \"10.77.0.1/33\" is not address/length"},
    {"[[port]]\nname = \"x\"\ndevice = \"d\"\nneighbors = { \"1.2.3.4\" = \"zz\" }",
     "f.toml:10: port \"x\".neighbors: \"1.2.3.4\" = 'zz' is not"},
    {"[[port]]\nname = \"x\"\ndevice = \"d\"\naddresses = [\"10.1.0.1/24\", \"fd01::1/64\"]\n"
     "gateway = [\"10.1.0.254\", \"fd01::fe\", \"10.1.0.253\"]",
     "f.toml:7: port \"x\".gateway: 10.1.0.254 and 10.1.0.253 are of one family, and only one can "
     "be the default router"},
    {"[tm]\nretr_timer1 = 5000", "f.toml:1: tm.retr_timer1: 5000 is above retr_timer2 (4000)"},
    {"[rpc]\nbinrpc = [\"/run/x\"]",
     "f.toml:8: rpc.binrpc: \"/run/x\" does not begin with one of:"},
    {"[rpc]\nmode = 440", "f.toml:8: rpc.mode: 440 is a decimal number: write 0o440, or \"0440\""},
    {"[rpc]\nmode = 406", "f.toml:8: rpc.mode: 406 is a decimal number: write 0o406, or \"0406\""},
    {"[rpc]\nmode = 432", "f.toml:8: rpc.mode: 432 is a decimal number: write 0o432, or \"0432\""},
    {"[rpc]\nmode = 600", "f.toml:8: rpc.mode: 600 is a decimal number: write 0o600, or \"0600\""},
    {"[rpc]\nmode = 9", "f.toml:8: rpc.mode: 9 is not a mode: 0o660, or \"0660\""},
    {"[rpc]\nmode = 0o1660", "f.toml:8: rpc.mode: 0o1660 is not a mode"},
    {"[rpc]\nmode = \"rw\"", "f.toml:8: rpc.mode: 'rw' is not a mode"},
    {"[rpc]\nmode = \"0888\"", "f.toml:8: rpc.mode: '0888' is not a mode"},
    {"[http]\nlisten = \"9460\"", "f.toml:8: http.listen: \"9460\" is not address:port"},
    {"[log]\nlevel = \"loud\"", "f.toml:8: log.level: 'loud' is not one of: trace, debug"},
    {"[dispatcher", "f.toml:7: "},
    {"[dispatcher]\nflags = 2\nflags = 3", "f.toml:9: "},
    {"[[tm]]\nfr_timer = 1", "f.toml:7: tm: must be a table: [tm]"},
};

TEST(Config, ErrorsNameFileLineAndKey) {
    for (const Bad& bad : kBad) {
        const std::string error = error_of(bad.text);
        EXPECT_TRUE(error.starts_with(bad.error)) << bad.text << "\n  is: " << error;
    }
}

TEST(Config, NoMoreThanTheTablesHold) {
    std::string ports, services;
    for (std::size_t i = 0; i < kInterfacesMax; ++i) {
        ports += "[[port]]\ndevice = \"d" + std::to_string(i) + "\"\n";
    }
    for (std::size_t i = 0; i < kServicesMax; ++i) {
        services += "[[service]]\nlisten = [\"10.77.0.1:" + std::to_string(7000 + i) + "\"]\n";
    }
    EXPECT_EQ(error_of(ports),
              "f.toml:1: port: more than " + std::to_string(kInterfacesMax) + " [[port]] entries");
    EXPECT_EQ(error_of(services), "f.toml:1: service: more than " + std::to_string(kServicesMax) +
                                      " [[service]] entries");
}

TEST(Config, WhatIsNoReasonToComplain) {
    for (const char* text :
         {"[[port]]\ndevice = \"d\"\naddresses = [\"fd01::1/64\"]\ngateway = \"fe80::1\"",
          "[[service.rule]]\nalgorithm = 12\nreply = \"403 No\""}) {
        const auto config = parse(text);
        ASSERT_TRUE(config) << text << config.error().message;
        EXPECT_TRUE(config->warnings.empty()) << text;
    }
}

TEST(Config, Missing) {
    EXPECT_EQ(parse_config("", "f").error().message, "f:1: port: at least one [[port]] is needed");
    EXPECT_EQ(parse_config("[[port]]\ndevice = \"d\"", "f").error().message,
              "f:1: service: at least one [[service]] is needed");
    EXPECT_EQ(load_config("/nonexistent/x.toml").error().message,
              "/nonexistent/x.toml: No such file or directory");
    EXPECT_FALSE(load_config("/"));
}

TEST(Config, Warnings) {
    const auto config = parse(
        "listen = [\"10.99.0.1:5060\"]\nalgorithm = 77\n"
        "[[port]]\nname = \"b\"\ndevice = \"d\"\naddresses = [\"10.1.0.1/24\"]\n"
        "gateway = [\"10.2.0.1\"]\n[dispatcher]\ndb_url = \"sqlite:////x/y\"\nlist_file = "
        "\"/z\"\n");
    ASSERT_TRUE(config) << config.error().message;
    ASSERT_EQ(config->warnings.size(), 4u);
    EXPECT_EQ(config->warnings[0],
              "f.toml:8: service \"public\".algorithm: 77 is no known number: the first active "
              "destination is taken");
    EXPECT_EQ(config->warnings[1],
              "f.toml:9: port \"b\": gateway 10.2.0.1 is in no network of this port's addresses");
    EXPECT_EQ(config->warnings[2],
              "f.toml:5: service \"public\": listen 10.99.0.1:5060: no [[port]] has this address");
    EXPECT_EQ(config->dispatcher.list_file, "");
}

TEST(Config, ReplyCodesThatAreIgnored) {
    const auto warnings = [](const std::string& codes) {
        const auto config =
            parse("[dispatcher]\nlist_file = \"/z\"\nds_ping_reply_codes = \"" + codes + "\"\n");
        EXPECT_TRUE(config) << config.error().message;
        return config ? config->warnings : std::vector<std::string>{};
    };
    EXPECT_TRUE(warnings("class=4;code=503").empty());
    ASSERT_EQ(warnings("code=503;404").size(), 1u);
    EXPECT_NE(warnings("code=503;404")[0].find(
                  "dispatcher.ds_ping_reply_codes: \"404\" is ignored, as in Kamailio"),
              std::string::npos);
}

TEST(Config, AnEventCommandThatCannotBeRun) {
    const test::RunFolder folder;
    const std::string file = folder.write("hook", "#!/bin/sh\n");
    const auto warnings = [](const std::string& command) {
        const auto config =
            parse("[dispatcher]\nlist_file = \"/z\"\nevent_command = \"" + command + "\"\n");
        EXPECT_TRUE(config) << config.error().message;
        return config ? config->warnings : std::vector<std::string>{};
    };
    struct Row {
        std::string command;
        const char* problem;
    };
    const Row rows[] = {
        {"/nonexistent/hook", "No such file or directory"},
        {"/bin/true down", "No such file or directory"},
        {"/tmp", "it is no file"},
        {file, "it is not executable"},
    };
    for (const Row& row : rows) {
        const auto said = warnings(row.command);
        ASSERT_EQ(said.size(), 1u) << row.command;
        EXPECT_NE(said[0].find("dispatcher.event_command: \"" + row.command +
                               "\" cannot be run: " + row.problem + "; "),
                  std::string::npos)
            << said[0];
    }
    EXPECT_TRUE(warnings("/bin/true").empty());
    EXPECT_TRUE(warnings("").empty());
}

TEST(Config, EveryPrefixOfTheSampleIsSafe) {
    std::ifstream file(std::string(SIPLANE_SOURCE) + "/scripts/siplane.toml");
    std::ostringstream text;
    text << file.rdbuf();
    const std::string sample = text.str();
    ASSERT_GT(sample.size(), 1000u);
    for (std::size_t n = 0; n < sample.size(); n += 7) {
        const auto config = parse_config(sample.substr(0, n), "f");
        if (!config) {
            EXPECT_TRUE(config.error().message.starts_with("f:")) << config.error().message;
        }
    }
}

}  // namespace
}  // namespace lb::cp
