// siplanectl doctor: is everything in place? One line a finding: ok, warn or bad, and what to do.

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "cp/explain_tables.h"
#include "cp/local/commands.h"
#include "cp/local/output.h"
#include "cp/rpc/client.h"
#include "cp/rpc/command_line.h"
#include "cp/tables_builder.h"

namespace lb::cp {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNamedMax = 5;       // neighbours and the like that are named one by one
constexpr std::size_t kRowsNamedMax = 20;  // rows, as a reload's log has them

enum class Grade : std::uint8_t { kOk, kWarn, kBad };

enum class Format : std::uint8_t { kText, kTsv, kJson };

// Printed as they are found, as some take their time; JSON at the end.
class Findings {
public:
    explicit Findings(Format format) : format_(format) {}

    void ok(std::string_view about, const std::string& what) { add(Grade::kOk, about, what, ""); }
    void warn(std::string_view about, const std::string& what, const std::string& advice) {
        add(Grade::kWarn, about, what, advice);
    }
    void bad(std::string_view about, const std::string& what, const std::string& advice) {
        add(Grade::kBad, about, what, advice);
    }
    bool any_bad() const noexcept { return any_bad_; }
    void print_json() const { print(json_lines(values_)); }

private:
    static void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }
    void add(Grade grade, std::string_view about, const std::string& what,
             const std::string& advice) {
        static constexpr const char* kNames[] = {"ok", "warn", "bad"};
        any_bad_ = any_bad_ || grade == Grade::kBad;
        const char* const name = kNames[static_cast<std::size_t>(grade)];
        switch (format_) {
            case Format::kText:
                return print(fmt::format("{:<5} {:<13} {}{}{}\n", name, about, what,
                                         advice.empty() ? "" : "\n                    -> ",
                                         advice));
            case Format::kTsv:
                return print(fmt::format("{}\t{}\t{}\t{}\n", name, tsv_field(about),
                                         tsv_field(what), tsv_field(advice)));
            case Format::kJson:
                values_.emplace_back(rpc::Struct{
                    {"grade", name}, {"subject", about}, {"finding", what}, {"advice", advice}});
        }
    }

    Format format_;
    std::vector<rpc::Value> values_;  // for JSON
    bool any_bad_ = false;
};

std::string first_line(const fs::path& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

// ---- the host ---------------------------------------------------------------------------------

long meminfo(std::string_view name) {
    std::ifstream file("/proc/meminfo");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(name)) return std::atol(line.c_str() + name.size() + 1);
    }
    return 0;
}

void check_huge_pages(const Config& config, Findings& out) {
    const auto& args = config.eal.args;
    if (std::find(args.begin(), args.end(), "--no-huge") != args.end()) {
        return out.warn("huge pages", "switched off by --no-huge",
                        "fine in a lab; without it each packet costs more");
    }
    const long total = meminfo("HugePages_Total"), free = meminfo("HugePages_Free");
    if (total == 0) {
        return out.bad("huge pages", "none are reserved",
                       "sysctl vm.nr_hugepages=512, and keep it in /etc/sysctl.d; or [eal] args "
                       "with --no-huge -m 512");
    }
    out.ok("huge pages", fmt::format("{} reserved, {} free", total, free));
}

// The kernel interface behind a device text such as "net_af_packet0,iface=eth1"; may be empty.
std::string kernel_interface(const std::string& device) {
    const std::size_t at = device.find("iface=");
    if (at == std::string::npos) return {};
    const std::size_t end = device.find(',', at);
    return device.substr(at + 6, end == std::string::npos ? end : end - at - 6);
}

bool is_pci_address(const std::string& device) {
    return device.size() >= 12 && device[4] == ':' && device[7] == ':' && device[10] == '.';
}

void check_pci(const PortConfig& port, Findings& out) {
    const std::string about = "port " + port.name;
    const fs::path device = fs::path("/sys/bus/pci/devices") / port.device.substr(0, 12);
    std::error_code error;
    if (!fs::exists(device, error)) {
        return out.bad(about, "no PCI device " + port.device, "lspci -D shows what there is");
    }
    const fs::path driver = fs::read_symlink(device / "driver", error).filename();
    static constexpr std::string_view kReady[] = {"vfio-pci", "uio_pci_generic", "igb_uio",
                                                  "mlx5_core", "mlx4_core"};
    const bool ready =
        std::find(std::begin(kReady), std::end(kReady), driver.string()) != std::end(kReady);
    if (!ready) {
        return out.bad(about,
                       fmt::format("{} is bound to {}", port.device,
                                   driver.empty() ? "no driver" : driver.string()),
                       "dpdk-devbind.py --bind=vfio-pci " + port.device.substr(0, 12));
    }
    out.ok(about, port.device + " is bound to " + driver.string());
}

void check_interface(const std::string& about, const std::string& name, const std::string& advice,
                     Findings& out) {
    const fs::path folder = fs::path("/sys/class/net") / name;
    std::error_code error;
    if (!fs::exists(folder, error)) return out.bad(about, "no interface " + name, advice);
    const std::string flags = first_line(folder / "flags");
    unsigned long bits = 0;
    if (flags.size() > 2) std::from_chars(flags.data() + 2, flags.data() + flags.size(), bits, 16);
    if ((bits & 1) == 0) {
        return out.bad(about, name + " is down", fmt::format("ip link set {} up", name));
    }
    out.ok(about, name + " is up");
}

void check_port(const PortConfig& port, bool running, Findings& out) {
    const std::string about = "port " + port.name;
    if (is_pci_address(port.device)) check_pci(port, out);
    if (const std::string name = kernel_interface(port.device); !name.empty()) {
        check_interface(about, name, "check `device` of this [[port]], and ip link", out);
    }
    if (port.tap.empty()) {
        out.warn(about, "no `tap`: ARP, ping and routing do not work on it",
                 "name a twin unless static neighbours are all it needs");
    } else if (running) {
        check_interface(about, port.tap, "siplaned makes it at start: see its log", out);
    }
}

void check_secret(const Config& config, Findings& out) {
    struct stat status {};
    if (::stat(config.secret_file.c_str(), &status) != 0) {
        return out.warn("secret", config.secret_file + " is not there yet",
                        "siplaned makes it at its first start");
    }
    if ((status.st_mode & 07) != 0) {
        return out.bad("secret", config.secret_file + " is open to everybody",
                       "chmod 600 " + config.secret_file);
    }
    out.ok("secret", config.secret_file);
}

// ---- names ------------------------------------------------------------------------------------

// Host names as a load looks them up, by the system's resolver: addresses only. Names that NAPTR
// and SRV may answer for, and those that are still to come after kNamesLimit, pass unchecked.
class NameCheck {
public:
    explicit NameCheck(bool services) : services_(services) {}

    Result<std::vector<Endpoint>> look_up(const DestinationUri& uri) {
        const bool checked = !(services_ && uri.port == 0) && Clock::now() < deadline_;
        if (checked) return system_look_up(uri);
        if (!uri.literal) ++left_out_;
        return std::vector<Endpoint>{{*IpAddress::parse("192.0.2.1"), kSipPort}};
    }
    std::size_t left_out() const noexcept { return left_out_; }

private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::seconds kNamesLimit{10};

    bool services_;
    Clock::time_point deadline_ = Clock::now() + kNamesLimit;
    std::size_t left_out_ = 0;
};

// ---- the table --------------------------------------------------------------------------------

Result<RowTable> check_table(const Config& config, Findings& out) {
    const DispatcherConfig& from = config.dispatcher;
    const std::string source = from.db_url.empty() ? from.list_file : from.db_url;
    auto rows = load_rows(from);
    if (!rows) {
        out.bad("table", rows.error().message, "check [dispatcher] db_url or list_file");
        return rows;
    }
    Dispatcher model(dispatcher_options(config));
    NameCheck names(from.asks_services());
    const auto report = model.load(
        *rows, [&](const DestinationUri& uri) { return names.look_up(uri); }, false);
    if (!report) {
        out.bad("table", report.error().message, "siplanectl dispatcher show");
        return rows;
    }
    const std::size_t refused = report->bad_rows.size(), remarks = report->warnings.size();
    for (std::size_t i = 0; i < std::min(kRowsNamedMax, refused); ++i) {
        out.bad("table", report->bad_rows[i],
                "correct or remove it: a reload is refused because of it");
    }
    if (refused > kRowsNamedMax) {
        out.bad("table", fmt::format("{} more rows are refused", refused - kRowsNamedMax),
                "correct those above first");
    }
    for (std::size_t i = 0; i < std::min(kRowsNamedMax, remarks); ++i) {
        out.warn("table", report->warnings[i], "");
    }
    if (remarks > kRowsNamedMax) {
        out.warn("table", fmt::format("{} more remarks on rows", remarks - kRowsNamedMax), "");
    }
    if (names.left_out() > 0) {
        out.warn("table", fmt::format("{} host names were not looked up", names.left_out()),
                 "siplanectl siplane.reload_preview asks the daemon, which looks up all of them");
    }
    if (report->loaded == 0) {
        out.warn("table", source + " holds no destination",
                 "siplanectl dispatcher add SET sip:HOST");
    } else {
        out.ok("table", fmt::format("{}: {} destinations, {} refused", source, report->loaded,
                                    report->bad_rows.size()));
    }
    for (const ServiceConfig& service : config.services) {
        if (model.find_set(service.set) == nullptr) {
            out.warn("service",
                     fmt::format("{} uses set {}, which is empty", service.name, service.set),
                     "requests are answered with its no_destination");
        }
    }
    return rows;
}

// ---- the running daemon -----------------------------------------------------------------------

std::string text_at(const rpc::Value* value, std::string_view name) {
    const rpc::Value* const found = value == nullptr ? nullptr : value->find(name);
    const std::string* const text = found == nullptr ? nullptr : found->get_if<std::string>();
    return text == nullptr ? "" : *text;
}

double number_at(const rpc::Value& value, std::string_view name) {
    const rpc::Value* const found = value.find(name);
    if (found == nullptr) return 0;
    if (const auto* number = found->get_if<std::int32_t>()) return *number;
    const auto* real = found->get_if<double>();
    return real == nullptr ? 0 : *real;
}

const std::vector<rpc::Member>& members_at(const rpc::Value& value, std::string_view name) {
    static const std::vector<rpc::Member> kNone;
    const rpc::Value* const found = value.find(name);
    return found == nullptr || found->members() == nullptr ? kNone : *found->members();
}

// Links, and drops and the like that somebody can do something about.
void check_stats(const rpc::Value& stats, Findings& out) {
    for (const rpc::Member& port : members_at(stats, "PORTS")) {
        const std::string about = "link " + text_at(&port.value, "name");
        if (text_at(&port.value, "link") == "up") {
            out.ok(about, "up");
        } else {
            out.bad(about, "down", "check cable and switch port, or the other end of the veth");
        }
        if (number_at(port.value, "rx_missed") > 0) {
            out.warn(about, fmt::format("{:.0f} frames missed", number_at(port.value, "rx_missed")),
                     "the workers do not keep up: more workers or queues");
        }
    }
    static constexpr std::string_view kOurs[] = {
        "tx_full", "no_mbuf", "punt_full", "no_route", "slow_path_full", "internal", "bad_branch"};
    for (const rpc::Member& drop : members_at(stats, "DROPS")) {
        const std::string reason = text_at(&drop.value, "reason");
        const double count = number_at(drop.value, "count");
        if (count == 0 ||
            std::find(std::begin(kOurs), std::end(kOurs), reason) == std::end(kOurs)) {
            continue;
        }
        out.warn("drops", fmt::format("{:.0f} frames dropped: {}", count, reason),
                 text_at(&drop.value, "help"));
    }
    // No frame is lost by these, but a call may be.
    const rpc::Value* const total = stats.find("TOTAL");
    if (total == nullptr) return;
    if (const double evicted = number_at(*total, "transactions_evicted"); evicted > 0) {
        out.warn("transactions", fmt::format("{:.0f} forgotten before their time", evicted),
                 "CANCELs may have missed their calls: a larger `transactions`");
    }
    if (const double refused = number_at(*total, "calls_refused"); refused > 0) {
        out.warn("calls", fmt::format("{:.0f} found no room to be counted", refused),
                 "a larger `ds_hash_size`: destinations with maxload take no such call");
    }
}

void check_sets(const rpc::Value& tables, Findings& out) {
    for (const rpc::Member& set : members_at(tables, "SETS")) {
        const double all = number_at(set.value, "DESTINATIONS"),
                     usable = number_at(set.value, "USABLE");
        const std::string about = fmt::format("set {:.0f}", number_at(set.value, "ID"));
        std::string what = fmt::format("{:.0f} of {:.0f} destinations usable", usable, all);
        if (const double number = number_at(set.value, "NOT_UDP"); number > 0) {
            what += fmt::format(", {:.0f} not over UDP and never selected", number);
        }
        if (const double number = number_at(set.value, "UNRESOLVED"); number > 0) {
            what += fmt::format(", {:.0f} without an address as the name does not resolve", number);
        }
        if (usable == 0) {
            out.bad(about, what,
                    "siplanectl dispatcher.list: IP is down by probing, DX by command");
        } else if (usable < all) {
            out.warn(about, what, "siplanectl dispatcher.list shows which, siplanectl stats why");
        } else {
            out.ok(about, what);
        }
    }
}

const rpc::Value* ask(rpc::Client& client, std::string_view method, rpc::Reply& reply) {
    auto answered = client.call(method, {});
    if (!answered || answered->fault || answered->values.empty()) return nullptr;
    reply = std::move(*answered);
    return reply.values.data();
}

// False if nobody answers there.
bool check_daemon(const std::string& socket, int timeout_seconds, Findings& out) {
    auto client = rpc::Client::connect(socket, timeout_seconds);
    rpc::Reply reply;
    const rpc::Value* version = client ? ask(*client, "core.version", reply) : nullptr;
    if (version == nullptr || version->get_if<std::string>() == nullptr) {
        out.bad("daemon", client ? socket + " does not answer" : client.error().message,
                "systemctl status siplaned; journalctl -u siplaned");
        return false;
    }
    out.ok("daemon", fmt::format("{} answers at {}", *version->get_if<std::string>(), socket));
    if (const rpc::Value* stats = ask(*client, "siplane.stats", reply)) check_stats(*stats, out);
    if (const rpc::Value* tables = ask(*client, "siplane.tables", reply)) check_sets(*tables, out);
    return true;
}

// ---- neighbours -------------------------------------------------------------------------------

// IPv4 addresses that the kernel has a MAC for, with their devices.
std::multimap<std::string, std::string> known_neighbours() {
    std::multimap<std::string, std::string> out;
    std::ifstream file("/proc/net/arp");
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
        std::istringstream fields(line);
        std::string address, type, flags, mac, mask, device;
        fields >> address >> type >> flags >> mac >> mask >> device;
        if (flags != "0x0") out.emplace(address, device);
    }
    return out;
}

// The gateways, and destinations on a network of the port's own.
std::vector<IpAddress> next_hops(const PortConfig& port, const RowTable& rows) {
    std::vector<IpAddress> out = port.gateway;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const auto uri = parse_destination_uri(rows[i].destination);
        if (!uri || !uri->literal) continue;
        for (const Prefix& prefix : port.addresses) {
            if (prefix.contains(*uri->literal)) out.push_back(*uri->literal);
        }
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

void check_neighbours(const PortConfig& port, const RowTable& rows, Findings& out) {
    const auto known = known_neighbours();
    std::size_t checked = 0, missing = 0;
    for (const IpAddress& hop : next_hops(port, rows)) {
        const auto is_static = [&](const auto& entry) { return entry.first == hop; };
        if (!hop.is_ipv4() ||
            std::any_of(port.neighbors.begin(), port.neighbors.end(), is_static)) {
            continue;  // the kernel's IPv6 neighbours are seen by `ip -6 neigh`
        }
        ++checked;
        const auto [begin, end] = known.equal_range(hop.text());
        const bool found =
            std::any_of(begin, end, [&](const auto& entry) { return entry.second == port.tap; });
        if (found || ++missing > kNamedMax) continue;
        out.warn("neighbour", fmt::format("no MAC address for {} on {}", hop.text(), port.tap),
                 fmt::format("ping -I {} {}", port.tap, hop.text()));
    }
    if (checked > 0 && missing == 0) {
        out.ok("neighbour", fmt::format("all {} next hops of {} are known", checked, port.name));
    }
}

// ---- all of it --------------------------------------------------------------------------------

struct Command {
    std::string config_file = kDefaultConfig;
    std::string socket;
    int timeout_seconds = 5;
    bool tsv = false;
    bool json = false;
};

void examine(const Command& command, Findings& out) {
    const auto config = load_config(command.config_file);
    if (!config) {
        return out.bad("config", config.error().message, "correct it; siplaned --check tells more");
    }
    out.ok("config", command.config_file);
    for (const std::string& warning : config->warnings) out.warn("config", warning, "");
    check_secret(*config, out);
    const auto rows = check_table(*config, out);
    check_huge_pages(*config, out);

    std::string address = command.socket;
    if (address.empty() && !config->rpc.binrpc.empty()) address = config->rpc.binrpc.front();
    const bool running = !address.empty() && check_daemon(address, command.timeout_seconds, out);
    for (const PortConfig& port : config->ports) {
        check_port(port, running, out);
        if (running && rows && !port.tap.empty()) check_neighbours(port, *rows, out);
    }
}

}  // namespace

int doctor_command(int argc, char** argv) {
    CLI::App app{"Looks over configuration, table, host and daemon.", "siplanectl doctor"};
    Command command;
    app.add_option("--config", command.config_file, "Configuration file")->capture_default_str();
    app.add_option("-s,--socket", command.socket,
                   "Control socket (default: the configuration's first)");
    rpc::add_timeout_option(app, command.timeout_seconds);
    app.add_flag("--tsv", command.tsv, "Tab-separated: grade, subject, finding, advice");
    app.add_flag("--json", command.json, "The same as JSON");
    app.footer("Exit status: 0 nothing is bad, 1 something is.");
    if (const auto status = rpc::parse_command_line(app, argc, argv)) return *status;
    Findings findings(command.json ? Format::kJson : command.tsv ? Format::kTsv : Format::kText);
    examine(command, findings);
    if (command.json) findings.print_json();
    return findings.any_bad() ? 1 : 0;
}

}  // namespace lb::cp
