#pragma once

// The configuration file as plain values, checked: whatever is in a Config can be used as it
// stands. Keys below [dispatcher] and [tm] are Kamailio's modparam names, with its meanings and
// defaults.
//
// Errors: one sentence that begins with "file:line:" and names the key, the value and what is
// allowed. Source: design.md 9, spec/dispatcher.md 1.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/limits.h"
#include "dp/base/result.h"
#include "dp/net/packet.h"
#include "dp/table/dispatch.h"

namespace lb::cp {

enum class Compat : std::uint8_t { k56, k61 };  // whose output the RPC commands show

struct EalConfig {
    std::vector<std::string> args;  // as given to the EAL, without the program's name

    bool operator==(const EalConfig&) const = default;
};

struct PortConfig {
    std::string name;
    std::string device;                 // "net_af_packet0,iface=sl0", or a PCI address
    std::uint16_t vlan = net::kNoVlan;  // 1..4094
    std::string tap;                    // kernel twin; empty: no exception path
    std::uint16_t mtu = 1500;           // of the IP packet
    std::vector<Prefix> addresses;      // host bits kept: "10.77.0.1/24"
    std::vector<IpAddress> gateway;     // default routes, one per family
    std::vector<std::pair<IpAddress, MacAddress>> neighbors;  // static
    int line = 0;                                             // in the file, for messages

    // Wherever they stand in the file.
    bool operator==(const PortConfig& other) const {
        return name == other.name && device == other.device && vlan == other.vlan &&
               tap == other.tap && mtu == other.mtu && addresses == other.addresses &&
               gateway == other.gateway && neighbors == other.neighbors;
    }
};

struct ListenConfig {
    Endpoint endpoint;
    std::string name;  // what the attribute `sockname` may call it; may be empty
};

struct ServiceConfig {
    std::string name;
    std::vector<ListenConfig>
        listen;  // never empty: every address of every port at 5060 if not given
    std::int32_t set = 1;
    table::Algorithm algorithm = table::Algorithm::kCallId;
    std::vector<table::Rule> rules;  // in order; set and algorithm filled in from the service
    bool record_route = true;
    bool enable_full_lr = false;
    bool path = false;
    bool set_host = false;
    table::Nat nat = table::Nat::kAuto;
    std::uint16_t no_destination_code = 404;
    std::string no_destination_reason = "No destination";
    std::string server_header;
    int line = 0;
};

// Fields are named as their keys.
struct DispatcherConfig {
    // Where destinations come from: exactly one of the two is set.
    std::string db_url;
    std::string list_file;
    std::string table_name = "dispatcher";
    std::string setid_col = "setid", destination_col = "destination", flags_col = "flags",
                priority_col = "priority", attrs_col = "attrs";
    std::string ds_db_extra_attrs;  // "name=column;name=column"
    bool ds_attrs_none = false;
    std::int32_t ds_load_mode = 0;   // 1: a bad row refuses the whole load
    std::int32_t reload_delta = 5;   // seconds
    bool reload_keeps_state = true;  // ours (design.md 11)

    // Selection.
    std::uint32_t flags = 0;  // 1: user part only; 2: failover list
    bool use_default = false;
    std::string hash_pvar;
    std::uint32_t ds_hash_size = 0;  // power of two, exponent; 0: no call load
    std::int32_t ds_hash_expire = 7200, ds_hash_initexpire = 7200, ds_hash_check_interval = 30;

    // Probing.
    std::string ds_ping_method = "OPTIONS";
    std::string ds_ping_from = "sip:dispatcher@localhost";
    std::int32_t ds_ping_interval = 0;  // seconds, 0: no probing
    // Milliseconds, as its manual says; Kamailio 6.1 takes it for ticks of 1/16 s
    // (spec/dispatcher.md 1).
    std::int32_t ds_ping_fr_timer = 0;  // 0: [tm] fr_timer
    std::uint32_t ds_probing_threshold = 1, ds_inactive_threshold = 1;
    std::string ds_ping_reply_codes;
    std::uint32_t ds_probing_mode = 0;
    bool ds_ping_spread = true;      // ours: false starts a round's pings all together
    bool ping_icmp_errors = false;   // ours: an ICMP error ends a ping at once, as a failure
    bool hold_until_probed = false;  // ours: no traffic to a destination before its first result
    std::string ping_user_agent = "siplane (" SIPLANE_VERSION ")";  // empty: no such header
    std::string event_command;  // ours: run as COMMAND down|up SET URI OLD NEW; empty: none
    bool ds_ping_latency_stats = false;
    bool ds_retain_latency_stats = false;
    std::int32_t ds_latency_estimator_alpha =
        900;  // 5.6 meaning; a 6.1 value has been turned round
    std::string outbound_proxy;
    std::string ds_default_socket, ds_default_sockname, ds_ping_socket;

    // Names.
    std::uint32_t ds_dns_mode = 1;
    std::int32_t ds_dns_interval = 600;
    std::int32_t ds_dns_ttl = 0;
    bool ds_dns_match_all = false;
    // Names without a port by NAPTR and SRV, too.
    bool asks_services() const noexcept { return (ds_dns_mode & 8) != 0; }

    int line = 0;  // in the file, for messages
};

struct TmConfig {  // milliseconds
    std::int32_t fr_timer = 30000;
    std::int32_t retr_timer1 = 500, retr_timer2 = 4000;
    std::int32_t max_noninv_lifetime = 32000;
};

struct RpcConfig {
    std::vector<std::string> binrpc{"unix:/run/siplane/ctl"};
    std::vector<std::string> jsonrpc{"fifo:/run/siplane/rpc.fifo", "unixd:/run/siplane/rpc.sock"};
    std::uint32_t mode = 0600;       // of sockets and FIFOs in the file system
    std::string owner, group;        // name or number; empty: whoever runs the daemon
    std::string reply_dir = "/tmp";  // where JSON-RPC clients make their reply FIFOs
    bool json_pretty = true;         // false: replies on one line (jsonrpcs' pretty_format = 0)

    bool operator==(const RpcConfig&) const = default;
};

struct HttpConfig {
    std::optional<Endpoint> listen;  // none: no HTTP server (listen = "")

    bool operator==(const HttpConfig&) const = default;
};

struct LogConfig {
    std::string level = "info";     // trace debug info warning error critical off
    std::string target = "stderr";  // stderr syslog
};

struct Config {
    std::string file;  // name it was read from
    Compat compat = Compat::k56;
    std::string secret_file = "/var/lib/siplane/secret";
    // Where siplane.trace writes.
    std::string trace_dir = "/var/lib/siplane/traces";
    std::uint32_t workers = 0;  // 0: one per lcore beside the main one, as [eal] args or DPDK say
    bool adaptive = true;       // idle workers sleep; false: they poll for ever
    bool spread_calls = false;  // `spread`: messages go to the worker that owns their call
    bool verify_checksums = true;
    std::uint32_t transactions = kTransactionsDefault;  // that each worker remembers
    EalConfig eal;
    std::vector<PortConfig> ports;
    std::vector<ServiceConfig> services;
    DispatcherConfig dispatcher;
    TmConfig tm;
    RpcConfig rpc;
    HttpConfig http;
    LogConfig log;
    std::vector<std::string> warnings;  // sentences in the form of the errors

    // How long a probe waits for its final reply: ds_ping_fr_timer or fr_timer,
    // capped by max_noninv_lifetime (spec 4.4).
    std::int32_t probe_timeout_ms() const noexcept;
};

// The file, completed and checked: what a start runs with.
Result<Config> load_config(const std::string& path);
// The two halves of it. As written in the file: each key is checked by itself, and what follows
// from other keys is not there yet.
Result<Config> read_config(const std::string& path);
// With what follows from other keys (listen addresses, the source of destinations), and checked as
// a whole. `written` comes from read_config(), whatever was changed in it since.
Result<Config> completed(Config written);
// load_config() of a text. `name` stands for the file in messages.
Result<Config> parse_config(std::string_view text, const std::string& name);

}  // namespace lb::cp
