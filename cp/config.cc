#include "cp/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "cp/config_check.h"
#include "cp/config_reader.h"
#include "cp/store.h"

namespace lb::cp {
namespace {

constexpr std::int64_t kDaySeconds = 86400;
constexpr std::int64_t kDayMs = kDaySeconds * 1000;

// Calls `read(section)` for a [name] table, if there is one.
template <class Read>
void with_table(Section& root, std::string_view name, ConfigLog& log, Read read) {
    const toml::node* node = root.find(name);
    if (node == nullptr) return;
    if (!node->is_table()) return root.fail(name, fmt::format("must be a table: [{}]", name));
    Section section(*node->as_table(), std::string(name), log);
    read(section);
}

// Calls `read(table, index)` for each [[name]].
template <class Read>
void with_tables(Section& root, std::string_view name, Read read) {
    const toml::node* node = root.find(name);
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr) return root.fail(name, fmt::format("must be tables: [[{}]]", name));
    std::size_t index = 0;
    for (const toml::node& item : *array) {
        if (!item.is_table()) return root.fail(name, fmt::format("must be tables: [[{}]]", name));
        read(*item.as_table(), ++index);
    }
}

// `name` of a [[port]], [[service]] or rule, for its messages.
std::string name_of(const toml::table& table, std::size_t index) {
    const auto name = table["name"].value<std::string>();
    return name && !name->empty() ? *name : std::to_string(index);
}

void read_neighbors(Section& in, PortConfig& out) {
    const toml::node* node = in.find("neighbors");
    if (node == nullptr) return;
    const toml::table* table = node->as_table();
    if (table == nullptr) return in.fail("neighbors", "must be { \"address\" = \"MAC\" }");
    for (const auto& [key, value] : *table) {
        const auto address = IpAddress::parse(key.str());
        const auto mac = MacAddress::parse(value.value<std::string>().value_or(""));
        if (!address || !mac) {
            return in.fail("neighbors", fmt::format("\"{}\" = {} is not \"address\" = \"MAC\"",
                                                    key.str(), shown(value)));
        }
        out.neighbors.emplace_back(*address, *mac);
    }
}

PortConfig read_port(const toml::table& table, std::size_t index, ConfigLog& log) {
    PortConfig out;
    out.name = name_of(table, index);
    Section in(table, fmt::format("port \"{}\"", out.name), log);
    out.line = in.line();
    in.take("name", out.name);
    in.take("device", out.device);
    if (out.device.empty()) in.fail("device", "is missing: a DPDK device or PCI address");
    in.take("vlan", out.vlan, {1, 4094});
    in.take("tap", out.tap);
    if (out.tap.size() > 15) in.fail("tap", "is longer than 15 characters");
    in.take("mtu", out.mtu, {576, 9600});
    in.take_list("addresses", out.addresses, Prefix::parse, "address/length");
    in.take_list("gateway", out.gateway, IpAddress::parse, "an IP address");
    read_neighbors(in, out);
    in.finish();
    return out;
}

// "404 No destination" into its parts; `out` stays as it was otherwise.
void take_reply(Section& in, std::string_view key, std::uint16_t& code, std::string& reason) {
    std::string text;
    in.take(key, text);
    if (text.empty()) {
        if (in.find(key) != nullptr) in.fail(key, "\"\" is not \"code reason\"");
        return;
    }
    const bool digits =
        text.size() > 4 && text[3] == ' ' &&
        std::all_of(text.begin(), text.begin() + 3, [](char c) { return c >= '0' && c <= '9'; });
    const int value = digits ? std::stoi(text.substr(0, 3)) : 0;
    if (value < 300 || value > 699) {
        in.fail(key,
                fmt::format("\"{}\" is not \"code reason\" with a code from 300 to 699", text));
        return;
    }
    code = static_cast<std::uint16_t>(value);
    reason = text.substr(4);
}

void take_algorithm(Section& in, table::Algorithm& out) {
    const toml::node* node = in.find("algorithm");
    if (node == nullptr) return;
    std::string text = node->value<std::string>().value_or("");
    if (node->is_integer()) text = std::to_string(node->as_integer()->get());
    if (const auto algorithm = table::parse_algorithm(text)) {
        out = *algorithm;
        if (table::algorithm_name(out) == "unknown") {
            in.log().warn(line_of(*node), in.path() + ".algorithm",
                          text + " is no known number: the first active destination is taken");
        }
    } else {
        in.fail("algorithm", fmt::format("{} is neither a number nor a name of an algorithm "
                                         "(\"callid\", \"roundrobin\", \"maglev\" ...)",
                                         shown(*node)));
    }
}

bool is_method(std::string_view text) noexcept {
    return !text.empty() && text.size() <= 32 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

table::Rule read_rule(const toml::table& table, std::size_t index, const ServiceConfig& service,
                      ConfigLog& log) {
    table::Rule out;
    out.name = name_of(table, index);
    out.set = service.set;
    out.algorithm = service.algorithm;
    Section in(table, fmt::format("service \"{}\".rule \"{}\"", service.name, out.name), log);
    in.take("name", out.name);
    const auto method = [](std::string_view text) {
        return is_method(text) ? std::optional<std::string>(text) : std::nullopt;
    };
    in.take_list("methods", out.methods, method, "a method in capital letters");
    in.take_list("sources", out.sources, Prefix::parse, "an address or address/length");
    in.take_list("listen", out.listen, Endpoint::parse, "address:port");
    in.take("ruri_user_prefix", out.ruri_user_prefix);
    in.take("ruri_host", out.ruri_host);
    in.take("header", out.header);
    in.take("set", out.set, {INT32_MIN, INT32_MAX});
    take_algorithm(in, out.algorithm);
    out.code = 403;
    out.reason = "Forbidden";
    take_reply(in, "reply", out.code, out.reason);
    if (in.find("reply") != nullptr) out.action = table::Rule::Action::kReply;
    if (const auto action = in.choice("action", {"dispatch", "reply", "drop"})) {
        out.action = static_cast<table::Rule::Action>(*action);
    }
    in.finish();
    return out;
}

void read_listen(Section& in, ServiceConfig& out, ConfigLog& log) {
    constexpr const char* kExpected =
        "address:port, or { address = \"address:port\", name = \"...\" }";
    const toml::node* node = in.find("listen");
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr)
        return in.fail("listen", fmt::format("must be an array of {}", kExpected));
    for (const toml::node& item : *array) {
        ListenConfig listen;
        std::string address = item.value<std::string>().value_or("");
        if (const toml::table* table = item.as_table()) {
            Section entry(*table, in.path() + ".listen", log);
            entry.take("address", address);
            entry.take("name", listen.name);
            entry.finish();
        }
        const auto endpoint = Endpoint::parse(address);
        if (!endpoint || endpoint->port == 0) {
            return in.fail("listen", fmt::format("{} is not {}", shown(item), kExpected));
        }
        listen.endpoint = *endpoint;
        out.listen.push_back(std::move(listen));
    }
}

ServiceConfig read_service(const toml::table& table, std::size_t index, ConfigLog& log) {
    ServiceConfig out;
    out.name = name_of(table, index);
    Section in(table, fmt::format("service \"{}\"", out.name), log);
    out.line = in.line();
    in.take("name", out.name);
    read_listen(in, out, log);
    in.take("set", out.set, {INT32_MIN, INT32_MAX});
    take_algorithm(in, out.algorithm);
    in.take("record_route", out.record_route);
    in.take("enable_full_lr", out.enable_full_lr);
    in.take("path", out.path);
    in.take("set_host", out.set_host);
    if (const auto nat = in.choice("nat", {"off", "auto", "always"})) {
        out.nat = static_cast<table::Nat>(*nat);
    }
    take_reply(in, "no_destination", out.no_destination_code, out.no_destination_reason);
    in.take("server_header", out.server_header);
    for (const char* key : {"rule", "rules"}) {
        with_tables(in, key, [&](const toml::table& rule, std::size_t number) {
            out.rules.push_back(read_rule(rule, number, out, log));
        });
    }
    in.finish();
    return out;
}

void read_source(Section& in, DispatcherConfig& out) {
    in.take("db_url", out.db_url);
    if (!out.db_url.empty()) {
        if (const auto path = sqlite_path(out.db_url); !path)
            in.fail("db_url", path.error().message);
    }
    in.take("list_file", out.list_file);
    in.take("table_name", out.table_name);
    in.take("setid_col", out.setid_col);
    in.take("destination_col", out.destination_col);
    in.take("flags_col", out.flags_col);
    in.take("priority_col", out.priority_col);
    in.take("attrs_col", out.attrs_col);
    in.take("ds_db_extra_attrs", out.ds_db_extra_attrs);
    in.take("ds_attrs_none", out.ds_attrs_none);
    in.take("ds_load_mode", out.ds_load_mode, {0, 1});
    in.take("reload_delta", out.reload_delta, {0, kDaySeconds});
    in.take("reload_keeps_state", out.reload_keeps_state);
}

void read_probing(Section& in, DispatcherConfig& out) {
    in.take("ds_ping_method", out.ds_ping_method);
    if (!is_method(out.ds_ping_method)) {
        in.fail("ds_ping_method",
                fmt::format("\"{}\" is not a method in capital letters", out.ds_ping_method));
    }
    in.take("ds_ping_from", out.ds_ping_from);
    in.take("ds_ping_interval", out.ds_ping_interval, {0, kDaySeconds});
    in.take("ds_ping_fr_timer", out.ds_ping_fr_timer, {0, kDayMs});
    in.take("ds_ping_fr_timeout", out.ds_ping_fr_timer, {0, kDayMs});  // its other name
    in.take("ds_probing_threshold", out.ds_probing_threshold, {1, 1000000});
    in.take("ds_inactive_threshold", out.ds_inactive_threshold, {1, 1000000});
    in.take("ds_ping_reply_codes", out.ds_ping_reply_codes);
    in.take("ds_probing_mode", out.ds_probing_mode, {0, 3});
    in.take("ds_ping_spread", out.ds_ping_spread);
    in.take("ping_icmp_errors", out.ping_icmp_errors);
    in.take("hold_until_probed", out.hold_until_probed);
    in.take("ping_user_agent", out.ping_user_agent);
    in.take("event_command", out.event_command);
    in.take("ds_ping_latency_stats", out.ds_ping_latency_stats);
    in.take("ds_retain_latency_stats", out.ds_retain_latency_stats);
    in.take("outbound_proxy", out.outbound_proxy);
    in.take("ds_default_socket", out.ds_default_socket);
    in.take("ds_default_sockname", out.ds_default_sockname);
    in.take("ds_ping_socket", out.ds_ping_socket);
}

void read_dispatcher(Section& in, Config& config) {
    constexpr std::string_view kScript =
        "belongs to Kamailio's script, and there is none here: remove the line";
    DispatcherConfig& out = config.dispatcher;
    out.line = in.line();
    read_source(in, out);
    in.take("flags", out.flags, {0, 3});
    in.take("use_default", out.use_default);
    in.take("hash_pvar", out.hash_pvar);
    in.take("ds_hash_size", out.ds_hash_size, {0, 24});
    in.take("ds_hash_expire", out.ds_hash_expire, {1, INT32_MAX});
    in.take("ds_hash_initexpire", out.ds_hash_initexpire, {1, INT32_MAX});
    in.take("ds_hash_check_interval", out.ds_hash_check_interval, {1, kDaySeconds});
    read_probing(in, out);
    std::int32_t alpha = 0;
    in.take("ds_latency_estimator_alpha", alpha, {1, 999});
    // 5.6 says how much of the old estimate stays, 6.1 how much of the new sample counts.
    if (alpha != 0) {
        out.ds_latency_estimator_alpha = config.compat == Compat::k61 ? 1000 - alpha : alpha;
    }
    in.take("ds_dns_mode", out.ds_dns_mode, {0, 15});
    in.take("ds_dns_interval", out.ds_dns_interval, {1, kDaySeconds});
    in.take("ds_dns_ttl", out.ds_dns_ttl, {0, kDaySeconds});
    in.take("ds_dns_match_all", out.ds_dns_match_all);
    in.finish({{"force_dst", kScript},
               {"xavp_dst", kScript},
               {"xavp_ctx", kScript},
               {"xavp_dst_mode", kScript},
               {"xavp_ctx_mode", kScript},
               {"setid_pvname", kScript},
               {"attrs_pvname", kScript},
               {"event_callback", "there is no script: use event_command"},
               {"event_callback_mode", kScript},
               {"ds_timer_mode", "there are no timer processes to choose from: remove the line"}});
}

void read_tm(Section& in, TmConfig& out) {
    in.take("fr_timer", out.fr_timer, {1, kDayMs});
    in.take("retr_timer1", out.retr_timer1, {1, kDayMs});
    in.take("retr_timer2", out.retr_timer2, {1, kDayMs});
    in.take("max_noninv_lifetime", out.max_noninv_lifetime, {1, kDayMs});
    in.finish();
}

void check_rpc_addresses(Section& in, const char* key, const std::vector<std::string>& addresses,
                         const std::vector<std::string_view>& schemes) {
    for (const std::string& address : addresses) {
        const bool known =
            std::any_of(schemes.begin(), schemes.end(), [&](std::string_view scheme) {
                return address.starts_with(scheme) && address.size() > scheme.size();
            });
        if (known) continue;
        std::string allowed;
        for (const std::string_view scheme : schemes) allowed.append(" ").append(scheme);
        in.fail(key, fmt::format("\"{}\" does not begin with one of:{}", address, allowed));
    }
}

void read_rpc(Section& in, RpcConfig& out) {
    in.take("binrpc", out.binrpc);
    check_rpc_addresses(in, "binrpc", out.binrpc, {"unix:", "unixs:", "unixd:", "udp:", "tcp:"});
    in.take("jsonrpc", out.jsonrpc);
    check_rpc_addresses(in, "jsonrpc", out.jsonrpc, {"fifo:", "unixd:"});
    in.take_mode("mode", out.mode);
    in.take("owner", out.owner);
    in.take("group", out.group);
    in.take("reply_dir", out.reply_dir);
    in.take("json_pretty", out.json_pretty);
    in.finish();
}

void read_http(Section& in, HttpConfig& out) {
    std::string text;
    in.take("listen", text);
    if (in.find("listen") != nullptr) out.listen = Endpoint::parse(text);
    if (!text.empty() && !out.listen) {
        in.fail("listen", fmt::format("\"{}\" is not address:port (or \"\" for none)", text));
    }
    in.finish();
}

void read_log(Section& in, LogConfig& out) {
    constexpr std::string_view kLevels[] = {"trace", "debug",    "info", "warning",
                                            "error", "critical", "off"};
    if (const auto level = in.choice("level", {std::begin(kLevels), std::end(kLevels)})) {
        out.level = kLevels[*level];
    }
    if (const auto target = in.choice("target", {"stderr", "syslog"})) {
        out.target = *target == 0 ? "stderr" : "syslog";
    }
    in.finish();
}

// Which of DPDK's options chooses lcores: -l, -c and --lcores with their values behind or attached.
const std::string* lcore_option(const std::vector<std::string>& args) {
    const auto found = std::find_if(args.begin(), args.end(), [](const std::string& arg) {
        return arg.starts_with("-l") || arg.starts_with("-c") || arg.starts_with("--lc");
    });
    return found == args.end() ? nullptr : &*found;
}

void check_workers(Section& root, const Config& config) {
    const std::string* option = lcore_option(config.eal.args);
    if (config.workers == 0 || option == nullptr) return;
    root.fail("workers",
              fmt::format("{} workers, and lcores by \"{}\" in eal.args: only one of the "
                          "two may choose them",
                          config.workers, *option));
}

void read_root(Section& root, Config& out, ConfigLog& log) {
    if (const auto compat = root.choice("compat", {"5.6", "6.1"})) {
        out.compat = *compat == 0 ? Compat::k56 : Compat::k61;
    }
    root.take("secret_file", out.secret_file);
    root.take("trace_dir", out.trace_dir);
    root.take("workers", out.workers, {0, static_cast<std::int64_t>(kWorkersMax)});
    root.take("adaptive", out.adaptive);
    if (const auto spread = root.choice("spread", {"off", "call-id"})) {
        out.spread_calls = *spread == 1;
    }
    root.take("verify_checksums", out.verify_checksums);
    root.take("transactions", out.transactions, {kTransactionsMin, kTransactionsMax});
    with_table(root, "eal", log, [&](Section& in) {
        in.take("args", out.eal.args);
        in.finish();
    });
    check_workers(root, out);
    with_tables(root, "port", [&](const toml::table& table, std::size_t index) {
        out.ports.push_back(read_port(table, index, log));
    });
    with_tables(root, "service", [&](const toml::table& table, std::size_t index) {
        out.services.push_back(read_service(table, index, log));
    });
    with_table(root, "dispatcher", log, [&](Section& in) { read_dispatcher(in, out); });
    with_table(root, "tm", log, [&](Section& in) { read_tm(in, out.tm); });
    with_table(root, "rpc", log, [&](Section& in) { read_rpc(in, out.rpc); });
    with_table(root, "http", log, [&](Section& in) { read_http(in, out.http); });
    with_table(root, "log", log, [&](Section& in) { read_log(in, out.log); });
    root.finish();
}

Result<Config> read_text(std::string_view text, const std::string& name) {
    toml::table table;
    try {
        table = toml::parse(text, name);
    } catch (const toml::parse_error& error) {
        return failed(Errc::kInvalid, fmt::format("{}:{}: {}", name, error.source().begin.line,
                                                  error.description()));
    }
    Config config;
    config.file = name;
    config.http.listen = Endpoint::parse("127.0.0.1:9460");
    ConfigLog log{name, {}, {}};
    Section root(table, "", log);
    read_root(root, config, log);
    if (!log.error.empty()) return failed(Errc::kInvalid, std::move(log.error));
    config.warnings = std::move(log.warnings);
    return config;
}

}  // namespace

std::int32_t Config::probe_timeout_ms() const noexcept {
    std::int32_t timeout = tm.fr_timer;
    if (dispatcher.ds_ping_fr_timer > 0) timeout = dispatcher.ds_ping_fr_timer;
    return std::min(timeout, tm.max_noninv_lifetime);
}

Result<Config> completed(Config written) {
    ConfigLog log{written.file, {}, std::move(written.warnings)};
    complete_config(written, log);
    if (!log.error.empty()) return failed(Errc::kInvalid, std::move(log.error));
    written.warnings = std::move(log.warnings);
    return written;
}

Result<Config> parse_config(std::string_view text, const std::string& name) {
    auto written = read_text(text, name);
    return written ? completed(std::move(*written)) : std::move(written);
}

Result<Config> read_config(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    if (file) text << file.rdbuf();
    if (!file || file.bad()) {
        return failed(Errc::kUnavailable, fmt::format("{}: {}", path, std::strerror(errno)));
    }
    return read_text(text.str(), path);
}

Result<Config> load_config(const std::string& path) {
    auto written = read_config(path);
    return written ? completed(std::move(*written)) : std::move(written);
}

}  // namespace lb::cp
