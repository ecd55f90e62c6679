#include "cp/netlink_mirror.h"

#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace lb::cp {
namespace {

// States in which the kernel itself would send to the neighbour's MAC.
constexpr std::uint16_t kUsableStates =
    NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;

// Attributes of one message by type; the last one of a type counts.
template <std::size_t Max>
struct Attributes {
    std::array<const nlattr*, Max + 1> at{};

    static int take(const nlattr* attribute, void* self) {
        const std::uint16_t type = mnl_attr_get_type(attribute);
        if (type <= Max) static_cast<Attributes*>(self)->at[type] = attribute;
        return MNL_CB_OK;
    }
    Attributes(const nlmsghdr* message, unsigned header_size) {
        mnl_attr_parse(message, header_size, take, this);
    }
    const nlattr* operator[](std::size_t type) const noexcept { return at[type]; }
};

std::uint32_t u32_or(const nlattr* attribute, std::uint32_t absent) noexcept {
    if (attribute == nullptr || mnl_attr_get_payload_len(attribute) < 4) return absent;
    return mnl_attr_get_u32(attribute);
}

IpAddress address_from(std::uint8_t family, const void* bytes, std::size_t size) noexcept {
    const auto* data = static_cast<const std::uint8_t*>(bytes);
    if (family == AF_INET && size >= 4) return IpAddress::from_ipv4(data);
    if (family == AF_INET6 && size >= 16) return IpAddress::from_ipv6(data);
    return {};
}

IpAddress address_of(std::uint8_t family, const nlattr* attribute) noexcept {
    if (attribute == nullptr) return {};
    return address_from(family, mnl_attr_get_payload(attribute),
                        mnl_attr_get_payload_len(attribute));
}

// RTA_VIA: a gateway of the other family (RFC 5549).
IpAddress via_of(const nlattr* attribute) noexcept {
    const std::size_t size = mnl_attr_get_payload_len(attribute);
    if (size < sizeof(rtvia)) return {};
    const auto* via = static_cast<const rtvia*>(mnl_attr_get_payload(attribute));
    return address_from(static_cast<std::uint8_t>(via->rtvia_family), via->rtvia_addr,
                        size - sizeof(rtvia));
}

IpAddress gateway_of(std::uint8_t family, const nlattr* gateway, const nlattr* via) noexcept {
    if (via != nullptr) return via_of(via);
    return address_of(family, gateway);
}

template <class T>
const T* header_of(const nlmsghdr* message) noexcept {
    if (mnl_nlmsg_get_payload_len(message) < sizeof(T)) return nullptr;
    return static_cast<const T*>(mnl_nlmsg_get_payload(message));
}

// Types of routes that end the search without a way out. "throw" means the next table, of which we
// keep none.
bool refuses(std::uint8_t type) noexcept {
    return type == RTN_BLACKHOLE || type == RTN_UNREACHABLE || type == RTN_PROHIBIT ||
           type == RTN_THROW;
}

IpAddress zero_address(std::uint8_t family) noexcept {
    const std::array<std::uint8_t, 16> zero{};
    return address_from(family, zero.data(), zero.size());
}

}  // namespace

NetlinkMirror::NetlinkMirror(std::vector<Twin> twins) : twins_(std::move(twins)) {}

void NetlinkMirror::clear() {
    links_.clear();
    addresses_.clear();
    routes_.clear();
    nexthops_.clear();
    neighbours_.clear();
    risen_.clear();
}

NetlinkMirror::Applied NetlinkMirror::apply(const nlmsghdr* message, bool dump) {
    switch (message->nlmsg_type) {
        case RTM_NEWLINK:
            return apply_link(message, false);
        case RTM_DELLINK:
            return apply_link(message, true);
        case RTM_NEWADDR:
            return apply_address(message, false);
        case RTM_DELADDR:
            return apply_address(message, true);
        case RTM_NEWROUTE:
            return apply_route(message, false, dump);
        case RTM_DELROUTE:
            return apply_route(message, true, dump);
        case RTM_NEWNEIGH:
            return apply_neighbour(message, false);
        case RTM_DELNEIGH:
            return apply_neighbour(message, true);
        case RTM_NEWNEXTHOP:
            return apply_nexthop(message, false);
        case RTM_DELNEXTHOP:
            return apply_nexthop(message, true);
        default:
            return Applied::kNothing;
    }
}

// A change of a link takes routes away without a word about them (IPv4), so it is always ambiguous.
// Links that are no twins matter for that reason only when they go down, as their routes are no way
// out of our ports.
NetlinkMirror::Applied NetlinkMirror::apply_link(const nlmsghdr* message, bool removed) {
    const auto* header = header_of<ifinfomsg>(message);
    if (header == nullptr || header->ifi_family != AF_UNSPEC) return Applied::kNothing;
    const Attributes<IFLA_MAX> attributes(message, sizeof(ifinfomsg));
    const auto index = static_cast<unsigned>(header->ifi_index);

    Link link;
    if (attributes[IFLA_IFNAME] != nullptr) link.name = mnl_attr_get_str(attributes[IFLA_IFNAME]);
    link.flags = header->ifi_flags & (IFF_UP | IFF_LOWER_UP);
    link.mtu = u32_or(attributes[IFLA_MTU], 0);
    link.interface = twin_named(link.name);

    const auto known = links_.find(index);
    if (removed || link.interface == table::kNoInterface) {
        if (known == links_.end()) return Applied::kNothing;
        links_.erase(known);
        return Applied::kAmbiguous;
    }
    if (known != links_.end() && known->second == link) return Applied::kNothing;
    const bool was_up = is_up(index);
    links_[index] = std::move(link);
    if (!was_up && is_up(index)) risen_.insert(links_[index].interface);
    return Applied::kAmbiguous;
}

NetlinkMirror::Applied NetlinkMirror::apply_address(const nlmsghdr* message, bool removed) {
    const auto* header = header_of<ifaddrmsg>(message);
    if (header == nullptr || !links_.contains(header->ifa_index)) return Applied::kNothing;
    const Attributes<IFA_MAX> attributes(message, sizeof(ifaddrmsg));
    // IFA_ADDRESS is the peer's on point-to-point links; IFA_LOCAL is ours where it is given.
    const nlattr* local =
        attributes[IFA_LOCAL] != nullptr ? attributes[IFA_LOCAL] : attributes[IFA_ADDRESS];
    const IpAddress address = address_of(header->ifa_family, local);
    if (address.is_none()) return Applied::kNothing;

    const Prefix prefix{address, header->ifa_prefixlen};
    std::set<Prefix>& known = addresses_[header->ifa_index];
    if (!removed) return known.insert(prefix).second ? Applied::kChanged : Applied::kNothing;
    // Routes that preferred this source go with it, unannounced.
    return known.erase(prefix) != 0 ? Applied::kAmbiguous : Applied::kNothing;
}

bool NetlinkMirror::parse_route(const nlmsghdr* message, Route& route) {
    const auto* header = header_of<rtmsg>(message);
    if (header == nullptr || (header->rtm_flags & RTM_F_CLONED) != 0) return false;
    if (header->rtm_family != AF_INET && header->rtm_family != AF_INET6) return false;
    const Attributes<RTA_MAX> attributes(message, sizeof(rtmsg));
    if (u32_or(attributes[RTA_TABLE], header->rtm_table) != RT_TABLE_MAIN) return false;
    if (header->rtm_type != RTN_UNICAST && !refuses(header->rtm_type)) return false;
    if (header->rtm_tos != 0) return false;

    IpAddress prefix = address_of(header->rtm_family, attributes[RTA_DST]);
    if (prefix.is_none()) prefix = zero_address(header->rtm_family);
    route.key = {{prefix, header->rtm_dst_len}, u32_or(attributes[RTA_PRIORITY], 0), {}};
    if (header->rtm_src_len != 0) {
        const IpAddress source = address_of(header->rtm_family, attributes[RTA_SRC]);
        route.key.source = {source, header->rtm_src_len};
    }

    if (refuses(header->rtm_type)) {
        route.paths.push_back({kNowhere, {}});  // IPv6 names lo
        return true;
    }
    if (attributes[RTA_OIF] == nullptr && attributes[RTA_MULTIPATH] == nullptr) {
        // Its object has the paths, with nexthop_compat_mode = 0.
        if (const std::uint32_t id = u32_or(attributes[RTA_NH_ID], 0); id != 0) {
            route.paths.push_back({0, {}, id});
            return true;
        }
    }
    if (attributes[RTA_MULTIPATH] == nullptr) {
        route.paths.push_back(
            {u32_or(attributes[RTA_OIF], 0),
             gateway_of(header->rtm_family, attributes[RTA_GATEWAY], attributes[RTA_VIA])});
        return true;
    }
    int left = mnl_attr_get_payload_len(attributes[RTA_MULTIPATH]);
    const auto* hop =
        static_cast<const rtnexthop*>(mnl_attr_get_payload(attributes[RTA_MULTIPATH]));
    while (left >= static_cast<int>(sizeof(rtnexthop)) && RTNH_OK(hop, left)) {
        const nlattr *gateway = nullptr, *via = nullptr;
        const auto* attribute = reinterpret_cast<const nlattr*>(RTNH_DATA(hop));
        int attribute_left = hop->rtnh_len - static_cast<int>(RTNH_LENGTH(0));
        while (attribute_left > 0 && mnl_attr_ok(attribute, attribute_left)) {
            if (mnl_attr_get_type(attribute) == RTA_GATEWAY) gateway = attribute;
            if (mnl_attr_get_type(attribute) == RTA_VIA) via = attribute;
            attribute_left -= MNL_ALIGN(attribute->nla_len);
            attribute = mnl_attr_next(attribute);
        }
        route.paths.push_back({static_cast<unsigned>(hop->rtnh_ifindex),
                               gateway_of(header->rtm_family, gateway, via)});
        left -= static_cast<int>(RTNH_ALIGN(hop->rtnh_len));
        hop = RTNH_NEXT(hop);
    }
    return !route.paths.empty();
}

NetlinkMirror::Applied NetlinkMirror::apply_route(const nlmsghdr* message, bool removed,
                                                  bool dump) {
    Route route;
    if (!parse_route(message, route)) return Applied::kNothing;
    if (dump) {
        routes_[route.key].push_back(std::move(route.paths));
        return Applied::kChanged;
    }
    if (route.paths.size() > 1) return Applied::kAmbiguous;
    if (removed) return remove_route(route);
    return add_route(std::move(route), (message->nlmsg_flags & NLM_F_REPLACE) != 0);
}

NetlinkMirror::Applied NetlinkMirror::add_route(Route&& route, bool replace) {
    std::vector<Paths>& known = routes_[route.key];
    if (known.size() == 1 && known.front() == route.paths) return Applied::kNothing;
    // Appended or prepended, or one of several replaced: the order decides, and only a dump tells
    // it.
    if (!known.empty() && (!replace || known.size() > 1)) return Applied::kAmbiguous;
    const bool ours =
        concerns_tables(route.paths) || (!known.empty() && concerns_tables(known.front()));
    known.assign(1, std::move(route.paths));
    return ours ? Applied::kChanged : Applied::kNothing;
}

NetlinkMirror::Applied NetlinkMirror::remove_route(const Route& route) {
    const auto known = routes_.find(route.key);
    if (known == routes_.end()) return Applied::kNothing;
    std::vector<Paths>& all = known->second;
    const auto gone = std::find(all.begin(), all.end(), route.paths);
    if (gone == all.end()) return Applied::kAmbiguous;
    const bool ours = concerns_tables(route.paths);
    all.erase(gone);
    if (all.empty()) routes_.erase(known);
    return ours ? Applied::kChanged : Applied::kNothing;
}

// A new object has no routes yet. A removed one takes them along, and IPv4 ones without a word.
NetlinkMirror::Applied NetlinkMirror::apply_nexthop(const nlmsghdr* message, bool removed) {
    const auto* header = header_of<nhmsg>(message);
    if (header == nullptr) return Applied::kNothing;
    const Attributes<NHA_MAX> attributes(message, sizeof(nhmsg));
    const std::uint32_t id = u32_or(attributes[NHA_ID], 0);
    if (id == 0) return Applied::kNothing;
    if (removed) {
        nexthops_.erase(id);
        return Applied::kAmbiguous;
    }
    Nexthop nexthop;
    nexthop.path.device =
        attributes[NHA_BLACKHOLE] != nullptr ? kNowhere : u32_or(attributes[NHA_OIF], 0);
    nexthop.path.gateway = address_of(header->nh_family, attributes[NHA_GATEWAY]);
    if (const nlattr* group = attributes[NHA_GROUP]; group != nullptr) {
        const auto* members = static_cast<const nexthop_grp*>(mnl_attr_get_payload(group));
        const std::size_t count = mnl_attr_get_payload_len(group) / sizeof(nexthop_grp);
        for (std::size_t i = 0; i < count; ++i) nexthop.members.push_back(members[i].id);
    }
    const auto [known, fresh] = nexthops_.try_emplace(id, nexthop);
    if (fresh || known->second == nexthop) return Applied::kNothing;
    known->second = std::move(nexthop);
    return Applied::kChanged;
}

NetlinkMirror::Applied NetlinkMirror::apply_neighbour(const nlmsghdr* message, bool removed) {
    const auto* header = header_of<ndmsg>(message);
    if (header == nullptr || (header->ndm_flags & NTF_PROXY) != 0) return Applied::kNothing;
    const auto device = static_cast<unsigned>(header->ndm_ifindex);
    if (!links_.contains(device)) return Applied::kNothing;
    const Attributes<NDA_MAX> attributes(message, sizeof(ndmsg));
    const IpAddress address = address_of(header->ndm_family, attributes[NDA_DST]);
    if (address.is_none() || address.is_multicast() || address.is_broadcast()) {
        return Applied::kNothing;
    }

    const nlattr* lladdr = attributes[NDA_LLADDR];
    const bool usable = !removed && (header->ndm_state & kUsableStates) != 0 && lladdr != nullptr &&
                        mnl_attr_get_payload_len(lladdr) == 6;
    const NeighbourKey key{device, address};
    if (!usable) return neighbours_.erase(key) != 0 ? Applied::kChanged : Applied::kNothing;

    Neighbour neighbour{{}, (header->ndm_state & NUD_PERMANENT) != 0};
    std::memcpy(neighbour.mac.bytes.data(), mnl_attr_get_payload(lladdr), 6);
    const auto [known, fresh] = neighbours_.try_emplace(key, neighbour);
    const bool same = !fresh && known->second.mac == neighbour.mac;
    known->second = neighbour;
    return same ? Applied::kNothing : Applied::kChanged;
}

table::InterfaceIndex NetlinkMirror::twin_named(const std::string& name) const noexcept {
    for (const Twin& twin : twins_) {
        if (twin.device == name) return twin.interface;
    }
    return table::kNoInterface;
}

// By a twin, or refused: that counts for our ports, too. Of an object it is not known here.
bool NetlinkMirror::concerns_tables(const Paths& paths) const noexcept {
    return std::any_of(paths.begin(), paths.end(), [this](const Path& path) {
        return path.device == kNowhere || path.nexthop != 0 || links_.contains(path.device);
    });
}

void NetlinkMirror::fill(table::NetworkState& state) const {
    for (const auto& [index, link] : links_) {
        if (link.interface >= state.interfaces.size()) continue;
        table::Interface& interface = state.interfaces[link.interface];
        interface.addresses.clear();
        const auto addresses = addresses_.find(index);
        if (addresses != addresses_.end()) {
            interface.addresses.assign(addresses->second.begin(), addresses->second.end());
        }
        if (link.mtu != 0 && link.mtu < interface.mtu) {
            interface.mtu = static_cast<std::uint16_t>(link.mtu);
        }
    }
    for (const auto& [key, routes] : routes_) {
        for (const Paths& paths : routes) {
            const std::uint32_t nexthop = paths.front().nexthop;  // the only path then
            if (nexthop == 0) {
                fill_route(key, paths, state);
            } else {
                fill_route(key, paths_of(nexthop), state);
            }
        }
    }
    for (const auto& [key, neighbour] : neighbours_) {
        const table::InterfaceIndex interface = interface_of(key.first);
        state.neighbours.push_back({interface, key.second, neighbour.mac});
    }
}

unsigned NetlinkMirror::device_index(table::InterfaceIndex interface) const noexcept {
    for (const auto& [index, link] : links_) {
        if (link.interface == interface) return index;
    }
    return 0;
}

unsigned NetlinkMirror::device_index(const std::string& name) const noexcept {
    for (const auto& [index, link] : links_) {
        if (link.name == name) return index;
    }
    return 0;
}

// Of several paths the first by a twin that is up: route() is pure, so a flow keeps its way. By no
// interface if the kernel would refuse. The tables do not ask for the source: a route for some
// sources serves where no other does.
void NetlinkMirror::fill_route(const RouteKey& key, const Paths& paths,
                               table::NetworkState& state) const {
    const std::uint32_t metric = key.source.address.is_none() ? key.metric : UINT32_MAX;
    for (const Path& path : paths) {
        if (path.device == kNowhere) {
            state.routes.push_back({key.prefix, table::kNoInterface, {}, metric});
            return;
        }
        if (!is_up(path.device)) continue;
        state.routes.push_back({key.prefix, interface_of(path.device), path.gateway, metric});
        return;
    }
}

// The kernel has no groups of groups.
NetlinkMirror::Paths NetlinkMirror::paths_of(std::uint32_t nexthop) const {
    const auto found = nexthops_.find(nexthop);
    if (found == nexthops_.end()) return {};
    if (found->second.members.empty()) return {found->second.path};
    Paths paths;
    for (const std::uint32_t id : found->second.members) {
        const auto member = nexthops_.find(id);
        if (member != nexthops_.end()) paths.push_back(member->second.path);
    }
    return paths;
}

table::InterfaceIndex NetlinkMirror::interface_of(unsigned device) const noexcept {
    const auto link = links_.find(device);
    return link == links_.end() ? table::kNoInterface : link->second.interface;
}

const NetlinkMirror::Neighbour* NetlinkMirror::find_neighbour(
    unsigned device, const IpAddress& address) const noexcept {
    const auto known = neighbours_.find({device, address});
    return known == neighbours_.end() ? nullptr : &known->second;
}

void NetlinkMirror::follow(const NetlinkMirror& before, bool lost) {
    risen_ = before.risen_;
    for (const auto& [index, link] : links_) {
        if (is_up(index) && (!before.is_up(index) || (lost && lacks(index, before))))
            risen_.insert(link.interface);
    }
}

// True if an address or a route of the device is gone.
bool NetlinkMirror::lacks(unsigned device, const NetlinkMirror& before) const {
    const auto addresses = [device](const NetlinkMirror& of) {
        const auto found = of.addresses_.find(device);
        return found == of.addresses_.end() ? std::set<Prefix>{} : found->second;
    };
    const std::set<Prefix> now = addresses(*this), then = addresses(before);
    if (!std::includes(now.begin(), now.end(), then.begin(), then.end())) return true;
    return std::any_of(before.routes_.begin(), before.routes_.end(), [&](const auto& entry) {
        return before.has_route(entry.first, device) && !has_route(entry.first, device);
    });
}

bool NetlinkMirror::has_route(const RouteKey& key, unsigned device) const {
    const auto found = routes_.find(key);
    if (found == routes_.end()) return false;
    return std::any_of(found->second.begin(), found->second.end(), [device](const Paths& paths) {
        return std::any_of(paths.begin(), paths.end(),
                           [device](const Path& path) { return path.device == device; });
    });
}

std::set<table::InterfaceIndex> NetlinkMirror::take_risen() { return std::exchange(risen_, {}); }

bool NetlinkMirror::is_up(unsigned device) const noexcept {
    const auto link = links_.find(device);
    return link != links_.end() && (link->second.flags & IFF_UP) != 0;
}

bool NetlinkMirror::same_state(const NetlinkMirror& other) const noexcept {
    return links_ == other.links_ && addresses_ == other.addresses_ && routes_ == other.routes_ &&
           nexthops_ == other.nexthops_ && neighbours_ == other.neighbours_;
}

}  // namespace lb::cp
