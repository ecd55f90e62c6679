#include "cp/prober.h"

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "cp/config.h"

namespace lb::cp {

namespace {

using Clock = std::chrono::steady_clock;
using probe::Micros;

// Pings that start less than this apart share one wake-up.
constexpr Micros kWaitMin = probe::kMillisecond;
constexpr Micros kLatencyPause = probe::kSecond;

Micros now_us() {
    return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now().time_since_epoch())
        .count();
}

}  // namespace

ProberOptions prober_options(const Config& config) {
    const DispatcherConfig& from = config.dispatcher;
    ProberOptions options;
    probe::SchedulerOptions& to = options.scheduler;
    to.interval = from.ds_ping_interval * probe::kSecond;
    to.spread = from.ds_ping_spread;
    to.mode = static_cast<probe::Mode>(from.ds_probing_mode);
    to.timers = {config.tm.retr_timer1 * probe::kMillisecond,
                 config.tm.retr_timer2 * probe::kMillisecond,
                 config.probe_timeout_ms() * probe::kMillisecond};
    to.codes = probe::ReplyCodes::parse(from.ds_ping_reply_codes);
    to.icmp_ends_ping = from.ping_icmp_errors;
    to.format = {from.ds_ping_method, from.ds_ping_from, from.ping_user_agent};
    for (const ServiceConfig& service : config.services) {
        for (const ListenConfig& listen : service.listen) {
            options.route.listeners.push_back({listen.endpoint, listen.name});
        }
    }
    options.route.outbound_proxy = from.outbound_proxy;
    options.route.ds_default_socket = from.ds_default_socket;
    options.route.ds_default_sockname = from.ds_default_sockname;
    options.route.ds_ping_socket = from.ds_ping_socket;
    options.event_command = from.event_command;
    for (const ServiceConfig& service : config.services) {
        const auto is_latency = [](const table::Rule& rule) {
            return rule.algorithm == table::Algorithm::kLatency;
        };
        options.latencies_choose =
            options.latencies_choose || service.algorithm == table::Algorithm::kLatency ||
            std::any_of(service.rules.begin(), service.rules.end(), is_latency);
    }
    return options;
}

struct Prober::Impl final : probe::Targets, probe::Output {
    Impl(Prober& owner_of_this, asio::io_context& io, Dispatcher& model, ProberOptions options,
         const Secret& secret, Send send_function)
        : owner(owner_of_this),
          dispatcher(&model),
          route(std::move(options.route)),
          send_datagram(std::move(send_function)),
          hook(io, std::move(options.event_command)),
          timer(io),
          scheduler(std::move(options.scheduler), secret, std::random_device{}(), now_us()),
          latencies_choose(options.latencies_choose) {
        hook.on_failure([this](const EventFailure& failure) {
            if (owner.on_event_failure) owner.on_event_failure(failure);
        });
    }

    bool find(probe::TargetId id, probe::Target& target) override {
        const Destination* found = dispatcher->find(table::DestinationId{id});
        if (found == nullptr || !found->over_udp()) return false;
        target.flags = found->flags;
        const PingHop hop = route.remote(*found);
        target.wait = hop.asking;
        target.remote = hop.endpoint.value_or(Endpoint{});
        target.local = route.local(*found, target.remote.address).value_or(Endpoint{});
        target.uri = found->uri;
        target.from = found->attrs.ping_from();
        return true;
    }

    bool send(const Endpoint& local, const Endpoint& remote, std::string_view message) override {
        return send_datagram(local, remote, message);
    }

    void verdict(const probe::Verdict& verdict) override {
        const table::DestinationId id{verdict.id};
        const Destination* found = dispatcher->find(id);
        if (found == nullptr) return;  // removed meanwhile
        const std::uint32_t old_flags = found->flags;
        dispatcher->probe_result(id, verdict.outcome == probe::ProbeOutcome::kSuccess,
                                 verdict.latency_ms, verdict.cause == probe::Cause::kTimeout);
        found = dispatcher->find(id);
        if (found == nullptr || found->flags == old_flags) return;
        if (owner.on_change) owner.on_change({*found, old_flags, verdict});
        run_hook(*found, old_flags);
    }

    // For a drained destination, too: whether it is there is another question than whether it gets
    // calls.
    void run_hook(const Destination& destination, std::uint32_t old_flags) {
        constexpr std::uint32_t kDown = table::kInactive | table::kDisabled;
        const bool was_down = (old_flags & kDown) != 0;
        const bool is_down = (destination.flags & kDown) != 0;
        if (was_down == is_down) return;
        hook.run({is_down, destination.setid, std::string(destination.uri),
                  state_letters(old_flags, false), state_letters(destination.flags, false)});
    }

    // Runs `work`, then tells of results and looks when to wake up next.
    template <class Work>
    void with_results(Work&& work) {
        const std::uint64_t version = dispatcher->version();
        work();
        const auto latencies = latencies_due();
        if (dispatcher->version() != version || (latencies && *latencies <= now_us())) {
            told_latencies = dispatcher->latency_version();
            told_at = now_us();
            if (owner.on_results) owner.on_results();
        }
        arm();
    }

    // When to tell of new latencies: where they choose the destination the workers get them, though
    // not with each reply. Nothing: there are none to tell of.
    std::optional<Micros> latencies_due() const {
        if (!latencies_choose || dispatcher->latency_version() == told_latencies) {
            return std::nullopt;
        }
        return told_at + kLatencyPause;
    }

    std::optional<Micros> next_event() const {
        const auto pings = scheduler.next_event();
        const auto latencies = latencies_due();
        if (!pings || !latencies) return pings ? pings : latencies;
        return std::min(*pings, *latencies);
    }

    void arm() {
        if (!started) return;
        const auto next = next_event();
        if (!next || *next >= wake_at) return;
        wake_at = *next;
        const Micros wait = std::max(*next - now_us(), kWaitMin);
        timer.expires_after(std::chrono::microseconds(wait));
        timer.async_wait([this, alive = std::weak_ptr(life)](std::error_code error) {
            // Moved; or the prober has gone or stopped with this call already on its way.
            if (error || alive.expired() || !started) return;
            wake_at = INT64_MAX;
            with_results([this] { scheduler.on_time(now_us(), *this, *this); });
        });
    }

    void show_targets() {
        std::vector<probe::TargetId> ids;
        ids.reserve(dispatcher->size());
        for (const DestinationSet& set : dispatcher->sets()) {
            for (const Destination& destination : set.members) {
                ids.push_back(static_cast<probe::TargetId>(destination.id));
                if (destination.over_udp()) (void)route.remote(destination);  // asks for its name
            }
        }
        scheduler.set_targets(ids, now_us());
        arm();
    }

    Prober& owner;
    Dispatcher* dispatcher;
    PingRoute route;
    Send send_datagram;
    EventHook hook;
    asio::steady_timer timer;
    probe::Scheduler scheduler;
    bool started = false;
    Micros wake_at = INT64_MAX;
    bool latencies_choose = false;
    std::uint64_t told_latencies = 0;  // the version of them when on_results was called
    Micros told_at = 0;
    std::shared_ptr<char> life = std::make_shared<char>();
};

Prober::Prober(asio::io_context& io, Dispatcher& dispatcher, ProberOptions options,
               const Secret& secret, Send send)
    : impl_(std::make_unique<Impl>(*this, io, dispatcher, std::move(options), secret,
                                   std::move(send))) {}

Prober::~Prober() { stop(); }

void Prober::start() {
    impl_->scheduler.restart(now_us());
    impl_->started = true;
    impl_->show_targets();
}

void Prober::stop() {
    impl_->started = false;
    impl_->wake_at = INT64_MAX;
    impl_->timer.cancel();
}

void Prober::destinations_changed() { impl_->show_targets(); }

void Prober::reconfigure(ProberOptions options) {
    impl_->route = PingRoute(std::move(options.route));
    impl_->hook.set_command(std::move(options.event_command));
    impl_->latencies_choose = options.latencies_choose;
    impl_->scheduler.set_options(std::move(options.scheduler), now_us());
    impl_->wake_at = INT64_MAX;
    impl_->show_targets();
}

void Prober::follow(Dispatcher& dispatcher, ProberOptions options) {
    stop();
    impl_->dispatcher = &dispatcher;
    reconfigure(std::move(options));
}

void Prober::set_active(bool active) { impl_->scheduler.set_active(active); }
bool Prober::active() const noexcept { return impl_->scheduler.active(); }

bool Prober::on_datagram(const Endpoint& source, std::string_view payload) {
    bool ours = false;
    impl_->with_results(
        [&] { ours = impl_->scheduler.on_datagram(source, payload, now_us(), *impl_); });
    return ours;
}

void Prober::on_unreachable(std::string_view quoted) {
    impl_->with_results([&] { impl_->scheduler.on_unreachable(quoted, *impl_); });
}

probe::SchedulerStats Prober::stats() const noexcept { return impl_->scheduler.stats(); }
const EventHookStats& Prober::event_stats() const noexcept { return impl_->hook.stats(); }
std::size_t Prober::in_flight() const noexcept { return impl_->scheduler.in_flight(); }
std::size_t Prober::memory_bytes() const noexcept { return impl_->scheduler.memory_bytes(); }

}  // namespace lb::cp
