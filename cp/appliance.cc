#include "cp/appliance.h"

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <ctime>
#include <optional>
#include <utility>

#include "cp/appliance_setup.h"
#include "cp/destination_traffic.h"
#include "cp/dns.h"
#include "cp/http_server.h"
#include "cp/kernel_twins.h"
#include "cp/log.h"
#include "cp/notify.h"
#include "cp/prober.h"
#include "cp/publisher.h"
#include "cp/rpc/servers.h"
#include "cp/secret_file.h"
#include "cp/service_sockets.h"
#include "cp/slow_path.h"
#include "cp/table_source.h"
#include "cp/tables_builder.h"
#include "dp/core/route.h"
#include "dp/io/data_plane.h"
#include "dp/table/call_load.h"

namespace lb::cp {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kHousekeeping{1};
constexpr std::uint64_t kRefreshEvery = 15;  // housekeepings between refreshes of neighbours
constexpr std::uint64_t kWantEvery = 5;      // and between looks at the next hops in use
constexpr std::size_t kSlowFramesPerTurn = 256;
constexpr std::size_t kBadRowsLogged = 20;
constexpr std::uint32_t kDnsRefresh = 4;  // ds_dns_mode: look names up again

}  // namespace

// Declared in the order of life; destroyed in reverse.
struct Appliance::Impl {
    Impl(Config settings, io::Eal environment, const Secret& master)
        : config(std::move(settings)),
          eal(std::move(environment)),
          secret(master),
          dns(io, dns_options(config.dispatcher)),
          sockets(io),
          source(dns) {}

    Config config;
    io::Eal eal;
    Secret secret;
    asio::io_context io{1};
    const Clock::time_point started = Clock::now();
    const std::int64_t start_time = std::time(nullptr);

    Dns dns;
    ServiceSockets sockets;
    TableSource source;
    std::unique_ptr<io::DataPlane> data_plane;
    std::unique_ptr<KernelTwins> twins;
    std::shared_ptr<table::CallLoad> calls;
    std::unique_ptr<Dispatcher> dispatcher;
    DestinationTraffic traffic{[this](std::uint32_t slot) { return data_plane->traffic(slot); }};
    std::unique_ptr<Publisher> publisher;
    std::unique_ptr<SlowPath> slow_path;
    std::unique_ptr<Prober> prober;
    std::unique_ptr<rpc::RpcServers> rpc;
    std::unique_ptr<HttpServer> http;
    asio::signal_set signals{io, SIGTERM, SIGINT, SIGHUP};
    asio::signal_set counters_signal{io, SIGUSR1};
    asio::posix::stream_descriptor slow_wake{io};
    asio::steady_timer housekeeping{io};
    std::uint64_t housekeepings = 0;
    bool want_neighbours = false;
    bool reroute_pings = false;  // the network changed: another address of ours may be on the way
    Clock::time_point last_dns_refresh = started;
    std::optional<Clock::time_point> last_reload;
    std::int32_t ping_active = 1;
    std::uint64_t unclaimed = 0;  // datagrams on our sockets that nobody waited for
    ReloadCounts reloads;
    WorkerWatch watch;

    Status set_up(Control& control);
    Status set_up_data_plane();
    Status set_up_http(Control& control);
    void set_up_publisher();
    void set_up_slow_path();
    void set_up_prober();
    ProberOptions pinging();
    Result<std::unique_ptr<const table::Dispatch>> build(const table::Dispatch* previous,
                                                         bool keep_cursors);
    table::NetworkState network() const;
    bool send_probe(const Endpoint& local, const Endpoint& remote, std::string_view payload);
    void take_datagram(const ServiceDatagram& datagram);
    void hear_icmp();

    Status load_table(Dispatcher& into, bool all_or_nothing);
    Status reload_table();
    Status reload_config();
    void reload_all();
    void log_changes();
    void count_reload(bool good);
    Report report(Control& control);
    void published(unsigned parts);

    void wait_for_slow_frames();
    void watch_workers();
    void keep_house();
    void wait_for_signal();
    void wait_for_counters_signal();
    void log_counters() const;
    std::uint64_t now_ms() const {
        return 1 + static_cast<std::uint64_t>(
                       std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started)
                           .count());
    }
};

Appliance::Appliance(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Appliance::~Appliance() {
    impl_->http.reset();  // its threads wait for ours
    impl_->rpc.reset();
    if (impl_->slow_wake.is_open()) impl_->slow_wake.release();
    if (impl_->data_plane) impl_->data_plane->stop();  // before the snapshot goes
}

Result<std::unique_ptr<Appliance>> Appliance::create(Config config) {
    auto secret = load_secret(config.secret_file);
    if (!secret) return failed(std::move(secret).error());
    const EalArguments eal_args = eal_arguments(config.eal.args, io::count_free_huge_pages());
    if (!eal_args.warning.empty()) {
        log(LogLevel::kWarning, "eal.no_huge_pages", {{"fix", eal_args.warning}});
    }
    auto eal = io::Eal::create(eal_args.args);
    if (!eal) return failed(std::move(eal).error());

    std::unique_ptr<Appliance> self(
        new Appliance(std::make_unique<Impl>(std::move(config), std::move(*eal), *secret)));
    if (Status ready = self->impl_->set_up(*self); !ready) return failed(std::move(ready).error());
    return self;
}

Status Appliance::Impl::set_up(Control& control) {
    if (Status made = set_up_data_plane(); !made) return made;
    auto kernel =
        KernelTwins::create(io, config.ports, [this] { publisher->changed(Publisher::kNetwork); });
    if (!kernel) return failed(std::move(kernel).error());
    twins = std::move(*kernel);
    if (Status open = sockets.listen(kernel_listeners(config)); !open) return open;

    calls = make_call_load(config.dispatcher, secret);
    dispatcher = std::make_unique<Dispatcher>(dispatcher_options(config));
    set_up_publisher();
    set_up_slow_path();
    set_up_prober();
    if (Status loaded = load_table(*dispatcher, false); !loaded) return loaded;
    prober->destinations_changed();
    if (Status built = publisher->publish(Publisher::kAll); !built) return built;

    auto servers = rpc::RpcServers::create(io, config.rpc, control);
    if (!servers) return failed(std::move(servers).error());
    rpc = std::move(*servers);
    for (const std::string& warning : rpc->warnings()) {
        log(LogLevel::kWarning, "rpc.warning", {{"text", warning}});
    }
    return set_up_http(control);
}

Status Appliance::Impl::set_up_http(Control& control) {
    if (!config.http.listen) return {};
    HttpSources sources_of_http;
    sources_of_http.report = [this, &control] { return report(control); };
    sources_of_http.jsonrpc = [this](std::string_view body) { return rpc->answer_http(body); };
    auto server = HttpServer::create(io, *config.http.listen, std::move(sources_of_http));
    if (!server) return failed(std::move(server).error());
    http = std::move(*server);
    if (const std::string warning = http->warning(); !warning.empty()) {
        log(LogLevel::kWarning, "http.warning", {{"text", warning}});
    }
    return {};
}

Status Appliance::Impl::set_up_data_plane() {
    auto made = io::DataPlane::create(eal, data_plane_config(config));
    if (!made) return failed(std::move(made).error());
    data_plane = std::move(*made);
    slow_wake.assign(data_plane->slow_path().wake_fd());
    return {};
}

void Appliance::Impl::set_up_publisher() {
    Publisher::Sources sources;
    sources.dispatch = [this](const table::Dispatch* previous, bool keep_cursors) {
        return build(previous, keep_cursors);
    };
    sources.network = [this] { return network(); };
    sources.names = [this] { return dns.resolved_names(); };
    sources.published = [this](unsigned parts) { published(parts); };
    publisher =
        std::make_unique<Publisher>(io, std::move(sources), secret, config.verify_checksums);
}

Result<std::unique_ptr<const table::Dispatch>> Appliance::Impl::build(
    const table::Dispatch* previous, bool keep_cursors) {
    if (!keep_cursors) traffic.adopt(*dispatcher);
    DispatchCarry carry;
    carry.previous = previous;
    if (keep_cursors && previous != nullptr) carry.cursors = previous->cursors();
    carry.workers = data_plane->workers();
    carry.seed = secret.table.k0;
    carry.calls = calls;
    return build_dispatch(config, *dispatcher, carry);
}

table::NetworkState Appliance::Impl::network() const {
    return twins->state(data_plane->interfaces());
}

void Appliance::Impl::set_up_slow_path() {
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

ProberOptions Appliance::Impl::pinging() {
    ProberOptions options = prober_options(config);
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

void Appliance::Impl::set_up_prober() {
    prober = std::make_unique<Prober>(
        io, *dispatcher, pinging(), secret,
        [this](const Endpoint& local, const Endpoint& remote, std::string_view payload) {
            return send_probe(local, remote, payload);
        });
    prober->on_results = [this] { publisher->changed(Publisher::kState); };
    prober->on_change = [](const ProbedChange& change) { log_probed_change(change); };
    prober->set_active(ping_active != 0);
    hear_icmp();
}

void Appliance::Impl::hear_icmp() {
    if (!config.dispatcher.ping_icmp_errors) return sockets.on_unreachable(nullptr);
    sockets.on_unreachable([this](ConstBytes quoted) { prober->on_unreachable(as_text(quoted)); });
}

// By a port of ours, or not at all: the kernel's own routes may lead out of another device.
bool Appliance::Impl::send_probe(const Endpoint& local, const Endpoint& remote,
                                 std::string_view payload) {
    const table::Hop hop = publisher->tables().network->resolve(remote.address);
    if (hop.interface == table::kNoInterface) return false;
    const unsigned device = twins->device_of(hop.interface);
    return device != 0 && sockets.send({local, remote, device, 0, as_bytes(payload)});
}

void Appliance::Impl::take_datagram(const ServiceDatagram& datagram) {
    const bool ours = twins->is_twin(datagram.device);
    if (!ours || !prober->on_datagram(datagram.source, as_text(datagram.payload))) ++unclaimed;
}

Status Appliance::Impl::load_table(Dispatcher& into, bool all_or_nothing) {
    const auto start = Clock::now();
    auto report = source.load(config.dispatcher, into, all_or_nothing);
    if (!report) {
        log(LogLevel::kError, "table.refused", {{"reason", report.error().message}});
        return failed(std::move(report).error());
    }
    for (std::size_t i = 0; i < std::min(kBadRowsLogged, report->bad_rows.size()); ++i) {
        log(LogLevel::kError, "table.bad_row", {{"reason", report->bad_rows[i]}});
    }
    for (std::size_t i = 0; i < std::min(kBadRowsLogged, report->warnings.size()); ++i) {
        log(LogLevel::kWarning, "table.row", {{"warning", report->warnings[i]}});
    }
    reloads.refused_rows = report->bad_rows.size();
    const auto cost = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
    log(LogLevel::kInfo, "table.loaded",
        {{"destinations", std::to_string(report->loaded)},
         {"sets", std::to_string(into.sets().size())},
         {"bad", std::to_string(report->bad_rows.size())},
         {"ms", std::to_string(cost.count())}});
    return {};
}

Status Appliance::Impl::reload_table() {
    if (Status loaded = load_table(*dispatcher, true); !loaded) return loaded;
    prober->destinations_changed();
    return publisher->publish(Publisher::kTable);
}

// Everything that may change while traffic flows; all of it or nothing.
Status Appliance::Impl::reload_config() {
    auto fresh = load_config(config.file);
    if (!fresh) return failed(std::move(fresh).error());
    for (const std::string& what : needs_restart(config, *fresh)) {
        log(LogLevel::kWarning, "config.needs_restart", {{"section", what}});
    }
    Config next = merge_reloadable(config, std::move(*fresh));
    if (same_model(config, next)) {
        std::swap(config, next);
        if (Status loaded = reload_table(); !loaded) {
            std::swap(config, next);
            return loaded;
        }
        if (Status open = sockets.listen(kernel_listeners(config)); !open) return open;
        prober->reconfigure(pinging());
        hear_icmp();
        publisher->set_verify_checksums(config.verify_checksums);
        return {};
    }
    // Options of the model changed: a new one, as after a restart.
    auto model = std::make_unique<Dispatcher>(dispatcher_options(next));
    std::swap(config, next);
    Status applied = load_table(*model, true);
    if (applied) applied = sockets.listen(kernel_listeners(config));
    if (!applied) {
        std::swap(config, next);
        return applied;
    }
    prober.reset();  // refers to the model
    dispatcher = std::move(model);
    traffic.forget();
    set_up_prober();
    prober->destinations_changed();
    prober->start();
    publisher->set_verify_checksums(config.verify_checksums);
    return publisher->publish(Publisher::kTable | Publisher::kNetwork);
}

void Appliance::Impl::reload_all() {
    notify_reloading();
    const Status done = reload_config();
    count_reload(done.has_value());
    if (!done) {
        log(LogLevel::kError, "reload.refused", {{"reason", done.error().message}});
    } else {
        log(LogLevel::kInfo, "reload.done",
            {{"generation", std::to_string(publisher->tables().generation)}});
    }
    last_reload = Clock::now();
    notify("READY=1");
}

void Appliance::Impl::published(unsigned parts) {
    if ((parts & Publisher::kNames) != 0 && slow_path) slow_path->retry();
    if ((parts & (Publisher::kTable | Publisher::kNetwork)) != 0) want_neighbours = true;
    if ((parts & Publisher::kNetwork) != 0) reroute_pings = true;
    log_changes();
}

void Appliance::Impl::count_reload(bool good) {
    ++(good ? reloads.good : reloads.refused);
    reloads.last_good = good;
    reloads.last_time = std::time(nullptr);
}

// What HTTP shows.
Report Appliance::Impl::report(Control& control) {
    Report out = make_report(config, control);
    watch.look(out.stats.workers, Clock::now());  // this thread itself may have been away
    if (out.problem.empty()) out.problem = watch.problem(Clock::now());
    out.probes = prober->stats();
    out.probes_in_flight = prober->in_flight();
    out.events = prober->event_stats();
    out.slow_path = slow_path->counters();
    out.unclaimed = unclaimed;
    out.dns_questions = dns.questions();
    out.dns_answers = dns.size();
    out.reloads = reloads;
    return out;
}

// Those by probes have been logged with their reason.
void Appliance::Impl::log_changes() {
    for (const StateChange& change : dispatcher->take_changes()) {
        if (!change.by_probe) log_state_change(change, publisher->tables().generation);
    }
}

void Appliance::Impl::wait_for_slow_frames() {
    slow_wake.async_wait(
        asio::posix::descriptor_base::wait_read, [this](const asio::error_code& error) {
            if (error) return;
            data_plane->slow_path().drain(kSlowFramesPerTurn, [this](const io::SlowFrame& item) {
                slow_path->take(item.action, item.interface, item.frame);
            });
            wait_for_slow_frames();
        });
}

void Appliance::Impl::watch_workers() {
    std::vector<core::CounterValues> workers;
    for (std::size_t i = 0; i < data_plane->workers(); ++i) {
        workers.push_back(data_plane->counters(i));
    }
    watch.look(workers, Clock::now());
}

void Appliance::Impl::keep_house() {
    slow_path->expire();
    watch_workers();
    traffic.watch(*dispatcher, now_ms());
    if (dns.expire()) publisher->changed(Publisher::kNames);
    if (calls)
        calls->expire(static_cast<std::uint32_t>(now_ms() / 1000), calls->buckets() / 16 + 1);
    if (std::exchange(want_neighbours, false) || housekeepings % kWantEvery == 0) {
        const auto& hops = slow_path->recent();
        twins->want(publisher->tables(), {hops.begin(), hops.end()});
    }
    if (std::exchange(reroute_pings, false)) prober->destinations_changed();
    if (++housekeepings % kRefreshEvery == 0) twins->refresh();
    const bool refreshes = (config.dispatcher.ds_dns_mode & kDnsRefresh) != 0;
    const std::chrono::seconds interval(config.dispatcher.ds_dns_interval);
    if (refreshes && Clock::now() - last_dns_refresh >= interval) {
        last_dns_refresh = Clock::now();
        source.refresh(
            config.dispatcher, [this]() -> Dispatcher& { return *dispatcher; },
            [this] { publisher->changed(Publisher::kState); });
    }
    housekeeping.expires_after(kHousekeeping);
    housekeeping.async_wait([this](const asio::error_code& error) {
        if (!error) keep_house();
    });
}

void Appliance::Impl::wait_for_signal() {
    signals.async_wait([this](const asio::error_code& error, int number) {
        if (error) return;
        if (number == SIGHUP) {
            reload_all();
            return wait_for_signal();
        }
        log(LogLevel::kInfo, "daemon.stopping", {{"signal", number == SIGINT ? "INT" : "TERM"}});
        notify("STOPPING=1");
        io.stop();
    });
}

void Appliance::Impl::wait_for_counters_signal() {
    counters_signal.async_wait([this](const asio::error_code& error, int) {
        if (error) return;
        log_counters();
        wait_for_counters_signal();
    });
}

void Appliance::Impl::log_counters() const {
    for (std::size_t i = 0; i < data_plane->workers(); ++i) {
        log_worker_counters(i, data_plane->counters(i));
    }
    const SlowPathCounters& slow = slow_path->counters();
    log(LogLevel::kInfo, "counters.slow_path",
        {{"taken", std::to_string(slow.taken)},
         {"sent", std::to_string(slow.sent)},
         {"unsent", std::to_string(slow.unsent)},
         {"held", std::to_string(slow.held)},
         {"dropped", std::to_string(slow.dropped)},
         {"unclaimed", std::to_string(unclaimed)}});
    log_prober_counters(*prober);
    log_publisher_counters(publisher->stats());
}

Status Appliance::run() {
    Impl& impl = *impl_;
    if (Status started = impl.data_plane->start(impl.publisher->snapshot()); !started) {
        return started;
    }
    impl.wait_for_signal();
    impl.wait_for_counters_signal();
    impl.wait_for_slow_frames();
    impl.want_neighbours = true;
    impl.keep_house();
    impl.prober->start();
    log(LogLevel::kInfo, "daemon.ready",
        {{"version", SIPLANE_VERSION},
         {"workers", std::to_string(impl.data_plane->workers())},
         {"ports", std::to_string(impl.config.ports.size())},
         {"services", std::to_string(impl.config.services.size())},
         {"generation", std::to_string(impl.publisher->tables().generation)}});
    notify("READY=1");
    impl.io.run();

    // Drain: workers finish their turn and send what they hold; what they left to us goes out too.
    impl.prober->stop();
    impl.data_plane->stop();
    impl.data_plane->slow_path().drain(io::SlowPath::kSlots, [&](const io::SlowFrame& item) {
        impl.slow_path->take(item.action, item.interface, item.frame);
    });
    impl.log_counters();
    log(LogLevel::kInfo, "daemon.stopped");
    return {};
}

Dispatcher& Appliance::dispatcher() { return *impl_->dispatcher; }

Status Appliance::reload() {
    Status done = impl_->reload_table();
    impl_->count_reload(done.has_value());
    return done;
}

Status Appliance::add_destination(const DestinationRow& row) {
    const Resolver resolve = impl_->source.resolver(impl_->config.dispatcher);
    if (Status added = impl_->dispatcher->add(row, resolve); !added) return added;
    impl_->prober->destinations_changed();
    return impl_->publisher->publish(Publisher::kTable);
}

Status Appliance::remove_destination(std::int32_t setid, std::string_view uri) {
    if (Status removed = impl_->dispatcher->remove(setid, uri); !removed) return removed;
    impl_->prober->destinations_changed();
    return impl_->publisher->publish(Publisher::kTable);
}

void Appliance::dispatcher_changed() { impl_->publisher->changed(Publisher::kState); }

std::int32_t Appliance::ping_active() const { return impl_->ping_active; }

void Appliance::set_ping_active(std::int32_t state) {
    impl_->ping_active = state;
    impl_->prober->set_active(state != 0);
    log(LogLevel::kInfo, "probing.active", {{"state", std::to_string(state)}});
}

bool Appliance::try_start_reload() {
    const std::chrono::seconds delta(impl_->config.dispatcher.reload_delta);
    const auto now = Clock::now();
    if (impl_->last_reload && now - *impl_->last_reload < delta) return false;
    impl_->last_reload = now;
    return true;
}

const table::Tables* Appliance::tables() const { return &impl_->publisher->tables(); }

// On a copy of the model, so that states which a reload keeps are kept, and a bad row is named as
// the reload would name it. Loads of algorithm 10 stay out of it.
Result<std::unique_ptr<const table::Dispatch>> Appliance::preview_reload() {
    const std::unique_ptr<Dispatcher> model = impl_->dispatcher->clone();
    const auto report = impl_->source.load(impl_->config.dispatcher, *model, true);
    if (!report) return failed(report.error());
    DispatchCarry carry;
    carry.workers = impl_->data_plane->workers();
    carry.seed = impl_->secret.table.k0;
    return build_dispatch(impl_->config, *model, carry);
}

core::TrafficValues Appliance::traffic(const Destination& destination) const {
    return impl_->traffic.of(destination);
}

std::vector<DrainState> Appliance::draining() {
    impl_->traffic.watch(*impl_->dispatcher, impl_->now_ms());
    return impl_->traffic.draining(*impl_->dispatcher, impl_->now_ms());
}

Stats Appliance::stats() const {
    Stats out;
    for (std::size_t i = 0; i < impl_->data_plane->workers(); ++i) {
        out.workers.push_back(impl_->data_plane->counters(i));
    }
    out.ports = port_stats(impl_->config.ports, impl_->data_plane->device_stats());
    out.generation = impl_->publisher->tables().generation;
    out.tables_bytes = impl_->publisher->memory_bytes();
    return out;
}

std::int64_t Appliance::start_time() const { return impl_->start_time; }

}  // namespace lb::cp
