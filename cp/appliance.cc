#include "cp/appliance.h"

#include <asio/signal_set.hpp>
#include <csignal>
#include <ctime>
#include <utility>

#include "cp/appliance_parts.h"
#include "cp/appliance_setup.h"
#include "cp/housekeeping.h"
#include "cp/http_server.h"
#include "cp/log.h"
#include "cp/notify.h"
#include "cp/reload.h"
#include "cp/rpc/servers.h"
#include "cp/secret_file.h"

namespace lb::cp {
namespace {

constexpr std::size_t kSlowFramesPerTurn = 256;

}  // namespace

// The parts, those who act on them, and the ways in from outside: signals, RPC, HTTP, and frames
// that workers leave. Declared in the order of life; destroyed in reverse.
struct Appliance::Impl {
    Impl(Config config, io::Eal eal, const Secret& secret)
        : parts(std::move(config), std::move(eal), secret) {}

    const std::int64_t start_time = std::time(nullptr);
    ApplianceParts parts;
    Reload reload{parts};
    Housekeeping housekeeping{parts};
    std::unique_ptr<rpc::RpcServers> rpc;
    std::unique_ptr<HttpServer> http;  // its threads wait for ours, so it goes first
    asio::signal_set signals{parts.io, SIGTERM, SIGINT, SIGHUP};
    asio::signal_set counters_signal{parts.io, SIGUSR1};

    Status set_up(Control& control);
    Status set_up_rpc(Control& control);
    Status set_up_http(Control& control);
    Status run();

    void published(unsigned changed);
    void log_changes();
    void log_counters() const;
    Report report(Control& control);

    void wait_for_slow_frames();
    void take_slow_frames(std::size_t most);
    void wait_for_signal();
    void wait_for_counters_signal();
};

Appliance::Appliance(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Appliance::~Appliance() = default;

Result<std::unique_ptr<Appliance>> Appliance::create(Config config) {
    auto secret = load_secret(config.secret_file);
    if (!secret) return failed(std::move(secret).error());
    const auto lcores = lcore_arguments(config.workers, usable_cpus());
    if (!lcores) return failed(lcores.error());
    std::vector<std::string> args = config.eal.args;
    args.insert(args.end(), lcores->begin(), lcores->end());
    const EalArguments eal_args = eal_arguments(std::move(args), io::count_free_huge_pages());
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
    parts.on_published = [this](unsigned changed) { published(changed); };
    if (Status made = parts.set_up(); !made) return made;
    if (Status loaded = reload.load_first(); !loaded) return loaded;
    if (Status open = set_up_rpc(control); !open) return open;
    return set_up_http(control);
}

Status Appliance::Impl::set_up_rpc(Control& control) {
    auto servers = rpc::RpcServers::create(parts.io, parts.config.rpc, control);
    if (!servers) return failed(std::move(servers).error());
    rpc = std::move(*servers);
    for (const std::string& warning : rpc->warnings()) {
        log(LogLevel::kWarning, "rpc.warning", {{"text", warning}});
    }
    return {};
}

Status Appliance::Impl::set_up_http(Control& control) {
    if (!parts.config.http.listen) return {};
    HttpSources sources;
    sources.report = [this, &control] { return report(control); };
    sources.jsonrpc = [this](std::string_view body) { return rpc->answer_http(body); };
    auto server = HttpServer::create(parts.io, *parts.config.http.listen, std::move(sources));
    if (!server) return failed(std::move(server).error());
    http = std::move(*server);
    if (const std::string warning = http->warning(); !warning.empty()) {
        log(LogLevel::kWarning, "http.warning", {{"text", warning}});
    }
    return {};
}

// -- Events

void Appliance::Impl::published(unsigned changed) {
    if ((changed & Publisher::kNames) != 0) parts.slow_path->retry();
    housekeeping.published(changed);
    log_changes();
}

// Those by probes have been logged with their reason.
void Appliance::Impl::log_changes() {
    for (const StateChange& change : parts.dispatcher->take_changes()) {
        if (change.cause == StateChange::Cause::kProbe) continue;
        if (!parts.change_lines.take(ApplianceParts::Clock::now())) continue;
        log_state_change(change, parts.publisher->tables().generation);
    }
}

void Appliance::Impl::wait_for_slow_frames() {
    parts.slow_wake.async_wait(asio::posix::descriptor_base::wait_read,
                               [this](const asio::error_code& error) {
                                   if (error) return;
                                   take_slow_frames(kSlowFramesPerTurn);
                                   wait_for_slow_frames();
                               });
}

void Appliance::Impl::take_slow_frames(std::size_t most) {
    parts.data_plane->slow_path().drain(most, [this](const io::SlowFrame& item) {
        parts.slow_path->take(item.action, item.interface, item.frame);
    });
}

void Appliance::Impl::wait_for_signal() {
    signals.async_wait([this](const asio::error_code& error, int number) {
        if (error) return;
        if (number == SIGHUP) {
            reload.all();
            return wait_for_signal();
        }
        log(LogLevel::kInfo, "daemon.stopping", {{"signal", number == SIGINT ? "INT" : "TERM"}});
        notify("STOPPING=1");
        parts.io.stop();
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
    for (std::size_t i = 0; i < parts.data_plane->workers(); ++i) {
        log_worker_counters(i, parts.data_plane->counters(i));
    }
    log_slow_path_counters(parts.slow_path->counters(), parts.unclaimed);
    log_prober_counters(*parts.prober);
    log_publisher_counters(parts.publisher->stats());
}

// What HTTP shows.
Report Appliance::Impl::report(Control& control) {
    Report out = make_report(parts.config, control);
    const std::string stuck = housekeeping.problem(out.stats.workers);
    if (out.problem.empty()) out.problem = stuck;
    out.probes = parts.prober->stats();
    out.probes_in_flight = parts.prober->in_flight();
    out.events = parts.prober->event_stats();
    out.slow_path = parts.slow_path->counters();
    out.unclaimed = parts.unclaimed;
    out.dns_questions = parts.dns.questions();
    out.dns_answers = parts.dns.size();
    out.reloads = reload.counts();
    return out;
}

Status Appliance::run() { return impl_->run(); }

Status Appliance::Impl::run() {
    if (Status started = parts.data_plane->start(parts.publisher->snapshot()); !started) {
        return started;
    }
    wait_for_signal();
    wait_for_counters_signal();
    wait_for_slow_frames();
    housekeeping.start();
    parts.prober->start();
    log(LogLevel::kInfo, "daemon.ready",
        {{"version", SIPLANE_VERSION},
         {"workers", std::to_string(parts.data_plane->workers())},
         {"ports", std::to_string(parts.config.ports.size())},
         {"services", std::to_string(parts.config.services.size())},
         {"generation", std::to_string(parts.publisher->tables().generation)}});
    notify("READY=1");
    parts.io.run();

    // Drain: workers finish their turn and send what they hold; what they left to us goes out too.
    parts.prober->stop();
    parts.tracer->stop();
    parts.data_plane->stop();
    take_slow_frames(io::SlowPath::kSlots);
    log_counters();
    log(LogLevel::kInfo, "daemon.stopped");
    return {};
}

// -- Control

Dispatcher& Appliance::dispatcher() { return *impl_->parts.dispatcher; }

Status Appliance::reload() { return impl_->reload.table(); }

Status Appliance::add_destination(const DestinationRow& row) { return impl_->reload.add(row); }

Status Appliance::remove_destination(std::int32_t setid, std::string_view uri) {
    return impl_->reload.remove(setid, uri);
}

void Appliance::dispatcher_changed() { impl_->parts.publisher->changed(Publisher::kState); }

std::int32_t Appliance::ping_active() const { return impl_->parts.ping_active; }

void Appliance::set_ping_active(std::int32_t state) {
    impl_->parts.ping_active = state;
    impl_->parts.prober->set_active(state != 0);
    log(LogLevel::kInfo, "probing.active", {{"state", std::to_string(state)}});
}

bool Appliance::try_start_reload() { return impl_->reload.try_start(); }

const table::Tables* Appliance::tables() const { return &impl_->parts.publisher->tables(); }

Result<std::unique_ptr<const table::Dispatch>> Appliance::preview_reload() {
    return impl_->reload.preview();
}

Tracer* Appliance::tracer() { return impl_->parts.tracer.get(); }
std::string Appliance::trace_directory() const { return impl_->parts.config.trace_dir; }

core::TrafficValues Appliance::traffic(const Destination& destination) const {
    return impl_->parts.traffic.of(destination);
}

std::vector<DrainState> Appliance::draining() {
    ApplianceParts& parts = impl_->parts;
    parts.traffic.watch(*parts.dispatcher, parts.now_ms());
    return parts.traffic.draining(*parts.dispatcher, parts.now_ms());
}

Stats Appliance::stats() const {
    const ApplianceParts& parts = impl_->parts;
    Stats out;
    for (std::size_t i = 0; i < parts.data_plane->workers(); ++i) {
        out.workers.push_back(parts.data_plane->counters(i));
    }
    out.ports = port_stats(parts.config.ports, parts.data_plane->device_stats());
    if (parts.calls != nullptr) out.calls = {parts.calls->calls(), parts.calls->refused()};
    out.path_mtus_learned = parts.data_plane->path_mtus_learned();
    out.generation = parts.publisher->tables().generation;
    out.tables_bytes = parts.publisher->memory_bytes();
    return out;
}

std::int64_t Appliance::start_time() const { return impl_->start_time; }

}  // namespace lb::cp
