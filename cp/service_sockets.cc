#include "cp/service_sockets.h"

#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "dp/base/limits.h"

#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78  // linux/in6.h, which cannot be included beside netinet/in.h
#endif

namespace lb::cp {
namespace {

constexpr int kReceiveBuffer = 4 * 1024 * 1024;
constexpr int kSendTries = 4;

union SocketAddress {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_storage room;
};

socklen_t to_sockaddr(const Endpoint& endpoint, SocketAddress& out) noexcept {
    std::memset(&out, 0, sizeof out);
    if (endpoint.address.is_ipv6()) {
        out.v6.sin6_family = AF_INET6;
        out.v6.sin6_port = htons(endpoint.port);
        std::memcpy(&out.v6.sin6_addr, endpoint.address.data(), 16);
        return sizeof out.v6;
    }
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = htons(endpoint.port);
    std::memcpy(&out.v4.sin_addr, endpoint.address.data(), 4);
    return sizeof out.v4;
}

Endpoint from_sockaddr(const SocketAddress& address) noexcept {
    if (address.any.sa_family == AF_INET6) {
        return {IpAddress::from_ipv6(address.v6.sin6_addr.s6_addr), ntohs(address.v6.sin6_port)};
    }
    return {IpAddress::from_ipv4(reinterpret_cast<const std::uint8_t*>(&address.v4.sin_addr)),
            ntohs(address.v4.sin_port)};
}

bool set(int fd, int level, int option, int value) noexcept {
    return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

bool configure(int fd, bool v6) noexcept {
    set(fd, SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);  // best effort
    if (v6) {
        return set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) && set(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1) &&
               set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
               set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
    }
    return set(fd, IPPROTO_IP, IP_FREEBIND, 1) && set(fd, IPPROTO_IP, IP_PKTINFO, 1) &&
           set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
}

Result<int> open_socket(const Endpoint& endpoint) {
    SocketAddress address;
    const socklen_t size = to_sockaddr(endpoint, address);
    const bool v6 = endpoint.address.is_ipv6();
    const int fd = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && configure(fd, v6) && ::bind(fd, &address.any, size) == 0) return fd;
    const int error = errno;
    if (fd >= 0) ::close(fd);
    return failed(Errc::kUnavailable, "listen " + endpoint.text() + ": " + std::strerror(error));
}

// What the kernel makes of ICMP errors. Some it says of this very datagram too; then it says so
// again.
bool is_of_an_earlier_one(int error) noexcept {
    return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
           error == EACCES || error == EPROTO || error == ENOPROTOOPT || error == EHOSTDOWN ||
           error == EINTR;
}

// Room for the control messages we send or receive: packet info and traffic class, or an error
// with the address of who reports it.
struct Control {
    alignas(cmsghdr) std::array<char, 128> bytes{};
};

template <class T>
void add_control(msghdr& message, Control& room, int level, int type, const T& value) {
    auto* at = reinterpret_cast<cmsghdr*>(room.bytes.data() + message.msg_controllen);
    at->cmsg_level = level;
    at->cmsg_type = type;
    at->cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(CMSG_DATA(at), &value, sizeof value);
    message.msg_controllen += CMSG_SPACE(sizeof value);
}

void add_way_out(const ServiceSockets::Send& datagram, msghdr& message, Control& room) {
    if (datagram.target.address.is_ipv6()) {
        in6_pktinfo info{};
        info.ipi6_ifindex = datagram.device;
        std::memcpy(&info.ipi6_addr, datagram.source.address.data(), 16);
        add_control(message, room, IPPROTO_IPV6, IPV6_PKTINFO, info);
        add_control(message, room, IPPROTO_IPV6, IPV6_TCLASS, int{datagram.dscp});
        return;
    }
    in_pktinfo info{};
    info.ipi_ifindex = static_cast<int>(datagram.device);
    std::memcpy(&info.ipi_spec_dst, datagram.source.address.data(), 4);
    add_control(message, room, IPPROTO_IP, IP_PKTINFO, info);
    add_control(message, room, IPPROTO_IP, IP_TOS, int{datagram.dscp});
}

// With it the kernel keeps ICMP errors for the socket, with what they quote; without it an
// unconnected socket never hears of one.
void keep_errors(int fd, bool v6, bool keep) noexcept {
    set(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR, keep ? 1 : 0);
}

// "Does not arrive", by a host or router; not "too big" or "takes too long", which say nothing of
// the host that was meant.
bool is_unreachable(const sock_extended_err& error) noexcept {
    if (error.ee_origin == SO_EE_ORIGIN_ICMP6) return error.ee_type == ICMP6_DST_UNREACH;
    return error.ee_origin == SO_EE_ORIGIN_ICMP && error.ee_type == ICMP_DEST_UNREACH &&
           error.ee_code != ICMP_FRAG_NEEDED;
}

bool says_unreachable(msghdr& message) noexcept {
    for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
        const bool v4 = at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_RECVERR;
        const bool v6 = at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_RECVERR;
        if (!v4 && !v6) continue;
        sock_extended_err error;
        std::memcpy(&error, CMSG_DATA(at), sizeof error);
        return is_unreachable(error);
    }
    return false;
}

unsigned device_of(msghdr& message) noexcept {
    for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
        if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
            in_pktinfo info;
            std::memcpy(&info, CMSG_DATA(at), sizeof info);
            return static_cast<unsigned>(info.ipi_ifindex);
        }
        if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info;
            std::memcpy(&info, CMSG_DATA(at), sizeof info);
            return info.ipi6_ifindex;
        }
    }
    return 0;
}

}  // namespace

struct ServiceSockets::Impl : std::enable_shared_from_this<ServiceSockets::Impl> {
    explicit Impl(asio::io_context& loop) : io(loop), buffer(kDatagramMax) {}

    using Descriptor = asio::posix::stream_descriptor;

    asio::io_context& io;
    std::map<Endpoint, std::shared_ptr<Descriptor>> sockets;
    Handler handler;
    Unreachable unreachable;
    std::vector<std::uint8_t> buffer;

    void wait(const Endpoint& endpoint, const std::shared_ptr<Descriptor>& socket);
    bool read_one(const Endpoint& endpoint, int fd);
    bool read_error(int fd);
};

ServiceSockets::ServiceSockets(asio::io_context& io) : impl_(std::make_shared<Impl>(io)) {}

ServiceSockets::~ServiceSockets() {
    impl_->sockets.clear();  // closes; waits under way end without us
    impl_->handler = nullptr;
    impl_->unreachable = nullptr;
}

void ServiceSockets::on_datagram(Handler handler) { impl_->handler = std::move(handler); }

void ServiceSockets::on_unreachable(Unreachable handler) {
    impl_->unreachable = std::move(handler);
    for (const auto& [endpoint, socket] : impl_->sockets) {
        keep_errors(socket->native_handle(), endpoint.address.is_ipv6(),
                    impl_->unreachable != nullptr);
    }
}

Status ServiceSockets::listen(const std::vector<Endpoint>& endpoints) {
    std::map<Endpoint, std::shared_ptr<Impl::Descriptor>> wanted, fresh;
    for (const Endpoint& endpoint : endpoints) {
        const auto known = impl_->sockets.find(endpoint);
        if (known != impl_->sockets.end()) {
            wanted.insert(*known);
            continue;
        }
        if (wanted.contains(endpoint)) continue;
        auto fd = open_socket(endpoint);
        if (!fd) return failed(std::move(fd).error());
        keep_errors(*fd, endpoint.address.is_ipv6(), impl_->unreachable != nullptr);
        auto socket = std::make_shared<Impl::Descriptor>(impl_->io, *fd);
        wanted.emplace(endpoint, socket);
        fresh.emplace(endpoint, std::move(socket));
    }
    impl_->sockets = std::move(wanted);
    for (const auto& [endpoint, socket] : fresh) impl_->wait(endpoint, socket);
    return {};
}

void ServiceSockets::Impl::wait(const Endpoint& endpoint,
                                const std::shared_ptr<Descriptor>& socket) {
    socket->async_wait(asio::posix::descriptor_base::wait_read,
                       [self = shared_from_this(), endpoint,
                        weak = std::weak_ptr(socket)](const asio::error_code& error) {
                           const auto held = weak.lock();
                           if (error || !held) return;
                           for (unsigned n = 0; self->unreachable && n < kDatagramsPerTurn; ++n) {
                               if (!self->read_error(held->native_handle())) break;
                           }
                           for (unsigned n = 0; n < kDatagramsPerTurn; ++n) {
                               if (!self->read_one(endpoint, held->native_handle())) break;
                           }
                           self->wait(endpoint, held);
                       });
}

bool ServiceSockets::Impl::read_one(const Endpoint& endpoint, int fd) {
    SocketAddress source;
    Control control;
    iovec piece{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_name = &source;
    message.msg_namelen = sizeof source;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    const ssize_t size = ::recvmsg(fd, &message, 0);
    // An ICMP error of an earlier send shows up here once; the next read is good again.
    if (size < 0) return errno != EAGAIN && errno != EBADF;
    if ((message.msg_flags & MSG_TRUNC) != 0 || !handler) return true;
    handler({from_sockaddr(source),
             endpoint,
             device_of(message),
             {buffer.data(), static_cast<std::size_t>(size)}});
    return true;
}

bool ServiceSockets::Impl::read_error(int fd) {
    Control control;
    iovec piece{buffer.data(), buffer.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    message.msg_controllen = control.bytes.size();
    const ssize_t size = ::recvmsg(fd, &message, MSG_ERRQUEUE);
    if (size < 0) return false;
    if (says_unreachable(message)) unreachable({buffer.data(), static_cast<std::size_t>(size)});
    return true;
}

bool ServiceSockets::send(const Send& datagram) {
    const auto socket = impl_->sockets.find(datagram.source);
    if (socket == impl_->sockets.end()) return false;
    if (datagram.source.address.family() != datagram.target.address.family()) return false;
    SocketAddress target;
    Control control;
    iovec piece{const_cast<std::uint8_t*>(datagram.payload.data()), datagram.payload.size()};
    msghdr message{};
    message.msg_name = &target;
    message.msg_namelen = to_sockaddr(datagram.target, target);
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes.data();
    add_way_out(datagram, message, control);
    const int fd = socket->second->native_handle();
    // ICMP errors of earlier datagrams are reported to this one and are not about it: once more.
    for (int tries = 0; tries < kSendTries; ++tries) {
        if (::sendmsg(fd, &message, 0) >= 0) return true;
        if (!is_of_an_earlier_one(errno)) return false;
    }
    return false;
}

}  // namespace lb::cp
