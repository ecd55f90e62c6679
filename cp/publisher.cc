#include "cp/publisher.h"

#include <malloc.h>

#include <algorithm>
#include <asio/error_code.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <utility>

#include "cp/log.h"

namespace lb::cp {
namespace {

using Clock = std::chrono::steady_clock;

// After a new table, when a burst of adds or reloads is over.
constexpr std::chrono::milliseconds kTrimAfter{200};

std::unique_ptr<const table::Tables> empty_tables(const Secret& secret, bool verify_checksums) {
    auto tables = std::make_unique<table::Tables>();
    tables->network = table::Network::build({});
    tables->dispatch = table::Dispatch::build({});
    tables->secret = secret;
    tables->verify_checksums = verify_checksums;
    return tables;
}

}  // namespace

struct Publisher::Impl {
    Impl(asio::io_context& io, Sources from, const Secret& secret, bool verify_checksums)
        : sources(std::move(from)),
          timer(io),
          trim_timer(io),
          verify(verify_checksums),
          snapshot(empty_tables(secret, verify_checksums)) {}

    Sources sources;
    asio::steady_timer timer;
    asio::steady_timer trim_timer;
    bool verify;
    unsigned waiting = 0;
    bool timer_runs = false;
    Clock::duration last_cost{};
    Clock::time_point first_change;  // of those waiting
    Clock::time_point published_at;
    PublisherStats stats;
    table::Snapshot<table::Tables> snapshot;

    Status build(unsigned parts, table::Tables& next);
    void count_wait();
    void trim_later();
};

Publisher::Publisher(asio::io_context& io, Sources sources, const Secret& secret,
                     bool verify_checksums)
    : impl_(std::make_unique<Impl>(io, std::move(sources), secret, verify_checksums)) {}

Publisher::~Publisher() = default;

const table::Snapshot<table::Tables>& Publisher::snapshot() const noexcept {
    return impl_->snapshot;
}

void Publisher::set_verify_checksums(bool verify) { impl_->verify = verify; }

std::size_t Publisher::memory_bytes() const noexcept {
    const table::Tables& now = tables();
    return now.network->memory_bytes() + now.dispatch->memory_bytes() +
           now.shortcuts->memory_bytes();
}

void Publisher::changed(unsigned parts) {
    impl_->waiting |= parts;
    if (impl_->timer_runs) return;
    impl_->timer_runs = true;
    impl_->first_change = Clock::now();
    const auto soon = impl_->first_change + std::chrono::microseconds(kSoonUs);
    impl_->timer.expires_at(std::max(soon, impl_->published_at + 2 * impl_->last_cost));
    impl_->timer.async_wait([this](const asio::error_code& error) {
        if (error) return;
        impl_->timer_runs = false;
        if (impl_->waiting == 0) return;  // publish() came in between
        if (const Status status = publish(0); !status) {
            log(LogLevel::kError, "tables.refused", {{"reason", status.error().message}});
        }
        impl_->count_wait();
    });
}

const PublisherStats& Publisher::stats() const noexcept { return impl_->stats; }

void Publisher::Impl::count_wait() {
    using std::chrono::microseconds;
    stats.last = std::chrono::duration_cast<microseconds>(published_at - first_change);
    stats.longest = std::max(stats.longest, stats.last);
    stats.total += stats.last;
    ++stats.generations;
}

Status Publisher::publish(unsigned parts) {
    parts |= std::exchange(impl_->waiting, 0);
    const auto start = Clock::now();
    auto next = std::make_unique<table::Tables>(tables());
    const Status built = impl_->build(parts, *next);
    if (next->network != tables().network || next->dispatch != tables().dispatch)
        next->find_shortcuts(&tables());
    next->generation = tables().generation + 1;
    next->verify_checksums = impl_->verify;
    impl_->snapshot.publish(std::move(next));
    impl_->published_at = Clock::now();  // the grace period is over: no worker uses the old one
    impl_->last_cost = impl_->published_at - start;
    if ((parts & kTable) != 0) impl_->trim_later();
    if (impl_->sources.published) impl_->sources.published(parts);
    return built;
}

// The old table and what it was loaded from are gone, but the allocator keeps their pages: twice a
// large table would stay for ever.
void Publisher::Impl::trim_later() {
    trim_timer.expires_after(kTrimAfter);
    trim_timer.async_wait([](const asio::error_code& error) {
        if (!error) malloc_trim(0);
    });
}

Status Publisher::Impl::build(unsigned parts, table::Tables& next) {
    if ((parts & kNetwork) != 0) next.network = table::Network::build(sources.network());
    if ((parts & kNames) != 0) {
        next.names = std::make_shared<const std::vector<table::ResolvedName>>(sources.names());
    }
    if ((parts & (kState | kTable)) == 0) return {};
    auto dispatch = sources.dispatch(next.dispatch.get(), (parts & kTable) == 0);
    if (!dispatch) return failed(std::move(dispatch).error());
    next.dispatch = std::move(*dispatch);
    return {};
}

}  // namespace lb::cp
