#include "cp/appliance_setup.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "cp/log.h"
#include "cp/tables_builder.h"
#include "dp/core/route.h"

namespace lb::cp {
namespace {

bool says_memory(std::string_view arg) {
    constexpr std::string_view kMemory[] = {
        "--no-huge",     "--in-memory",  "--huge-dir",    "--socket-mem",
        "--huge-unlink", "--legacy-mem", "--file-prefix", "--single-file-segments"};
    if (arg.starts_with("-m")) return true;  // -m 512, -m512
    return std::any_of(std::begin(kMemory), std::end(kMemory),
                       [arg](std::string_view name) { return arg.starts_with(name); });
}

// Calls visit(section, member...) for all that takes effect only at a start: the way to it is by
// those pointers, from a Config on.
template <class Visit>
void for_each_fixed(Visit visit) {
    visit("[eal]", &Config::eal);
    visit("[[port]]", &Config::ports);
    visit("[rpc]", &Config::rpc);
    visit("[http]", &Config::http);
    visit("secret_file", &Config::secret_file);
    visit("transactions", &Config::transactions);
    visit("workers", &Config::workers);
    visit("adaptive", &Config::adaptive);
    visit("spread", &Config::spread_calls);
    constexpr const char* kHash = "[dispatcher] ds_hash_*";
    visit(kHash, &Config::dispatcher, &DispatcherConfig::ds_hash_size);
    visit(kHash, &Config::dispatcher, &DispatcherConfig::ds_hash_expire);
    visit(kHash, &Config::dispatcher, &DispatcherConfig::ds_hash_initexpire);
}

std::string state_text(std::uint32_t flags) { return state_letters(flags, false); }

const char* change_event(std::uint32_t old_flags, std::uint32_t new_flags) {
    const bool was = (old_flags & table::kSkipped) != 0, is = (new_flags & table::kSkipped) != 0;
    if (was == is) return "destination.state";
    return is ? "destination.inactive" : "destination.active";
}

const char* cause_text(probe::Cause cause) {
    switch (cause) {
        case probe::Cause::kReply:
            return "reply";
        case probe::Cause::kTimeout:
            return "timeout";
        case probe::Cause::kNotSent:
            return "not_sent";
        case probe::Cause::kUnreachable:
            break;
    }
    return "unreachable";
}

const char* cause_text(StateChange::Cause cause) {
    switch (cause) {
        case StateChange::Cause::kProbe:
            return "probe";
        case StateChange::Cause::kCommand:
            return "command";
        case StateChange::Cause::kReload:
            break;
    }
    return "reload";
}

}  // namespace

EalArguments eal_arguments(std::vector<std::string> args, std::size_t free_huge_pages) {
    const bool decided = std::any_of(args.begin(), args.end(),
                                     [](const std::string& arg) { return says_memory(arg); });
    if (decided || free_huge_pages > 0) return {std::move(args), {}};
    args.insert(args.end(), {"--no-huge", "-m", "512"});
    return {
        std::move(args),
        "reserve huge pages: sysctl -w vm.nr_hugepages=512 (ordinary memory is used until then, "
        "which costs speed)"};
}

Result<std::vector<std::string>> lcore_arguments(std::uint32_t workers,
                                                 const std::vector<unsigned>& cpus) {
    if (workers == 0) return std::vector<std::string>{};
    if (workers > cpus.size()) {
        return failed(Errc::kInvalid, fmt::format("workers = {}: siplane may run on {} CPUs only",
                                                  workers, cpus.size()));
    }
    std::string lcores = fmt::format("0@{}", cpus[0]);
    for (std::uint32_t i = 1; i <= workers; ++i) {
        lcores += fmt::format(",{}@{}", i, cpus[i % cpus.size()]);
    }
    return std::vector<std::string>{"--lcores", std::move(lcores)};
}

std::vector<unsigned> usable_cpus() {
    std::vector<unsigned> cpus;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
    return cpus;
}

io::DataPlaneConfig data_plane_config(const Config& config) {
    io::DataPlaneConfig out;
    for (const PortConfig& port : config.ports) {
        io::InterfaceConfig& interface = out.interfaces.emplace_back();
        interface.name = port.name;
        interface.device = port.device;
        interface.vlan = port.vlan;
        interface.mtu = port.mtu;
        interface.tap = port.tap;
    }
    out.route = core::route;
    out.spread = config.spread_calls;
    out.transactions = config.transactions;
    out.idle = config.adaptive ? io::IdleMode::kAdaptive : io::IdleMode::kPoll;
    return out;
}

DnsOptions dns_options(const DispatcherConfig& config) {
    DnsOptions options;
    options.ttl_override_s = static_cast<std::uint32_t>(std::max(0, config.ds_dns_ttl));
    return options;
}

std::shared_ptr<table::CallLoad> make_call_load(const DispatcherConfig& config,
                                                const Secret& secret) {
    if (config.ds_hash_size == 0) return nullptr;
    table::CallLoad::Options options;
    options.hash_size = std::clamp(config.ds_hash_size, 1U, 17U);
    options.expire_s = static_cast<std::uint32_t>(config.ds_hash_expire);
    options.initexpire_s = static_cast<std::uint32_t>(config.ds_hash_initexpire);
    options.key = secret.table;
    return table::CallLoad::create(options);
}

std::vector<Endpoint> kernel_listeners(const Config& config) {
    const auto has_no_twin = [&](const IpAddress& address) {
        return std::any_of(config.ports.begin(), config.ports.end(), [&](const PortConfig& port) {
            return port.tap.empty() &&
                   std::any_of(port.addresses.begin(), port.addresses.end(),
                               [&](const Prefix& own) { return own.address == address; });
        });
    };
    std::vector<Endpoint> endpoints;
    for (const table::Listener& listener : make_listeners(config)) {
        if (!has_no_twin(listener.endpoint.address)) endpoints.push_back(listener.endpoint);
    }
    return endpoints;
}

std::vector<std::string> needs_restart(const Config& now, const Config& next) {
    std::vector<std::string> sections;
    for_each_fixed([&](const char* section, auto... member) {
        const bool listed = !sections.empty() && sections.back() == section;
        if (!listed && (now.*....*member) != (next.*....*member)) sections.emplace_back(section);
    });
    return sections;
}

Config merge_reloadable(const Config& now, Config next) {
    for_each_fixed([&](const char*, auto... member) {
        // What is the same keeps its place in the file, for messages.
        if ((now.*....*member) != (next.*....*member)) (next.*....*member) = (now.*....*member);
    });
    return next;
}

bool same_model(const Config& now, const Config& next) {
    const auto same_listener = [](const table::Listener& a, const table::Listener& b) {
        return a.endpoint == b.endpoint && a.name == b.name;
    };
    const auto a = make_listeners(now), b = make_listeners(next);
    if (!std::equal(a.begin(), a.end(), b.begin(), b.end(), same_listener)) return false;
    const DispatcherOptions x = dispatcher_options(now), y = dispatcher_options(next);
    return x.load_mode_strict == y.load_mode_strict && x.attrs_none == y.attrs_none &&
           x.reload_keeps_state == y.reload_keeps_state && x.dns_mode == y.dns_mode &&
           x.probing_mode == y.probing_mode && x.probing_threshold == y.probing_threshold &&
           x.inactive_threshold == y.inactive_threshold && x.latency_stats == y.latency_stats &&
           x.latency_alpha == y.latency_alpha && x.hold_until_probed == y.hold_until_probed &&
           x.retain_latency == y.retain_latency && x.newer_output == y.newer_output;
}

std::vector<PortStats> port_stats(const std::vector<PortConfig>& ports,
                                  const std::vector<io::DeviceStats>& devices) {
    std::vector<PortStats> out;
    for (const io::DeviceStats& device : devices) {
        PortStats& stats = out.emplace_back();
        stats.device = device.device;
        for (const PortConfig& port : ports) {
            if (port.device.substr(0, port.device.find(',')) != device.device &&
                port.device != device.device) {
                continue;
            }
            stats.name += (stats.name.empty() ? "" : ",");
            stats.name += port.name;
        }
        stats.link_up = device.stats.link_up;
        stats.rx_packets = device.stats.rx_packets;
        stats.rx_bytes = device.stats.rx_bytes;
        stats.rx_missed = device.stats.rx_missed;
        stats.rx_errors = device.stats.rx_errors;
        stats.tx_packets = device.stats.tx_packets;
        stats.tx_bytes = device.stats.tx_bytes;
        stats.tx_errors = device.stats.tx_errors;
    }
    return out;
}

void log_probed_change(const ProbedChange& change) {
    const Destination& destination = change.destination;
    log(LogLevel::kInfo, change_event(change.old_flags, destination.flags),
        {{"set", std::to_string(destination.setid)},
         {"uri", std::string(destination.uri)},
         {"from", state_text(change.old_flags)},
         {"to", state_text(destination.flags)},
         {"reason", cause_text(change.verdict.cause)},
         {"code", std::to_string(change.verdict.code)}});
}

void log_event_failure(const EventFailure& failure) {
    log(LogLevel::kWarning, "event_command.failed",
        {{"command", failure.command},
         {"event", failure.event.down ? "down" : "up"},
         {"set", std::to_string(failure.event.setid)},
         {"uri", failure.event.uri},
         {"reason", failure.reason}});
}

void log_state_change(const StateChange& change, std::uint64_t generation) {
    log(LogLevel::kInfo, change_event(change.old_flags, change.new_flags),
        {{"set", std::to_string(change.setid)},
         {"uri", change.uri},
         {"from", state_text(change.old_flags)},
         {"to", state_text(change.new_flags)},
         {"reason", cause_text(change.cause)},
         {"generation", std::to_string(generation)}});
}

void log_slow_path_counters(const SlowPathCounters& counters, std::uint64_t unclaimed) {
    log(LogLevel::kInfo, "counters.slow_path",
        {{"taken", std::to_string(counters.taken)},
         {"sent", std::to_string(counters.sent)},
         {"unsent", std::to_string(counters.unsent)},
         {"held", std::to_string(counters.held)},
         {"dropped", std::to_string(counters.dropped)},
         {"unclaimed", std::to_string(unclaimed)}});
}

void log_prober_counters(const Prober& prober) {
    const probe::SchedulerStats pings = prober.stats();
    const EventHookStats& events = prober.event_stats();
    log(LogLevel::kInfo, "counters.prober",
        {{"started", std::to_string(pings.started)},
         {"resent", std::to_string(pings.resent)},
         {"accepted", std::to_string(pings.accepted)},
         {"refused", std::to_string(pings.refused)},
         {"timed_out", std::to_string(pings.timed_out)},
         {"not_sent", std::to_string(pings.not_sent)},
         {"unreachable", std::to_string(pings.unreachable)},
         {"forgotten", std::to_string(pings.forgotten)},
         {"overflowed", std::to_string(pings.overflowed)},
         {"postponed", std::to_string(pings.postponed)},
         {"late", std::to_string(pings.late)},
         {"wrong_source", std::to_string(pings.wrong_source)},
         {"rounds_missed", std::to_string(pings.rounds_missed)},
         {"in_flight", std::to_string(prober.in_flight())},
         {"events", std::to_string(events.started)},
         {"events_lost", std::to_string(events.dropped + events.failed)}});
}

void log_publisher_counters(const PublisherStats& stats) {
    const auto mean = stats.total / std::max<std::uint64_t>(stats.generations, 1);
    log(LogLevel::kInfo, "counters.publisher",
        {{"generations", std::to_string(stats.generations)},
         {"wait_us_mean", std::to_string(mean.count())},
         {"wait_us_longest", std::to_string(stats.longest.count())}});
}

void log_worker_counters(std::size_t worker, const core::CounterValues& counters) {
    log(LogLevel::kInfo, "counters.worker",
        {{"worker", std::to_string(worker)},
         {"received", std::to_string(counters.received)},
         {"forwarded", std::to_string(counters.forwarded)},
         {"replied", std::to_string(counters.replied)},
         {"punted", std::to_string(counters.punted)},
         {"held", std::to_string(counters.held)},
         {"dropped", std::to_string(counters.dropped_total())},
         {"injected", std::to_string(counters.injected)},
         {"slow_path", std::to_string(counters.slow_path)},
         {"balanced", counters.balanced() ? "yes" : "no"}});
    for (const core::DropReasonInfo& info : core::kDropReasons) {
        const std::uint64_t count = counters.dropped[static_cast<std::size_t>(info.reason)];
        if (count == 0) continue;
        log(LogLevel::kInfo, "counters.dropped",
            {{"worker", std::to_string(worker)},
             {"reason", std::string(info.name)},
             {"count", std::to_string(count)},
             {"help", std::string(info.help)}});
    }
}

}  // namespace lb::cp
