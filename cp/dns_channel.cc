#include "cp/dns_channel.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <asio/error_code.hpp>
#include <string>

namespace lb::cp {

DnsChannel::DnsChannel(asio::io_context& io, const DnsOptions& options) : io_(io), timer_(io) {
    ares_library_init(ARES_LIB_INIT_ALL);
    ares_options settings{};
    settings.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_EDNS;  // names in URIs are whole names
    settings.timeout = options.timeout_ms;
    settings.tries = options.tries;
    settings.sock_state_cb = on_socket;
    settings.sock_state_cb_data = this;
    std::string resolv_conf = options.resolv_conf;
    settings.resolvconf_path = resolv_conf.data();
    settings.udp_port = settings.tcp_port = options.port;
    const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB |
                     ARES_OPT_RESOLVCONF | ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT;
    if (ares_init_options(&channel_, &settings, mask) != ARES_SUCCESS) {
        channel_ = nullptr;
        return;
    }
    std::string servers;
    for (const Endpoint& server : options.servers) {
        if (!servers.empty()) servers += ',';
        servers += server.text();
    }
    if (!servers.empty()) ares_set_servers_ports_csv(channel_, servers.c_str());
}

DnsChannel::~DnsChannel() {
    if (channel_ != nullptr) ares_destroy(channel_);
    for (auto& [socket, watch] : watches_) watch->descriptor.release();
    ares_library_cleanup();
}

void DnsChannel::on_socket(void* self, ares_socket_t socket, int read, int write) {
    static_cast<DnsChannel*>(self)->watch(socket, read != 0, write != 0);
}

void DnsChannel::watch(ares_socket_t socket, bool read, bool write) {
    const auto known = watches_.find(socket);
    if (!read && !write) {  // c-ares closes it next, so it must leave the loop now
        if (known == watches_.end()) return;
        known->second->descriptor.release();
        watches_.erase(known);
        return;
    }
    if (known == watches_.end()) {
        watches_.emplace(
            socket, std::make_shared<Watch>(Watch{asio::posix::stream_descriptor(io_, socket)}));
    }
    Watch& watch = *watches_.at(socket);
    watch.read = read;
    watch.write = write;
    wait(socket);
}

void DnsChannel::wait(ares_socket_t socket) {
    const auto known = watches_.find(socket);
    if (known == watches_.end()) return;
    const std::shared_ptr<Watch>& watch = known->second;
    // The handler holds only a weak reference: the number may belong to another socket by then.
    const auto ready = [this, socket, weak = std::weak_ptr(watch)](bool writing) {
        const auto held = weak.lock();
        if (!held) return;
        (writing ? held->writing : held->reading) = false;
        process(writing ? ARES_SOCKET_BAD : socket, writing ? socket : ARES_SOCKET_BAD);
        const auto still = watches_.find(socket);
        if (still != watches_.end() && still->second == held) wait(socket);
    };
    using Wait = asio::posix::descriptor_base;
    if (watch->read && !watch->reading) {
        watch->reading = true;
        watch->descriptor.async_wait(Wait::wait_read, [ready](const asio::error_code& error) {
            if (!error) ready(false);
        });
    }
    if (watch->write && !watch->writing) {
        watch->writing = true;
        watch->descriptor.async_wait(Wait::wait_write, [ready](const asio::error_code& error) {
            if (!error) ready(true);
        });
    }
}

void DnsChannel::process(ares_socket_t read, ares_socket_t write) {
    ares_process_fd(channel_, read, write);
    arm();
}

void DnsChannel::arm() {
    timeval next{};
    if (ares_timeout(channel_, nullptr, &next) == nullptr) {
        timer_.cancel();
        return;
    }
    timer_.expires_after(std::chrono::seconds(next.tv_sec) +
                         std::chrono::microseconds(next.tv_usec) + std::chrono::milliseconds(1));
    timer_.async_wait([this, alive = std::weak_ptr(life_)](const asio::error_code& error) {
        // The channel may have gone with this call already on its way.
        if (!error && !alive.expired()) process(ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    });
}

void DnsChannel::poll_once(std::chrono::steady_clock::time_point deadline) {
    std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
    const int wanted = ares_getsock(channel_, sockets.data(), ARES_GETSOCK_MAXNUM);
    std::array<pollfd, ARES_GETSOCK_MAXNUM> waits{};
    nfds_t count = 0;
    for (unsigned i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
        const bool read = ARES_GETSOCK_READABLE(wanted, i) != 0;
        const bool write = ARES_GETSOCK_WRITABLE(wanted, i) != 0;
        if (!read && !write) continue;
        waits[count++] = {sockets[i],
                          static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0)), 0};
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    // Short turns, so that c-ares looks at its own clock as well.
    ::poll(waits.data(), count, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 20)));
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    for (nfds_t i = 0; i < count; ++i) {
        if (waits[i].revents == 0) continue;
        const bool read = (waits[i].revents & ~POLLOUT) != 0;
        ares_process_fd(channel_, read ? waits[i].fd : ARES_SOCKET_BAD,
                        (waits[i].revents & POLLOUT) != 0 ? waits[i].fd : ARES_SOCKET_BAD);
    }
    arm();
}

}  // namespace lb::cp
