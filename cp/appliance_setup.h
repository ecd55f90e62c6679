#pragma once

// What the appliance derives from its configuration, and what it says of itself: pure functions and
// log lines.
//
// Threads: the control thread only.

#include <memory>
#include <string>
#include <vector>

#include "cp/config.h"
#include "cp/control.h"
#include "cp/dns.h"
#include "cp/prober.h"
#include "cp/publisher.h"
#include "cp/slow_path.h"
#include "dp/base/keyed_hash.h"
#include "dp/io/data_plane.h"
#include "dp/table/call_load.h"

namespace lb::cp {

// Arguments of DPDK. Where no huge page is free and nothing in `args` says anything about memory,
// ordinary memory is taken; `warning` then says how to do better.
struct EalArguments {
    std::vector<std::string> args;
    std::string warning;
};
EalArguments eal_arguments(std::vector<std::string> args, std::size_t free_huge_pages);

// What makes DPDK run `workers` of them on `cpus`: the control thread on the first, each worker on
// the next, the last one beside the control thread, which sleeps most of the time, if there is no
// CPU left. Nothing for 0. The error: more workers than CPUs, and how many there are.
Result<std::vector<std::string>> lcore_arguments(std::uint32_t workers,
                                                 const std::vector<unsigned>& cpus);
// The CPUs that this process may run on, in order.
std::vector<unsigned> usable_cpus();

io::DataPlaneConfig data_plane_config(const Config& config);
DnsOptions dns_options(const DispatcherConfig& config);
// Null without ds_hash_size.
std::shared_ptr<table::CallLoad> make_call_load(const DispatcherConfig& config,
                                                const Secret& secret);

// Listen addresses that the kernel gets a socket for: not those of ports without a twin.
std::vector<Endpoint> kernel_listeners(const Config& config);

// Sections that differ but take effect only at a restart: "[eal]", "[[port]]" ...
std::vector<std::string> needs_restart(const Config& now, const Config& next);
// `next`, with those sections as they are now.
Config merge_reloadable(const Config& now, Config next);
// True if the dispatcher's model can stay: same options, same listeners.
bool same_model(const Config& now, const Config& next);

std::vector<PortStats> port_stats(const std::vector<PortConfig>& ports,
                                  const std::vector<io::DeviceStats>& devices);

void log_probed_change(const ProbedChange& change);
void log_event_failure(const EventFailure& failure);
void log_state_change(const StateChange& change, std::uint64_t generation);
void log_worker_counters(std::size_t worker, const core::CounterValues& counters);
void log_slow_path_counters(const SlowPathCounters& counters, std::uint64_t unclaimed);
void log_prober_counters(const Prober& prober);
void log_publisher_counters(const PublisherStats& stats);

}  // namespace lb::cp
