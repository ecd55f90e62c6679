#include "cp/explain_tables.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "cp/secret_file.h"
#include "cp/tables_builder.h"
#include "dp/table/call_load.h"
#include "dp/table/pvar.h"

namespace lb::cp {
namespace {

constexpr MacAddress kOwnMac{{2, 0, 0, 0, 0, 1}};
constexpr MacAddress kPeerMac{{2, 0, 0, 0, 0, 2}};

// Documentation addresses (RFC 5737, RFC 3849): nobody's.
constexpr std::string_view kBareConfig = R"(
[[port]]
name = "explain"
device = "none"
addresses = ["192.0.2.2/24", "2001:db8::2/64"]
gateway = ["192.0.2.1", "2001:db8::1"]
[[service]]
name = "explain"
[dispatcher]
list_file = "none"
)";

Status set_algorithm(Config& config, const std::string& text) {
    const auto algorithm = table::parse_algorithm(text);
    if (!algorithm) return failed(Errc::kInvalid, "unknown algorithm: " + text);
    const bool has_pvar = !config.dispatcher.hash_pvar.empty();
    // The loads of calls in progress are the daemon's: offline, algorithm 10 begins with none.
    const std::string_view problem = table::algorithm_problem(*algorithm, has_pvar, true);
    if (!problem.empty()) {
        return failed(Errc::kInvalid, std::string(problem));
    }
    for (ServiceConfig& service : config.services) {
        service.algorithm = *algorithm;
        service.rules.clear();
    }
    return {};
}

// The configuration's ports, and everything else behind the first of them.
table::NetworkState network_of(const Config& config) {
    table::NetworkState state;
    for (std::size_t i = 0; i < config.ports.size(); ++i) {
        const PortConfig& port = config.ports[i];
        const auto index = static_cast<table::InterfaceIndex>(i);
        table::Interface interface;
        interface.name = port.name;
        interface.device = static_cast<std::uint16_t>(i);
        interface.vlan = port.vlan;
        interface.mac = kOwnMac;
        interface.mtu = port.mtu;
        interface.addresses = port.addresses;
        state.interfaces.push_back(std::move(interface));
        for (const IpAddress& gateway : port.gateway) {
            const char* all = gateway.is_ipv6() ? "::/0" : "0.0.0.0/0";
            state.routes.push_back({*Prefix::parse(all), index, gateway, index});
            state.neighbours.push_back({index, gateway, kPeerMac});
        }
        for (const auto& [address, mac] : port.neighbors) {
            state.neighbours.push_back({index, address, mac});
        }
    }
    for (const char* all : {"0.0.0.0/0", "::/0"}) {
        state.routes.push_back({*Prefix::parse(all), 0, {}, 1000});
    }
    return state;
}

// Cookies and branches of real calls check out only with the real secret; it is not made here.
Secret secret_of(const Config& config, std::vector<std::string>& warnings) {
    if (::access(config.secret_file.c_str(), R_OK) == 0) {
        if (const Result<Secret> secret = load_secret(config.secret_file)) return *secret;
    }
    if (!config.file.empty()) {
        warnings.push_back(config.secret_file +
                           " cannot be read: requests inside a dialog look forged");
    }
    return Secret::derive(as_bytes("explain without a secret"));
}

}  // namespace

Result<std::vector<Endpoint>> system_look_up(const DestinationUri& uri) {
    const std::uint16_t port = uri.port != 0 ? uri.port : kSipPort;
    if (uri.literal) return std::vector<Endpoint>{{*uri.literal, port}};
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    if (const int error = getaddrinfo(uri.host.c_str(), nullptr, &hints, &found); error != 0) {
        return failed(Errc::kUnavailable, fmt::format("{}: {}", uri.host, gai_strerror(error)));
    }
    std::vector<Endpoint> out;
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        if (at->ai_family == AF_INET) {
            sockaddr_in address;
            std::memcpy(&address, at->ai_addr, sizeof address);
            out.push_back(
                {IpAddress::from_ipv4(reinterpret_cast<std::uint8_t*>(&address.sin_addr)), port});
        } else if (at->ai_family == AF_INET6) {
            sockaddr_in6 address;
            std::memcpy(&address, at->ai_addr, sizeof address);
            out.push_back(
                {IpAddress::from_ipv6(reinterpret_cast<std::uint8_t*>(&address.sin6_addr)), port});
        }
    }
    freeaddrinfo(found);
    return out;
}

Result<Config> offline_config(const OfflineSource& source) {
    Result<Config> config = source.config_file.empty() ? parse_config(kBareConfig, "")
                                                       : load_config(source.config_file);
    if (!config) return config;
    if (source.config_file.empty()) config->file.clear();
    if (!source.db_url.empty() || !source.list_file.empty()) {
        config->dispatcher.db_url = source.db_url;
        config->dispatcher.list_file = source.list_file;
    }
    if (source.flags) config->dispatcher.flags = *source.flags;
    if (source.hash_pvar) {
        const auto program = table::PvarProgram::compile(*source.hash_pvar);
        if (!program) return failed(program.error());
        config->dispatcher.hash_pvar = *source.hash_pvar;
    }
    if (source.use_default) config->dispatcher.use_default = *source.use_default;
    if (!source.algorithm.empty()) {
        if (Status set = set_algorithm(*config, source.algorithm); !set) return failed(set.error());
    }
    for (ServiceConfig& service : config->services) {
        if (!source.set) break;
        service.set = *source.set;
        service.rules.clear();
    }
    return config;
}

Result<OfflineTables> offline_tables(const Config& config, const RowTable& rows) {
    OfflineTables out;
    Dispatcher dispatcher(dispatcher_options(config));
    Result<Dispatcher::LoadReport> report = dispatcher.load(rows, system_look_up, false);
    if (!report) return failed(report.error());
    out.destinations = report->loaded;
    out.warnings = std::move(report->bad_rows);
    out.warnings.insert(out.warnings.end(), report->warnings.begin(), report->warnings.end());
    DispatchCarry carry;
    carry.calls = table::CallLoad::create({});  // for algorithm 10: no calls yet
    auto dispatch = build_dispatch(config, dispatcher, carry);
    if (!dispatch) return failed(dispatch.error());
    out.tables.dispatch = std::move(*dispatch);
    out.tables.network = table::Network::build(network_of(config));
    out.tables.secret = secret_of(config, out.warnings);
    return out;
}

Result<OfflineTables> offline_tables(const Config& config) {
    auto rows = load_rows(config.dispatcher);
    if (!rows) return failed(rows.error());
    return offline_tables(config, *rows);
}

}  // namespace lb::cp
