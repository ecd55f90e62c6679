#include "cp/netlink.h"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "cp/netlink_mirror.h"
#include "cp/static_network.h"

// Debian 12's libc headers know it; the kernel may not (manages_neighbours()).
#ifndef NTF_EXT_MANAGED
#error "linux/neighbour.h of Linux 5.16 or later is needed"
#endif

namespace lb::cp {
namespace {

constexpr std::size_t kReadBuffer = 64 * 1024;   // a dump's messages come in pieces of up to 32 KiB
constexpr int kReceiveBuffer = 8 * 1024 * 1024;  // notifications that may wait
constexpr unsigned kReadsMax = 256;              // buffers taken in one process()
constexpr unsigned kDumpTries = 8;  // a dump that was interrupted by a change is repeated

struct CloseSocket {
    void operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }
};
using Socket = std::unique_ptr<mnl_socket, CloseSocket>;

Error system_error(const std::string& what) {
    return {Errc::kUnavailable, what + ": " + std::strerror(errno)};
}

Result<Socket> open_socket(int flags, unsigned groups) {
    Socket socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | flags));
    if (!socket) return failed(system_error("netlink socket"));
    if (mnl_socket_bind(socket.get(), groups, MNL_SOCKET_AUTOPID) < 0) {
        return failed(system_error("netlink bind"));
    }
    return socket;
}

constexpr unsigned group(unsigned number) noexcept { return 1U << (number - 1); }

bool kernel_manages_neighbours() noexcept {
    utsname name{};
    unsigned major = 0, minor = 0;
    if (::uname(&name) != 0 || std::sscanf(name.release, "%u.%u", &major, &minor) != 2)
        return false;
    return major > 5 || (major == 5 && minor >= 16);
}

std::uint8_t family_of(const IpAddress& address) noexcept {
    return address.is_ipv6() ? AF_INET6 : AF_INET;
}

// A request in the making.
class Request {
public:
    Request(std::uint16_t type, unsigned flags) : message_(mnl_nlmsg_put_header(buffer_.data())) {
        message_->nlmsg_type = type;
        message_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    }
    template <class Header>
    Header& header() {
        return *static_cast<Header*>(mnl_nlmsg_put_extra_header(message_, sizeof(Header)));
    }
    void put(std::uint16_t type, std::uint32_t value) { mnl_attr_put_u32(message_, type, value); }
    void put(std::uint16_t type, const IpAddress& address) {
        mnl_attr_put(message_, type, address.size(), address.data());
    }
    void put(std::uint16_t type, const MacAddress& mac) {
        mnl_attr_put(message_, type, mac.bytes.size(), mac.bytes.data());
    }
    nlmsghdr* message() noexcept { return message_; }

private:
    alignas(nlmsghdr) std::array<char, 512> buffer_{};  // every request of ours is below 150 bytes
    nlmsghdr* message_;
};

}  // namespace

struct Netlink::Impl {
    Socket events;    // notifications, non-blocking
    Socket requests;  // dumps and commands, answered at once by the kernel
    std::uint32_t sequence = 0;
    std::uint64_t overruns = 0;
    std::vector<Twin> twins;
    NetlinkMirror mirror;
    bool lost = false;     // notifications, since everything was read
    bool stale = false;    // see stale()
    bool changed = false;  // since process() last said so
    std::vector<NextHop> wanted;
    bool managed = kernel_manages_neighbours();
    std::vector<char> buffer = std::vector<char>(kReadBuffer);

    explicit Impl(std::vector<Twin> names) : twins(names), mirror(std::move(names)) {}

    Status send(nlmsghdr* message);
    // 0, or the errno that the kernel answered.
    Result<int> command(Request& request);
    Result<bool> dump_once(std::uint16_t type, NetlinkMirror& into);
    Result<bool> dump(std::uint16_t type, NetlinkMirror& into);
    Result<bool> dump_all(NetlinkMirror& into);
    Status resync();
    Result<unsigned> twin(const std::string& device);
    Status set_link(const std::string& device, const std::string& what, Request& request);
    void want(const NextHop& hop, bool wanted_now);
    void use(const NextHop& hop);
};

Netlink::Netlink() = default;
Netlink::~Netlink() = default;

Result<std::unique_ptr<Netlink>> Netlink::open(std::vector<Twin> twins) {
    std::unique_ptr<Netlink> self(new Netlink);
    self->impl_ = std::make_unique<Impl>(std::move(twins));
    auto events = open_socket(
        SOCK_NONBLOCK, group(RTNLGRP_LINK) | group(RTNLGRP_NEIGH) | group(RTNLGRP_IPV4_IFADDR) |
                           group(RTNLGRP_IPV6_IFADDR) | group(RTNLGRP_IPV4_ROUTE) |
                           group(RTNLGRP_IPV6_ROUTE) | group(RTNLGRP_NEXTHOP));
    if (!events) return failed(std::move(events).error());
    auto requests = open_socket(0, 0);
    if (!requests) return failed(std::move(requests).error());
    self->impl_->events = std::move(*events);
    self->impl_->requests = std::move(*requests);

    // Best effort: an overrun is noticed and costs a resync.
    int bytes = kReceiveBuffer;
    ::setsockopt(self->fd(), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);

    if (Status read = self->resync(); !read) return failed(std::move(read).error());
    return self;
}

int Netlink::fd() const noexcept { return mnl_socket_get_fd(impl_->events.get()); }
std::uint64_t Netlink::overruns() const noexcept { return impl_->overruns; }
bool Netlink::manages_neighbours() const noexcept { return impl_->managed; }

Result<bool> Netlink::process() {
    for (unsigned reads = 0; reads < kReadsMax; ++reads) {
        const ssize_t size =
            mnl_socket_recvfrom(impl_->events.get(), impl_->buffer.data(), impl_->buffer.size());
        if (size < 0 && errno == ENOBUFS) {
            ++impl_->overruns;
            impl_->lost = impl_->stale = true;
            continue;
        }
        if (size < 0 && (errno == EAGAIN || errno == EINTR)) break;
        if (size < 0) return failed(system_error("netlink notifications"));
        int left = static_cast<int>(size);
        const auto* message = reinterpret_cast<const nlmsghdr*>(impl_->buffer.data());
        for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
            const NetlinkMirror::Applied applied = impl_->mirror.apply(message, false);
            impl_->changed |= applied != NetlinkMirror::Applied::kNothing;
            impl_->stale |= applied == NetlinkMirror::Applied::kAmbiguous;
        }
    }
    if (impl_->stale) {
        if (Status read = impl_->resync(); !read) return failed(std::move(read).error());
    }
    return std::exchange(impl_->changed, false);
}

Status Netlink::resync() { return impl_->resync(); }
bool Netlink::stale() const noexcept { return impl_->stale; }

Status Netlink::Impl::resync() {
    stale = true;
    NetlinkMirror fresh(twins);
    auto whole = dump_all(fresh);
    if (!whole) {
        // The rest of a dump that was given up would stand in the next one's way (EBUSY).
        if (auto again = open_socket(0, 0)) requests = std::move(*again);
        return failed(std::move(whole).error());
    }
    changed |= !mirror.same_state(fresh);
    fresh.follow(mirror, lost);
    mirror = std::move(fresh);
    lost = false;
    stale = !*whole;
    return {};
}

// False if any of it was interrupted to the last.
Result<bool> Netlink::Impl::dump_all(NetlinkMirror& into) {
    bool all_whole = true;
    // Links first: the others are kept only for links that are twins. And the kernel dumps them
    // under its lock, so whatever it was doing when it notified is done: of a nexthop object that
    // is removed it tells before it takes the routes away.
    for (const std::uint16_t type :
         {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE, RTM_GETNEXTHOP, RTM_GETNEIGH}) {
        auto whole = dump(type, into);
        if (!whole) return whole;
        all_whole &= *whole;
    }
    return all_whole;
}

Result<bool> Netlink::Impl::dump(std::uint16_t type, NetlinkMirror& into) {
    for (unsigned tries = 1;; ++tries) {
        NetlinkMirror attempt = into;
        auto whole = dump_once(type, attempt);
        if (!whole) return whole;
        // The last try is taken as it is, being nearer to the truth than what we had.
        if (!*whole && tries < kDumpTries) continue;
        into = std::move(attempt);
        return whole;
    }
}

// False if the kernel says that the state changed under the dump.
Result<bool> Netlink::Impl::dump_once(std::uint16_t type, NetlinkMirror& into) {
    Request request(type, NLM_F_DUMP);
    if (type == RTM_GETNEXTHOP) {
        request.header<nhmsg>().nh_family = AF_UNSPEC;
    } else {
        request.header<rtgenmsg>().rtgen_family = AF_UNSPEC;
    }
    if (Status sent = send(request.message()); !sent) return failed(std::move(sent).error());

    bool whole = true;
    while (true) {
        const ssize_t size = mnl_socket_recvfrom(requests.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return failed(system_error("netlink dump"));
        int left = static_cast<int>(size);
        const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
        for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
            if (message->nlmsg_seq != sequence) continue;  // rest of a dump given up before
            if ((message->nlmsg_flags & NLM_F_DUMP_INTR) != 0) whole = false;
            if (message->nlmsg_type == NLMSG_DONE) return whole;
            if (message->nlmsg_type == NLMSG_ERROR) {
                const auto* answer = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message));
                // Before Linux 5.3 there are no nexthop objects.
                if (type == RTM_GETNEXTHOP && answer->error == -EOPNOTSUPP) return whole;
                return failed(Errc::kUnavailable, "netlink dump refused by the kernel");
            }
            into.apply(message, true);
        }
    }
}

Status Netlink::Impl::send(nlmsghdr* message) {
    message->nlmsg_seq = ++sequence;
    if (mnl_socket_sendto(requests.get(), message, message->nlmsg_len) < 0) {
        return failed(system_error("netlink request"));
    }
    return {};
}

Result<int> Netlink::Impl::command(Request& request) {
    request.message()->nlmsg_flags |= NLM_F_ACK;
    if (Status sent = send(request.message()); !sent) return failed(std::move(sent).error());
    while (true) {
        const ssize_t size = mnl_socket_recvfrom(requests.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return failed(system_error("netlink answer"));
        int left = static_cast<int>(size);
        const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
        for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
            if (message->nlmsg_seq != sequence || message->nlmsg_type != NLMSG_ERROR) continue;
            return -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
        }
    }
}

Result<unsigned> Netlink::Impl::twin(const std::string& device) {
    if (const unsigned index = mirror.device_index(device); index != 0) return index;
    // It may have appeared a moment ago.
    if (auto read = resync(); !read) return failed(std::move(read).error());
    if (const unsigned index = mirror.device_index(device); index != 0) return index;
    return failed(Errc::kNotFound, "kernel device " + device + " does not exist");
}

namespace {
Status status_of(const Result<int>& answer, const std::string& what) {
    if (!answer) return failed(answer.error());
    if (*answer == 0 || *answer == EEXIST) return {};
    return failed(Errc::kUnavailable, what + ": " + std::strerror(*answer));
}
}  // namespace

table::NetworkState Netlink::state(std::vector<table::Interface> interfaces) const {
    table::NetworkState state;
    state.interfaces = std::move(interfaces);
    impl_->mirror.fill(state);
    return state;
}

std::set<table::InterfaceIndex> Netlink::take_risen() { return impl_->mirror.take_risen(); }
unsigned Netlink::device_index(table::InterfaceIndex interface) const noexcept {
    return impl_->mirror.device_index(interface);
}
table::InterfaceIndex Netlink::interface_of(unsigned device_index) const noexcept {
    return impl_->mirror.interface_of(device_index);
}

Status Netlink::set_up(const std::string& device) {
    auto index = impl_->twin(device);
    if (!index) return failed(std::move(index).error());
    Request request(RTM_NEWLINK, 0);
    auto& header = request.header<ifinfomsg>();
    header.ifi_index = static_cast<int>(*index);
    header.ifi_flags = header.ifi_change = IFF_UP;
    return status_of(impl_->command(request), "bring up " + device);
}

Status Netlink::add_address(const std::string& device, const Prefix& address) {
    auto index = impl_->twin(device);
    if (!index) return failed(std::move(index).error());
    Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    auto& header = request.header<ifaddrmsg>();
    header.ifa_family = family_of(address.address);
    header.ifa_prefixlen = address.length;
    header.ifa_index = *index;
    // No duplicate address detection: the address is configured, and to serve at once is the point.
    header.ifa_flags = address.address.is_ipv6() ? IFA_F_NODAD : 0;
    request.put(IFA_LOCAL, address.address);
    request.put(IFA_ADDRESS, address.address);
    return status_of(impl_->command(request), "add address " + address.text() + " to " + device);
}

Status Netlink::add_gateway(const std::string& device, const IpAddress& gateway) {
    auto index = impl_->twin(device);
    if (!index) return failed(std::move(index).error());
    Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND);
    auto& header = request.header<rtmsg>();
    header.rtm_family = family_of(gateway);
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = RTPROT_STATIC;
    header.rtm_scope = RT_SCOPE_UNIVERSE;
    header.rtm_type = RTN_UNICAST;
    request.put(RTA_GATEWAY, gateway);
    request.put(RTA_OIF, *index);
    request.put(RTA_PRIORITY, kGatewayMetric + impl_->mirror.interface_of(*index));
    return status_of(impl_->command(request), "add gateway " + gateway.text() + " to " + device);
}

Status Netlink::add_neighbour(const std::string& device, const IpAddress& address,
                              const MacAddress& mac) {
    auto index = impl_->twin(device);
    if (!index) return failed(std::move(index).error());
    Request request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
    auto& header = request.header<ndmsg>();
    header.ndm_family = family_of(address);
    header.ndm_ifindex = static_cast<int>(*index);
    header.ndm_state = NUD_PERMANENT;
    request.put(NDA_DST, address);
    request.put(NDA_LLADDR, mac);
    return status_of(impl_->command(request), "add neighbour " + address.text() + " to " + device);
}

void Netlink::want_neighbours(const std::vector<NextHop>& next_hops) {
    std::vector<NextHop> gone, fresh;
    std::set_difference(impl_->wanted.begin(), impl_->wanted.end(), next_hops.begin(),
                        next_hops.end(), std::back_inserter(gone));
    // Also those wanted before that the kernel has lost: flushed, or their device was down.
    std::copy_if(
        next_hops.begin(), next_hops.end(), std::back_inserter(fresh), [this](const NextHop& hop) {
            const unsigned device = impl_->mirror.device_index(hop.first);
            const bool old = std::binary_search(impl_->wanted.begin(), impl_->wanted.end(), hop);
            return !old || impl_->mirror.find_neighbour(device, hop.second) == nullptr;
        });
    for (const NextHop& hop : gone) impl_->want(hop, false);
    for (const NextHop& hop : fresh) impl_->want(hop, true);
    impl_->wanted = next_hops;
}

void Netlink::refresh_neighbours() {
    for (const NextHop& hop : impl_->wanted) impl_->use(hop);
}

// Failure is no error: the device may be down just now, and the slow path resolves as well.
void Netlink::Impl::want(const NextHop& hop, bool wanted_now) {
    if (!managed) {
        if (wanted_now) use(hop);
        return;
    }
    const unsigned device = mirror.device_index(hop.first);
    const NetlinkMirror::Neighbour* known = mirror.find_neighbour(device, hop.second);
    if (device == 0) return;
    if (known != nullptr && known->permanent) return;  // the kernel would take the permanence away
    // Letting go: the same entry without the flag, so that its MAC is not forgotten; one that never
    // got a MAC goes altogether, or the kernel would ask for it for ever.
    const bool forget = !wanted_now && known == nullptr;
    Request request(forget ? RTM_DELNEIGH : RTM_NEWNEIGH, wanted_now ? NLM_F_CREATE
                                                          : forget   ? 0
                                                                     : NLM_F_REPLACE);
    auto& header = request.header<ndmsg>();
    header.ndm_family = family_of(hop.second);
    header.ndm_ifindex = static_cast<int>(device);
    header.ndm_state = wanted_now ? NUD_NONE : NUD_STALE;
    request.put(NDA_DST, hop.second);
    if (wanted_now) request.put(NDA_FLAGS_EXT, std::uint32_t{NTF_EXT_MANAGED});
    if (!wanted_now && !forget) request.put(NDA_LLADDR, known->mac);
    (void)command(request);
}

void Netlink::Impl::use(const NextHop& hop) {
    const unsigned device = mirror.device_index(hop.first);
    const NetlinkMirror::Neighbour* known = mirror.find_neighbour(device, hop.second);
    if (device == 0 || (known != nullptr && known->permanent)) return;
    Request request(RTM_NEWNEIGH, NLM_F_CREATE);
    auto& header = request.header<ndmsg>();
    header.ndm_family = family_of(hop.second);
    header.ndm_ifindex = static_cast<int>(device);
    header.ndm_flags = NTF_USE;
    request.put(NDA_DST, hop.second);
    (void)command(request);
}

}  // namespace lb::cp
