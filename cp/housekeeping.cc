#include "cp/housekeeping.h"

#include <string>
#include <utility>
#include <vector>

#include "cp/log.h"

namespace lb::cp {
namespace {

constexpr std::chrono::seconds kTurn{1};
constexpr std::uint64_t kRefreshEvery = 15;   // turns between refreshes of neighbours
constexpr std::uint64_t kWantEvery = 5;       // and between looks at the next hops in use
constexpr std::uint64_t kNoAddressEvery = 5;  // and between looks for names without an address

}  // namespace

Housekeeping::Housekeeping(ApplianceParts& parts)
    : parts_(parts), timer_(parts.io), last_refresh_(parts.started) {}

void Housekeeping::start() { turn(); }

void Housekeeping::published(unsigned parts) {
    if ((parts & (Publisher::kTable | Publisher::kNetwork)) != 0) want_neighbours_ = true;
    if ((parts & Publisher::kNetwork) != 0) reroute_pings_ = true;
}

void Housekeeping::turn() {
    const std::uint64_t now_ms = parts_.now_ms();
    parts_.slow_path->expire();
    watch_workers();
    parts_.traffic.watch(*parts_.dispatcher, now_ms);
    parts_.dns.follow_servers();
    if (parts_.dns.expire()) parts_.publisher->changed(Publisher::kNames);
    if (table::CallLoad* calls = parts_.calls.get()) {
        calls->expire(static_cast<std::uint32_t>(now_ms / 1000), calls->buckets() / 16 + 1);
    }
    keep_neighbours();
    if (std::exchange(reroute_pings_, false)) parts_.prober->destinations_changed();
    refresh_names();
    log_left_out();

    timer_.expires_after(kTurn);
    timer_.async_wait([this](const asio::error_code& error) {
        if (!error) turn();
    });
}

void Housekeeping::keep_neighbours() {
    if (std::exchange(want_neighbours_, false) || turns_ % kWantEvery == 0) {
        const auto& hops = parts_.slow_path->recent();
        parts_.twins->want(parts_.publisher->tables(), {hops.begin(), hops.end()});
    }
    if (++turns_ % kRefreshEvery == 0) parts_.twins->refresh();
}

void Housekeeping::refresh_names() {
    const DispatcherConfig& config = parts_.config.dispatcher;
    const bool all = Clock::now() - last_refresh_ >= std::chrono::seconds(config.ds_dns_interval);
    if (!all && turns_ % kNoAddressEvery != 0) return;
    const bool begun = parts_.source.refresh(
        all ? TableSource::Stale::kAll : TableSource::Stale::kNoAddress, config,
        [this]() -> Dispatcher& { return *parts_.dispatcher; },
        [this] { parts_.publisher->changed(Publisher::kState); });
    if (all && begun) last_refresh_ = Clock::now();
}

void Housekeeping::log_left_out() {
    if (const std::uint64_t lines = parts_.change_lines.take_left_out(); lines != 0) {
        log(LogLevel::kInfo, "destination.more_changes", {{"count", std::to_string(lines)}});
    }
    if (const std::uint64_t lines = parts_.event_lines.take_left_out(); lines != 0) {
        log(LogLevel::kWarning, "event_command.more_failures", {{"count", std::to_string(lines)}});
    }
}

void Housekeeping::watch_workers() {
    std::vector<core::CounterValues> workers;
    for (std::size_t i = 0; i < parts_.data_plane->workers(); ++i) {
        workers.push_back(parts_.data_plane->counters(i));
    }
    watch_.look(workers, Clock::now());
}

std::string Housekeeping::problem(const std::vector<core::CounterValues>& workers) {
    watch_.look(workers, Clock::now());  // this thread itself may have been away
    return watch_.problem(Clock::now());
}

}  // namespace lb::cp
