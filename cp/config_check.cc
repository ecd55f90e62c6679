#include "cp/config_check.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <set>
#include <system_error>

#include "cp/socket_text.h"
#include "dp/base/limits.h"
#include "dp/sip/parser.h"
#include "dp/table/pvar.h"
#include "probe/reply_codes.h"

namespace lb::cp {
namespace {

constexpr const char* kDefaultDb = "sqlite:///var/lib/siplane/siplane.db";

std::string port_key(const PortConfig& port) { return "port \"" + port.name + "\""; }
std::string service_key(const ServiceConfig& service) { return "service \"" + service.name + "\""; }

bool has_address(const Config& config, const IpAddress& address) {
    for (const PortConfig& port : config.ports) {
        for (const Prefix& prefix : port.addresses) {
            if (prefix.address == address) return true;
        }
    }
    return false;
}

bool has_listener(const Config& config, const Endpoint& endpoint) {
    for (const ServiceConfig& service : config.services) {
        for (const ListenConfig& listen : service.listen) {
            if (listen.endpoint == endpoint) return true;
        }
    }
    return false;
}

struct IgnoringCase {
    bool operator()(const std::string& a, const std::string& b) const noexcept {
        return ::strcasecmp(a.c_str(), b.c_str()) < 0;
    }
};

// As attributes name it: in any case.
bool has_listener_name(const Config& config, std::string_view name) {
    for (const ServiceConfig& service : config.services) {
        for (const ListenConfig& listen : service.listen) {
            if (sip::iequals(listen.name, name)) return true;
        }
    }
    return false;
}

// Default routes of one port have one metric, and of several the first alone would be used.
void check_gateways(const PortConfig& port, ConfigLog& log) {
    for (std::size_t i = 1; i < port.gateway.size(); ++i) {
        const auto end = port.gateway.begin() + static_cast<std::ptrdiff_t>(i);
        const auto first = std::find_if(port.gateway.begin(), end, [&](const IpAddress& other) {
            return other.family() == end->family();
        });
        if (first == end) continue;
        log.fail(port.line, port_key(port) + ".gateway",
                 fmt::format("{} and {} are of one family, and only one can be the default router",
                             first->text(), end->text()));
    }
}

void check_gateway(const PortConfig& port, const IpAddress& gateway, ConfigLog& log) {
    for (const Prefix& prefix : port.addresses) {
        if (prefix.contains(gateway)) return;
    }
    if (gateway.is_link_local()) return;
    log.warn(port.line, port_key(port),
             fmt::format("gateway {} is in no network of this port's addresses", gateway.text()));
}

// The kernel joins IPv4 fragments before net_af_packet sees them, and the driver cuts what is
// longer than its frames. Further entries of a device have no arguments, so those are not looked
// at.
void check_frame_size(const PortConfig& port, ConfigLog& log) {
    constexpr std::string_view kSize = ",framesz=";
    constexpr unsigned long kUsual = 2048;  // bytes
    if (!port.device.starts_with("net_af_packet")) return;
    if (port.device.find(",iface=") == std::string::npos) return;
    const std::size_t at = port.device.find(kSize);
    if (at != std::string::npos &&
        std::strtoul(port.device.c_str() + at + kSize.size(), nullptr, 10) > kUsual) {
        return;
    }
    log.warn(port.line, port_key(port) + ".device",
             "IPv4 messages above 2 KB get lost: add \",framesz=8192,blocksz=65536\"");
}

void check_ports(const Config& config, ConfigLog& log) {
    std::set<std::string> names, taps, devices;
    std::set<IpAddress> addresses;
    for (const PortConfig& port : config.ports) {
        const std::string key = port_key(port);
        if (!names.insert(port.name).second) log.fail(port.line, key, "name is used twice");
        if (!port.tap.empty() && !taps.insert(port.tap).second) {
            log.fail(port.line, key, fmt::format("tap \"{}\" is used twice", port.tap));
        }
        if (!devices.insert(fmt::format("{} {}", port.device, port.vlan)).second) {
            log.fail(port.line, key, "device (and VLAN) is used by another port: set another vlan");
        }
        for (const Prefix& prefix : port.addresses) {
            if (!addresses.insert(prefix.address).second) {
                log.fail(port.line, key,
                         fmt::format("address {} is used twice", prefix.address.text()));
            }
        }
        check_gateways(port, log);
        for (const IpAddress& gateway : port.gateway) check_gateway(port, gateway, log);
        check_frame_size(port, log);
    }
}

void listen_everywhere(const Config& config, ServiceConfig& service) {
    for (const PortConfig& port : config.ports) {
        for (const Prefix& prefix : port.addresses) {
            service.listen.push_back({{prefix.address, kSipPort}, ""});
        }
    }
}

void check_algorithm(const Config& config, int line, const std::string& key,
                     table::Algorithm algorithm, ConfigLog& log) {
    if (algorithm == table::Algorithm::kParallel) {
        log.fail(line, key,
                 "algorithm 12 (parallel) is not possible for a stateless proxy: take another");
    }
    if (algorithm == table::Algorithm::kHashPvar && config.dispatcher.hash_pvar.empty()) {
        log.fail(line, key, "algorithm 7 needs dispatcher.hash_pvar");
    }
    if (algorithm == table::Algorithm::kCallLoad && config.dispatcher.ds_hash_size == 0) {
        log.fail(line, key, "algorithm 10 needs dispatcher.ds_hash_size above 0");
    }
}

void check_rule(const Config& config, const ServiceConfig& service, const table::Rule& rule,
                ConfigLog& log) {
    const std::string key = fmt::format("{}.rule \"{}\"", service_key(service), rule.name);
    if (rule.action == table::Rule::Action::kDispatch) {
        check_algorithm(config, service.line, key, rule.algorithm, log);
    }
    for (const Endpoint& endpoint : rule.listen) {
        const bool known = std::any_of(service.listen.begin(), service.listen.end(),
                                       [&](const auto& one) { return one.endpoint == endpoint; });
        if (!known) {
            log.fail(service.line, key,
                     fmt::format("listen {} is not among the service's", endpoint.text()));
        }
    }
}

void check_services(const Config& config, ConfigLog& log) {
    std::set<std::string> names;
    std::set<std::string, IgnoringCase> listen_names;
    std::set<Endpoint> endpoints;
    for (const ServiceConfig& service : config.services) {
        const std::string key = service_key(service);
        if (!names.insert(service.name).second) log.fail(service.line, key, "name is used twice");
        check_algorithm(config, service.line, key, service.algorithm, log);
        for (const ListenConfig& listen : service.listen) {
            if (!endpoints.insert(listen.endpoint).second) {
                log.fail(service.line, key,
                         fmt::format("listen {} is used twice", listen.endpoint.text()));
            }
            if (!listen.name.empty() && !listen_names.insert(listen.name).second) {
                log.fail(service.line, key,
                         fmt::format("listen name \"{}\" is used twice", listen.name));
            }
            if (!has_address(config, listen.endpoint.address)) {
                log.warn(
                    service.line, key,
                    fmt::format("listen {}: no [[port]] has this address", listen.endpoint.text()));
            }
        }
        if (service.listen.empty()) {
            log.fail(service.line, key,
                     "no listen, and no [[port]] has an address to take instead");
        }
        for (const table::Rule& rule : service.rules) check_rule(config, service, rule, log);
    }
}

void check_socket(const Config& config, const char* key, const std::string& text, ConfigLog& log) {
    if (text.empty()) return;
    const auto endpoint = parse_socket(text);
    if (!endpoint) {
        log.fail(config.dispatcher.line, key, fmt::format("\"{}\" is not udp:address:port", text));
    } else if (!has_listener(config, *endpoint)) {
        log.fail(config.dispatcher.line, key, fmt::format("no service listens on {}", text));
    }
}

// What keeps a program from being run, by this user; empty: nothing seen from here.
std::string program_problem(const std::string& path) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return std::generic_category().message(errno);
    if (!S_ISREG(found.st_mode)) return "it is no file";
    if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) != 0) return "it is not executable";
    return {};
}

// No error: calls pass without it, and a configuration is checked on other machines, too.
void check_event_command(const DispatcherConfig& d, ConfigLog& log) {
    if (d.event_command.empty()) return;
    const std::string problem = program_problem(d.event_command);
    if (problem.empty()) return;
    log.warn(d.line, "dispatcher.event_command",
             fmt::format("\"{}\" cannot be run: {}; it is the path of a program, without arguments",
                         d.event_command, problem));
}

void check_dispatcher(Config& config, ConfigLog& log) {
    if (const auto program = table::PvarProgram::compile(config.dispatcher.hash_pvar); !program) {
        log.fail(config.dispatcher.line, "dispatcher.hash_pvar", program.error().message);
    }
    DispatcherConfig& d = config.dispatcher;
    if (!d.db_url.empty() && !d.list_file.empty()) {
        log.warn(d.line, "dispatcher.list_file", "ignored, because db_url is set");
        d.list_file.clear();
    }
    if (d.db_url.empty() && d.list_file.empty()) d.db_url = kDefaultDb;
    check_event_command(d, log);
    if (const auto word = probe::ReplyCodes::first_ignored(d.ds_ping_reply_codes); !word.empty()) {
        log.warn(
            d.line, "dispatcher.ds_ping_reply_codes",
            fmt::format("\"{}\" is ignored, as in Kamailio: code=100 to code=699 and class=1 to "
                        "class=6 are known, with ';' between them",
                        word));
    }
    check_socket(config, "dispatcher.ds_default_socket", d.ds_default_socket, log);
    check_socket(config, "dispatcher.ds_ping_socket", d.ds_ping_socket, log);
    if (!d.ds_default_sockname.empty() && !has_listener_name(config, d.ds_default_sockname)) {
        log.fail(d.line, "dispatcher.ds_default_sockname",
                 fmt::format("no listen has the name \"{}\"", d.ds_default_sockname));
    }
}

void check_bounds(const Config& config, ConfigLog& log) {
    if (config.ports.empty()) log.fail(1, "port", "at least one [[port]] is needed");
    if (config.services.empty()) log.fail(1, "service", "at least one [[service]] is needed");
    if (config.ports.size() > kInterfacesMax) {
        log.fail(1, "port", fmt::format("more than {} [[port]] entries", kInterfacesMax));
    }
    if (config.services.size() > kServicesMax) {
        log.fail(1, "service", fmt::format("more than {} [[service]] entries", kServicesMax));
    }
    if (config.tm.retr_timer1 > config.tm.retr_timer2) {
        log.fail(1, "tm.retr_timer1",
                 fmt::format("{} is above retr_timer2 ({})", config.tm.retr_timer1,
                             config.tm.retr_timer2));
    }
}

}  // namespace

void complete_config(Config& config, ConfigLog& log) {
    check_bounds(config, log);
    check_ports(config, log);
    for (ServiceConfig& service : config.services) {
        if (service.listen.empty()) listen_everywhere(config, service);
    }
    check_services(config, log);
    check_dispatcher(config, log);
}

}  // namespace lb::cp
