#include "cp/kernel_twins.h"

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <set>
#include <string>
#include <utility>

#include "cp/log.h"
#include "cp/static_network.h"

namespace lb::cp {
namespace {

constexpr std::chrono::seconds kRetry{1};

// All that the kernel takes; the first that it does not is the error. REQUIRES: the twin is up.
Status configure(Netlink& netlink, const PortConfig& port) {
    Status first;
    const auto note = [&](Status added) {
        if (first && !added) first = std::move(added);
    };
    for (const Prefix& address : port.addresses) note(netlink.add_address(port.tap, address));
    for (const IpAddress& gateway : port.gateway) note(netlink.add_gateway(port.tap, gateway));
    for (const auto& [address, mac] : port.neighbors)
        note(netlink.add_neighbour(port.tap, address, mac));
    return first;
}

Status set_up(Netlink& netlink, const PortConfig& port) {
    if (Status up = netlink.set_up(port.tap); !up) return up;
    return configure(netlink, port);
}

}  // namespace

struct KernelTwins::Impl : std::enable_shared_from_this<KernelTwins::Impl> {
    explicit Impl(asio::io_context& io) : watch(io), retry_timer(io) {}

    std::vector<PortConfig> ports;
    std::unique_ptr<Netlink> netlink;
    asio::posix::stream_descriptor watch;  // borrows netlink's descriptor
    asio::steady_timer retry_timer;
    std::function<void()> changed;
    bool failing = false;                        // and the log has it
    std::set<table::InterfaceIndex> incomplete;  // likewise

    void wait();
    void retry_later();
    void take();
    void configure_risen();
    void configure_again();
    void report(const std::string& reason);
};

KernelTwins::KernelTwins(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

KernelTwins::~KernelTwins() {
    impl_->changed = nullptr;
    impl_->watch.release();
    impl_->retry_timer.cancel();
}

Result<std::unique_ptr<KernelTwins>> KernelTwins::create(asio::io_context& io,
                                                         const std::vector<PortConfig>& ports,
                                                         std::function<void()> changed) {
    std::vector<Twin> twins;
    for (std::size_t i = 0; i < ports.size(); ++i) {
        if (ports[i].tap.empty()) continue;
        twins.push_back({ports[i].tap, static_cast<table::InterfaceIndex>(i)});
    }
    auto netlink = Netlink::open(std::move(twins));
    if (!netlink) return failed(std::move(netlink).error());
    for (const PortConfig& port : ports) {
        if (port.tap.empty()) continue;
        if (Status ready = set_up(**netlink, port); !ready) return failed(std::move(ready).error());
    }
    if (Status read = (*netlink)->resync(); !read) return failed(std::move(read).error());
    (*netlink)->take_risen();  // they are ready

    auto impl = std::make_shared<Impl>(io);
    impl->ports = ports;
    impl->netlink = std::move(*netlink);
    impl->changed = std::move(changed);
    impl->watch.assign(impl->netlink->fd());
    if (impl->netlink->stale()) {
        impl->retry_later();
    } else {
        impl->wait();
    }
    return std::unique_ptr<KernelTwins>(new KernelTwins(std::move(impl)));
}

void KernelTwins::Impl::wait() {
    watch.async_wait(asio::posix::descriptor_base::wait_read,
                     [self = shared_from_this()](const asio::error_code& error) {
                         if (!error && self->changed) self->take();
                     });
}

// Notifications wait meanwhile: a kernel that fails is not asked in a busy loop.
void KernelTwins::Impl::retry_later() {
    retry_timer.expires_after(kRetry);
    retry_timer.async_wait([self = shared_from_this()](const asio::error_code& error) {
        if (!error && self->changed) self->take();
    });
}

void KernelTwins::Impl::take() {
    const auto differs = netlink->process();
    if (differs && *differs) changed();
    if (!differs) {
        report(differs.error().message);
    } else {
        report(netlink->stale() ? "the kernel's state kept changing while it was read" : "");
    }
    configure_risen();
    if (failing) return retry_later();
    wait();
}

void KernelTwins::Impl::configure_risen() {
    for (const table::InterfaceIndex interface : netlink->take_risen()) {
        const PortConfig& port = ports[interface];
        if (Status ready = configure(*netlink, port); !ready) {
            incomplete.insert(interface);
            log(LogLevel::kError, "twin.incomplete",
                {{"port", port.name}, {"reason", ready.error().message}});
        } else {
            incomplete.erase(interface);
            log(LogLevel::kInfo, "twin.configured", {{"port", port.name}, {"tap", port.tap}});
        }
    }
}

void KernelTwins::Impl::configure_again() {
    std::erase_if(incomplete, [this](table::InterfaceIndex interface) {
        const PortConfig& port = ports[interface];
        if (!configure(*netlink, port)) return false;
        log(LogLevel::kInfo, "twin.configured", {{"port", port.name}, {"tap", port.tap}});
        return true;
    });
}

// Once when it begins and once when it ends. No `reason`: all is well.
void KernelTwins::Impl::report(const std::string& reason) {
    const bool fails = !reason.empty();
    if (fails && !failing) log(LogLevel::kError, "netlink.failed", {{"reason", reason}});
    if (!fails && failing) log(LogLevel::kInfo, "netlink.restored");
    failing = fails;
}

table::NetworkState KernelTwins::state(std::vector<table::Interface> interfaces) const {
    table::NetworkState state = impl_->netlink->state(std::move(interfaces));
    add_static_network(impl_->ports, state);
    return state;
}

unsigned KernelTwins::device_of(table::InterfaceIndex interface) const noexcept {
    return impl_->netlink->device_index(interface);
}

bool KernelTwins::is_twin(unsigned device) const noexcept {
    return impl_->netlink->interface_of(device) != table::kNoInterface;
}

void KernelTwins::want(const table::Tables& tables, const std::vector<NextHop>& recent) {
    std::set<NextHop> wanted;
    const auto add = [&](const IpAddress& target) {
        const table::Hop hop = tables.network->resolve(target);
        if (hop.interface != table::kNoInterface && wanted.size() < kWantedMax) {
            wanted.emplace(hop.interface, hop.neighbour);
        }
    };
    for (const PortConfig& port : impl_->ports) {
        for (const IpAddress& gateway : port.gateway) add(gateway);
    }
    for (const table::Set& set : tables.dispatch->sets()) {
        for (const table::Member& member : set.members) {
            if (!member.endpoint.address.is_none()) add(member.endpoint.address);
        }
    }
    for (auto hop = recent.rbegin(); hop != recent.rend() && wanted.size() < kWantedMax; ++hop) {
        wanted.insert(*hop);
    }
    impl_->netlink->want_neighbours({wanted.begin(), wanted.end()});
}

void KernelTwins::refresh() {
    impl_->configure_again();
    if (!impl_->netlink->manages_neighbours()) impl_->netlink->refresh_neighbours();
}

}  // namespace lb::cp
