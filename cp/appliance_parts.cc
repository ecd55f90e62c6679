#include "cp/appliance_parts.h"

#include <algorithm>
#include <utility>

#include "cp/appliance_setup.h"
#include "cp/tables_builder.h"
#include "dp/core/route.h"

namespace lb::cp {

ApplianceParts::ApplianceParts(Config settings, io::Eal environment, const Secret& master)
    : config(std::move(settings)),
      eal(std::move(environment)),
      secret(master),
      dns(io, dns_options(config.dispatcher)),
      sockets(io),
      source(dns) {}

ApplianceParts::~ApplianceParts() {
    if (slow_wake.is_open()) slow_wake.release();
    if (data_plane) data_plane->stop();
}

Status ApplianceParts::set_up() {
    if (Status made = set_up_data_plane(); !made) return made;
    auto kernel =
        KernelTwins::create(io, config.ports, [this] { publisher->changed(Publisher::kNetwork); });
    if (!kernel) return failed(std::move(kernel).error());
    twins = std::move(*kernel);
    if (Status open = sockets.listen(kernel_listeners(config)); !open) return open;

    calls = make_call_load(config.dispatcher, secret);
    dispatcher = std::make_unique<Dispatcher>(model_options(config));
    set_up_publisher();
    set_up_slow_path();
    set_up_tracer();
    set_up_prober();
    return {};
}

DispatcherOptions ApplianceParts::model_options(const Config& of) const {
    DispatcherOptions options = dispatcher_options(of);
    if (calls) {
        options.load_of = [loads = calls](table::DestinationId id) { return loads->load_of(id); };
    }
    return options;
}

Status ApplianceParts::set_up_data_plane() {
    auto made = io::DataPlane::create(eal, data_plane_config(config));
    if (!made) return failed(std::move(made).error());
    data_plane = std::move(*made);
    slow_wake.assign(data_plane->slow_path().wake_fd());
    return {};
}

void ApplianceParts::set_up_publisher() {
    Publisher::Sources sources;
    sources.dispatch = [this](const table::Dispatch* previous, bool keep_cursors) {
        return build(previous, keep_cursors);
    };
    sources.network = [this] { return network(); };
    sources.names = [this] { return dns.resolved_names(); };
    sources.published = [this](unsigned parts) { on_published(parts); };
    publisher =
        std::make_unique<Publisher>(io, std::move(sources), secret, config.verify_checksums);
}

Result<std::unique_ptr<const table::Dispatch>> ApplianceParts::build(
    const table::Dispatch* previous, bool keep_cursors) {
    if (!keep_cursors) traffic.adopt(*dispatcher);
    DispatchCarry carry;
    carry.previous = previous;
    if (keep_cursors && previous != nullptr) carry.cursors = previous->cursors();
    carry.states_only = keep_cursors;
    carry.workers = data_plane->workers();
    carry.seed = secret.table.k0;
    carry.calls = calls;
    return build_dispatch(config, *dispatcher, carry);
}

table::NetworkState ApplianceParts::network() const {
    return twins->state(data_plane->interfaces());
}

void ApplianceParts::set_up_slow_path() {
    SlowPath::Hooks hooks;
    hooks.tables = [this]() -> const table::Tables& { return publisher->tables(); };
    hooks.device = [this](table::InterfaceIndex interface) { return twins->device_of(interface); };
    hooks.name_answered = [this] { publisher->changed(Publisher::kNames); };
    hooks.now_ms = [this] { return now_ms(); };
    hooks.route = core::route;
    slow_path = std::make_unique<SlowPath>(sockets, dns, std::move(hooks),
                                           static_cast<std::uint32_t>(data_plane->workers()));
    sockets.on_datagram([this](const ServiceDatagram& datagram) { take_datagram(datagram); });
}

void ApplianceParts::set_up_tracer() {
    io::Tracing& tracing = data_plane->tracing();
    TraceSource workers;
    workers.start = [&tracing](const core::TraceFilter& filter) { tracing.start(filter); };
    workers.stop = [&tracing] { tracing.stop(); };
    workers.drain = [&tracing](const TraceSource::Take& take) { tracing.drain(take); };
    workers.lost = [&tracing] { return tracing.lost(); };
    workers.tables = [this]() -> const table::Tables& { return publisher->tables(); };
    tracer = std::make_unique<Tracer>(io, std::move(workers));
}

void ApplianceParts::take_datagram(const ServiceDatagram& datagram) {
    const bool ours = twins->is_twin(datagram.device);
    if (!ours || !prober->on_datagram(datagram.source, as_text(datagram.payload))) ++unclaimed;
}

ProberOptions ApplianceParts::pinging() {
    ProberOptions options = prober_options(config);
    options.route.resolve = [this](std::string_view host, std::uint16_t port) {
        return hop_names.find(host, port);
    };
    options.route.on_the_way = [this](const IpAddress& local, const IpAddress& remote) {
        const table::Network& network = *publisher->tables().network;
        const table::InterfaceIndex out = network.resolve(remote).interface;
        if (out == table::kNoInterface) return false;
        const auto& addresses = network.interface(out).addresses;
        return std::any_of(addresses.begin(), addresses.end(),
                           [&local](const Prefix& prefix) { return prefix.address == local; });
    };
    return options;
}

void ApplianceParts::set_up_prober() {
    prober = std::make_unique<Prober>(
        io, *dispatcher, pinging(), secret,
        [this](const Endpoint& local, const Endpoint& remote, std::string_view payload) {
            return send_probe(local, remote, payload);
        });
    prober->on_results = [this] { publisher->changed(Publisher::kState); };
    prober->on_change = [](const ProbedChange& change) { log_probed_change(change); };
    prober->on_event_failure = [this](const EventFailure& failure) {
        if (event_lines.take(Clock::now())) log_event_failure(failure);
    };
    prober->set_active(ping_active != 0);
    hear_icmp();
}

void ApplianceParts::reconfigure_prober() {
    prober->reconfigure(pinging());
    hear_icmp();
}

void ApplianceParts::hear_icmp() {
    if (!config.dispatcher.ping_icmp_errors) return sockets.on_unreachable(nullptr);
    sockets.on_unreachable([this](ConstBytes quoted) { prober->on_unreachable(as_text(quoted)); });
}

// By a port of ours, or not at all: the kernel's own routes may lead out of another device.
bool ApplianceParts::send_probe(const Endpoint& local, const Endpoint& remote,
                                std::string_view payload) {
    const table::Hop hop = publisher->tables().network->resolve(remote.address);
    if (hop.interface == table::kNoInterface) return false;
    const unsigned device = twins->device_of(hop.interface);
    return device != 0 && sockets.send({local, remote, device, 0, as_bytes(payload)});
}

void ApplianceParts::replace_dispatcher(std::unique_ptr<Dispatcher> model) {
    prober->follow(*model, pinging());
    hear_icmp();
    dispatcher = std::move(model);
}

std::uint64_t ApplianceParts::now_ms() const {
    const auto elapsed = Clock::now() - started;
    return 1 + static_cast<std::uint64_t>(
                   std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count());
}

}  // namespace lb::cp
