#pragma once

// What the running daemon is made of, in the order of life, and the wires between the parts.
//
//   Reload, Housekeeping, Appliance  ->  ApplianceParts  ->  Publisher, Prober, SlowPath, ...
//
// Threads: the control thread only.

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string_view>

#include "cp/config.h"
#include "cp/destination_traffic.h"
#include "cp/dispatcher.h"
#include "cp/dns.h"
#include "cp/hop_names.h"
#include "cp/kernel_twins.h"
#include "cp/line_budget.h"
#include "cp/prober.h"
#include "cp/publisher.h"
#include "cp/service_sockets.h"
#include "cp/slow_path.h"
#include "cp/table_source.h"
#include "cp/tracer.h"
#include "dp/base/keyed_hash.h"
#include "dp/io/data_plane.h"
#include "dp/table/call_load.h"

namespace lb::cp {

// Owns the parts and ties them together; decides nothing by itself. Those who use it (Reload,
// Housekeeping, Appliance) are made after it and destroyed before it.
//
// Order of life: constructor, set_up(), [Reload loads the table, publish()], start by Appliance.
struct ApplianceParts {
    using Clock = std::chrono::steady_clock;

    ApplianceParts(Config settings, io::Eal environment, const Secret& master);
    ~ApplianceParts();  // stops the workers before the snapshot goes
    ApplianceParts(const ApplianceParts&) = delete;
    ApplianceParts& operator=(const ApplianceParts&) = delete;

    // Opens devices, twins and sockets and makes the rest; the model is empty and nothing is
    // published yet. The error is a sentence for the operator.
    Status set_up();
    // What [dispatcher] asks of a model, which also knows the calls of this appliance.
    DispatcherOptions model_options(const Config& of) const;
    // Another model with the same destinations, made by clone(), which the prober follows.
    // REQUIRES: Prober::start() follows.
    void replace_dispatcher(std::unique_ptr<Dispatcher> model);
    // What of the prober follows the configuration.
    void reconfigure_prober();

    // Services and sets as workers need them; see Publisher::Sources::dispatch.
    Result<std::unique_ptr<const table::Dispatch>> build(const table::Dispatch* previous,
                                                         bool keep_cursors);
    std::uint64_t now_ms() const;  // since the start, never 0

    Config config;
    io::Eal eal;
    Secret secret;
    asio::io_context io{1};
    const Clock::time_point started = Clock::now();

    // Called after each generation; set before the first one.
    std::function<void(unsigned parts)> on_published;

    // Destroyed in reverse.
    Dns dns;
    HopNames hop_names{dns};
    ServiceSockets sockets;
    TableSource source;
    std::unique_ptr<io::DataPlane> data_plane;
    std::unique_ptr<KernelTwins> twins;
    std::shared_ptr<table::CallLoad> calls;
    std::unique_ptr<Dispatcher> dispatcher;
    DestinationTraffic traffic{[this](std::uint32_t slot) { return data_plane->traffic(slot); }};
    std::unique_ptr<Publisher> publisher;
    std::unique_ptr<SlowPath> slow_path;
    std::unique_ptr<Tracer> tracer;
    std::unique_ptr<Prober> prober;
    asio::posix::stream_descriptor slow_wake{io};  // readable: workers left frames for slow_path

    LineBudget change_lines{50};  // about states that commands changed
    LineBudget event_lines{5};    // about event commands that failed
    std::int32_t ping_active = 1;
    std::uint64_t unclaimed = 0;  // datagrams on our sockets that nobody waited for

private:
    Status set_up_data_plane();
    void set_up_publisher();
    void set_up_slow_path();
    void set_up_tracer();
    void set_up_prober();
    ProberOptions pinging();
    void hear_icmp();
    table::NetworkState network() const;
    bool send_probe(const Endpoint& local, const Endpoint& remote, std::string_view payload);
    void take_datagram(const ServiceDatagram& datagram);
};

}  // namespace lb::cp
