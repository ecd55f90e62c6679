#include "cp/netlink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "tests/support/own_netns.h"

namespace lb::cp {
namespace {

using test::shell;

// What the kernel says, read by another program: `ip -j`. The slow twin of the mirror.
nlohmann::json ip_json(const std::string& arguments) {
    std::string text;
    FILE* pipe = ::popen(("ip -j " + arguments).c_str(), "r");
    std::array<char, 4096> piece;
    for (std::size_t n; (n = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;) {
        text.append(piece.data(), n);
    }
    ::pclose(pipe);
    return text.empty() ? nlohmann::json::array() : nlohmann::json::parse(text);
}

const std::vector<Twin> kTwins{{"nlt0", 0}, {"nlt1", 1}};

table::InterfaceIndex interface_named(const std::string& name) {
    for (const Twin& twin : kTwins) {
        if (twin.device == name) return twin.interface;
    }
    return table::kNoInterface;
}

std::vector<table::RouteEntry> routes_by_ip(const char* family) {
    std::vector<table::RouteEntry> routes;
    for (const auto& row : ip_json(std::string(family) + " route show table main")) {
        nlohmann::json path = row;
        if (row.contains("nexthops")) {
            path = nullptr;
            for (const auto& hop : row["nexthops"]) {
                const auto& flags = hop["flags"];
                const bool dead = std::find(flags.begin(), flags.end(), "dead") != flags.end();
                const bool ours = interface_named(hop["dev"]) != table::kNoInterface;
                if (path.is_null() && ours && !dead) path = hop;
            }
        }
        if (path.is_null() || row.contains("tos")) continue;
        const bool refuses = row.value("type", "unicast") != "unicast";
        const auto interface =
            refuses ? table::kNoInterface : interface_named(path.value("dev", ""));
        if (interface == table::kNoInterface && !refuses) continue;
        const bool v6 = family == std::string("-6");
        std::string prefix = row["dst"];
        if (prefix == "default") prefix = v6 ? "::/0" : "0.0.0.0/0";
        table::RouteEntry entry;
        entry.prefix = Prefix::parse(prefix).value();
        entry.interface = interface;
        if (path.contains("gateway")) {
            entry.gateway = IpAddress::parse(path["gateway"].get<std::string>()).value();
        }
        if (path.contains("via")) {
            entry.gateway = IpAddress::parse(path["via"]["host"].get<std::string>()).value();
        }
        entry.metric = row.contains("from") ? UINT32_MAX : row.value("metric", 0U);
        routes.push_back(entry);
    }
    return routes;
}

std::vector<table::NeighbourEntry> neighbours_by_ip() {
    std::vector<table::NeighbourEntry> neighbours;
    for (const auto& row : ip_json("neigh show nud all")) {
        const auto interface = interface_named(row.value("dev", ""));
        const std::string state = row["state"].empty() ? "" : row["state"][0].get<std::string>();
        if (interface == table::kNoInterface || !row.contains("lladdr")) continue;
        if (state == "FAILED" || state == "INCOMPLETE" || state.empty()) continue;
        const IpAddress address = IpAddress::parse(row["dst"].get<std::string>()).value();
        if (address.is_multicast() || address.is_broadcast()) continue;
        neighbours.push_back(
            {interface, address, MacAddress::parse(row["lladdr"].get<std::string>()).value()});
    }
    return neighbours;
}

// As text, so that a failure says what differs.
std::vector<std::string> texts(const std::vector<table::RouteEntry>& routes) {
    std::vector<std::string> lines;
    for (const auto& route : routes) {
        lines.push_back(route.prefix.text() + " if " + std::to_string(route.interface) + " via " +
                        (route.gateway.is_none() ? "link" : route.gateway.text()) + " metric " +
                        std::to_string(route.metric));
    }
    return lines;
}

std::vector<std::string> texts(const std::vector<table::NeighbourEntry>& neighbours) {
    std::vector<std::string> lines;
    for (const auto& entry : neighbours) {
        lines.push_back(entry.address.text() + " if " + std::to_string(entry.interface) + " is " +
                        entry.mac.text());
    }
    return lines;
}

class NetlinkTest : public testing::Test {
protected:
    void SetUp() override {
        if (!test::enter_own_netns()) GTEST_SKIP() << "needs root for a network namespace";
        ASSERT_TRUE(
            shell("ip link add nlt0 type veth peer name nlp0 && ip link add nlt1 type veth "
                  "peer name nlp1 && ip link add nlother type veth && ip link set nlp0 up "
                  "&& ip link set nlp1 up && ip link set nlother up && "
                  "ip addr add 192.0.2.1/24 dev nlother"));
        auto opened = Netlink::open(kTwins);
        ASSERT_TRUE(opened) << opened.error().message;
        netlink_ = std::move(*opened);
        for (const char* device : {"nlt0", "nlt1"}) ASSERT_TRUE(netlink_->set_up(device));
        ASSERT_TRUE(netlink_->add_address("nlt0", *Prefix::parse("10.77.0.1/24")));
        ASSERT_TRUE(netlink_->add_address("nlt0", *Prefix::parse("fd77::1/64")));
        ASSERT_TRUE(netlink_->add_address("nlt1", *Prefix::parse("10.78.0.1/24")));
        settle();
    }

    // Takes notifications until none comes for a while.
    void settle(int quiet_ms = 60) {
        pollfd wait{netlink_->fd(), POLLIN, 0};
        for (int turns = 0; turns < 200 && ::poll(&wait, 1, quiet_ms) > 0; ++turns) {
            auto changed = netlink_->process();
            ASSERT_TRUE(changed) << changed.error().message;
        }
    }

    table::NetworkState state() const {
        std::vector<table::Interface> interfaces(3);
        interfaces[1].mtu = 9000;
        return netlink_->state(std::move(interfaces));
    }

    void expect_mirrored() {
        auto routes = routes_by_ip("-4");
        const auto v6 = routes_by_ip("-6");
        routes.insert(routes.end(), v6.begin(), v6.end());
        const table::NetworkState mirror = state();
        EXPECT_THAT(texts(mirror.routes), testing::UnorderedElementsAreArray(texts(routes)));
        EXPECT_THAT(texts(mirror.neighbours),
                    testing::UnorderedElementsAreArray(texts(neighbours_by_ip())));
    }

    std::unique_ptr<Netlink> netlink_;
};

TEST_F(NetlinkTest, KnowsAddressesAndMtuOfTwins) {
    ASSERT_TRUE(shell("ip link set nlt0 mtu 1400"));
    settle();
    const table::NetworkState mirror = state();
    const auto has = [&](table::InterfaceIndex at, const char* text) {
        const auto& addresses = mirror.interfaces[at].addresses;
        return std::count(addresses.begin(), addresses.end(), *Prefix::parse(text)) == 1;
    };
    EXPECT_TRUE(has(0, "10.77.0.1/24"));
    EXPECT_TRUE(has(0, "fd77::1/64"));
    EXPECT_TRUE(has(1, "10.78.0.1/24"));
    EXPECT_EQ(mirror.interfaces[0].mtu, 1400);
    EXPECT_EQ(mirror.interfaces[1].mtu, 1500);
    EXPECT_TRUE(mirror.interfaces[2].addresses.empty());
    EXPECT_NE(netlink_->device_index(table::InterfaceIndex{0}), 0U);
    EXPECT_EQ(netlink_->device_index(table::InterfaceIndex{2}), 0U);
    expect_mirrored();
}

TEST_F(NetlinkTest, AddsAddressesAndGateways) {
    ASSERT_TRUE(netlink_->add_gateway("nlt0", *IpAddress::parse("10.77.0.254")));
    ASSERT_TRUE(netlink_->add_gateway("nlt0", *IpAddress::parse("fd77::fe")));
    ASSERT_TRUE(netlink_->add_gateway("nlt0", *IpAddress::parse("10.77.0.254"))) << "again";
    ASSERT_TRUE(netlink_->add_address("nlt0", *Prefix::parse("10.77.0.1/24"))) << "again";
    settle();
    EXPECT_EQ(ip_json("-4 route show default").size(), 1U);
    const auto routes = state().routes;
    const auto defaults = std::count_if(routes.begin(), routes.end(), [](const auto& route) {
        return route.prefix.length == 0 && !route.gateway.is_none() && route.interface == 0;
    });
    EXPECT_EQ(defaults, 2);
    expect_mirrored();
    const Status missing = netlink_->set_up("nlt9");
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().message.find("nlt9"), std::string::npos);
}

TEST_F(NetlinkTest, MirrorsAmbiguousChanges) {
    const char* const changes[] = {
        "ip route add 10.1.0.0/16 via 10.77.0.2",
        "ip route append 10.1.0.0/16 via 10.77.0.3",
        "ip route prepend 10.1.0.0/16 via 10.77.0.4",
        "ip route del 10.1.0.0/16 via 10.77.0.4",
        "ip route replace 10.1.0.0/16 via 192.0.2.9",
        "ip route add 10.2.0.0/16 nexthop via 10.77.0.2 nexthop via 10.78.0.2",
        "ip route replace 10.2.0.0/16 via 10.78.0.9",
        "ip route add 10.2.0.0/16 metric 7 nexthop via 192.0.2.7 nexthop via 10.78.0.2",
        "ip route add 10.3.0.0/16 via inet6 fd77::9 dev nlt0",
        "ip -6 route add fd01::/32 via fd77::2 metric 5",
        "ip -6 route append fd01::/32 via fd77::3 metric 5",
        "ip -6 route del fd01::/32 via fd77::2 metric 5",
        "ip -6 route replace fd01::/32 via fd77::4 metric 5",
        "ip -6 route add fd02::/32 nexthop via fd77::2 nexthop via fd77::3",
        "ip -6 route del fd02::/32",
        "ip route add blackhole 10.5.0.0/16",
        "ip route add unreachable 10.6.0.0/16 metric 5",
        "ip route add 10.6.0.0/16 via 10.77.0.2 metric 6",
        "ip route replace 10.5.0.0/16 via 10.77.0.2",
        "ip route replace prohibit 10.5.0.0/16",
        "ip route append 10.5.0.0/16 via 10.77.0.2",
        "ip route del prohibit 10.5.0.0/16",
        "ip route add throw 10.7.0.0/16",
        "ip route del throw 10.7.0.0/16",
        "ip route add 10.8.0.0/16 tos 0x10 via 10.77.0.3",
        "ip route add 10.8.0.0/16 via 10.77.0.2",
        "ip route append 10.8.0.0/16 tos 0x10 via 10.77.0.4",
        "ip route del 10.8.0.0/16 tos 0x10 via 10.77.0.3",
        "ip route del 10.8.0.0/16 tos 0 via 10.77.0.2",
        "ip route add blackhole 10.8.0.0/16 tos 0x08",
        "ip -6 route add unreachable fd03::/32",
        "ip -6 route replace blackhole fd03::/32",
        "ip -6 route replace fd03::/32 via fd77::2",
        "ip -6 route replace prohibit fd03::/32",
        "ip -6 route del fd03::/32",
        "ip -6 route add default from fd77::/64 via fd77::2",
        "ip -6 route add default via fd77::3",
        "ip -6 route add default from fd77:1::/64 via fd77::4",
        "ip -6 route del default from fd77::/64 via fd77::2",
        "ip -6 route del default via fd77::3",
        "ip -6 route del default from fd77:1::/64",
        "ip nexthop add id 1 via 10.77.0.2 dev nlt0",
        "ip nexthop add id 2 via 10.78.0.2 dev nlt1",
        "ip nexthop add id 3 group 1/2",
        "ip nexthop add id 4 blackhole",
        "ip nexthop add id 6 via fd77::2 dev nlt0",
        "ip route add 10.10.0.0/16 nhid 1",
        "ip route add 10.11.0.0/16 nhid 3",
        "ip route add 10.12.0.0/16 nhid 4",
        "ip -6 route add fd04::/32 nhid 6",
        "ip nexthop replace id 1 via 10.77.0.3 dev nlt0",
        "ip nexthop replace id 3 group 2",
        "ip nexthop replace id 3 group 1/2",
        "ip nexthop replace id 6 via fd77::3 dev nlt0",
        "ip nexthop del id 1",
        "ip nexthop del id 4",
        "ip nexthop del id 6",
        "ip nexthop del id 3",
        "ip addr add 10.79.0.1/24 dev nlt1",
        "ip route add 10.4.0.0/16 via 10.79.0.2 src 10.78.0.1",
        "ip addr del 10.78.0.1/24 dev nlt1",
        "ip link set nlt1 down",
        "ip link set nlt1 up",
        "ip link set nlt0 name nltx",
        "ip link set nltx name nlt0",
        "ip link set nlt0 up",
        "ip link del nlt1",
        "ip link add nlt1 type veth && ip link set nlt1 up && ip addr add 10.78.0.5/24 dev nlt1",
    };
    for (const char* change : changes) {
        SCOPED_TRACE(change);
        // Renaming wants the device down on some kernels; both outcomes must be mirrored.
        (void)shell(std::string(change) + " 2>/dev/null");
        settle();
        expect_mirrored();
    }
}

TEST_F(NetlinkTest, MirrorsTwoHundredRandomChanges) {
    std::mt19937 random(77);
    const auto pick = [&](unsigned n) { return std::to_string(random() % n); };
    unsigned made = 0;
    for (int i = 0; i < 200; ++i) {
        const bool second = random() % 2 != 0;
        const std::string device = second ? "nlt1" : "nlt0";
        const std::string net = second ? "10.78.0." : "10.77.0.";
        std::string change;
        switch (random() % 9) {
            case 0:
                change = "route replace 10." + pick(6) + ".0.0/16 via " + net + pick(9);
                break;
            case 1:
                change = "route add 10." + pick(6) + ".0.0/16 metric " + pick(3) + " via " + net +
                         pick(9);
                break;
            case 2:
                change = "route del 10." + pick(6) + ".0.0/16";
                break;
            case 3:
                change = "-6 route replace fd0" + pick(6) + "::/32 via fd77::" + pick(9);
                break;
            case 4:
                change = "-6 route del fd0" + pick(6) + "::/32";
                break;
            case 5:
                change = "neigh replace " + net + pick(9) + " lladdr 02:00:00:00:00:0" + pick(9) +
                         " dev " + device;
                break;
            case 6:
                change = "neigh del " + net + pick(9) + " dev " + device;
                break;
            case 7:
                change = "neigh replace fd77::" + pick(9) + " lladdr 02:00:00:00:01:0" + pick(9) +
                         " nud stale dev nlt0";
                break;
            case 8:
                change = "route replace blackhole 10." + pick(6) + ".0.0/16";
                break;
        }
        if (shell("ip " + change + " 2>/dev/null")) ++made;
        if (i % 10 == 9) {  // several changes are read together, as in life
            SCOPED_TRACE("after change " + std::to_string(i) + ": " + change);
            settle();
            expect_mirrored();
        }
    }
    EXPECT_GT(made, 100U) << "too few of the changes were possible for the test to mean anything";
}

// The whole way from the kernel's routes to what a worker does.
TEST_F(NetlinkTest, WhatTheKernelRefusesDoesNotGoByTheDefaultRoute) {
    ASSERT_TRUE(netlink_->add_gateway("nlt0", *IpAddress::parse("10.77.0.254")));
    ASSERT_TRUE(netlink_->add_gateway("nlt0", *IpAddress::parse("fd77::fe")));
    settle();
    struct Row {
        const char *type, *prefix, *inside, *outside;
    };
    const Row rows[] = {
        {"blackhole", "203.0.113.0/24", "203.0.113.7", "203.0.114.7"},
        {"unreachable", "198.51.100.0/24", "198.51.100.7", "198.51.101.7"},
        {"prohibit", "198.18.0.0/15", "198.18.0.1", "198.20.0.1"},
        {"throw", "100.64.0.0/10", "100.64.0.1", "100.128.0.1"},
        {"unreachable", "2001:db8:1::/48", "2001:db8:1::1", "2001:db8:2::1"},
    };
    const auto way_out = [&](const char* target) {
        return table::Network::build(state())->resolve(*IpAddress::parse(target)).interface;
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.prefix);
        const std::string route = std::string(row.type) + " " + row.prefix;
        EXPECT_EQ(way_out(row.inside), 0);
        ASSERT_TRUE(shell("ip route add " + route));
        auto changed = netlink_->process();
        ASSERT_TRUE(changed);
        EXPECT_TRUE(*changed);
        EXPECT_EQ(way_out(row.inside), table::kNoInterface);
        EXPECT_EQ(way_out(row.outside), 0);
        ASSERT_TRUE(shell("ip route del " + route));
        changed = netlink_->process();
        ASSERT_TRUE(changed);
        EXPECT_TRUE(*changed);
        EXPECT_EQ(way_out(row.inside), 0);
    }
}

TEST_F(NetlinkTest, ARemovedNexthopTakesItsRoutesAlong) {
    if (!shell("ip nexthop add id 1 via 10.77.0.2 dev nlt0")) GTEST_SKIP() << "no nexthop objects";
    ASSERT_TRUE(shell("ip route add 10.10.0.0/16 nhid 1"));
    settle();
    const auto has = [this] {
        const auto routes = state().routes;
        return std::any_of(routes.begin(), routes.end(), [](const table::RouteEntry& route) {
            return route.prefix == *Prefix::parse("10.10.0.0/16");
        });
    };
    EXPECT_TRUE(has());
    ASSERT_TRUE(shell("ip nexthop del id 1"));
    auto changed = netlink_->process();
    ASSERT_TRUE(changed);
    EXPECT_TRUE(*changed);
    EXPECT_FALSE(has());
}

// nexthop_compat_mode = 0: routes name their object and not its paths.
TEST_F(NetlinkTest, RoutesByNexthopObjectsAlone) {
    if (!shell("echo 0 > /proc/sys/net/ipv4/nexthop_compat_mode")) GTEST_SKIP() << "no objects";
    ASSERT_TRUE(netlink_->add_gateway("nlt0", *IpAddress::parse("10.77.0.254")));
    ASSERT_TRUE(
        shell("ip nexthop add id 1 via 10.77.0.2 dev nlt0 && ip nexthop add id 2 via 10.78.0.2 dev "
              "nlt1 && ip nexthop add id 3 group 1/2 && ip nexthop add id 4 blackhole && "
              "ip nexthop add id 6 via fd77::2 dev nlt0 && ip route add 10.10.0.0/16 nhid 1 && "
              "ip route add 10.11.0.0/16 nhid 3 && ip route add 10.12.0.0/16 nhid 4 && "
              "ip -6 route add fd04::/32 nhid 6"));
    settle();
    const auto neighbour = [this](const char* target) {
        const auto network = table::Network::build(state());
        const IpAddress hop = network->resolve(*IpAddress::parse(target)).neighbour;
        return hop.is_none() ? std::string() : hop.text();
    };
    EXPECT_EQ(neighbour("10.10.0.1"), "10.77.0.2");
    EXPECT_EQ(neighbour("10.11.0.1"), "10.77.0.2");
    EXPECT_EQ(neighbour("10.12.0.1"), "") << "refused";
    EXPECT_EQ(neighbour("fd04::1"), "fd77::2");
    ASSERT_TRUE(shell("ip nexthop replace id 1 via 10.77.0.3 dev nlt0"));
    settle();
    EXPECT_EQ(neighbour("10.10.0.1"), "10.77.0.3");
    EXPECT_EQ(neighbour("10.11.0.1"), "10.77.0.3");
    ASSERT_TRUE(netlink_->resync());
    EXPECT_EQ(neighbour("10.11.0.1"), "10.77.0.3") << "from dumps";
    ASSERT_TRUE(shell("ip nexthop del id 1"));
    settle();
    EXPECT_EQ(neighbour("10.10.0.1"), "10.77.0.254");
    EXPECT_EQ(neighbour("10.11.0.1"), "10.78.0.2");
}

TEST_F(NetlinkTest, AnOverrunIsRepairedByReadingAgain) {
    int tiny = 2048;
    ASSERT_EQ(::setsockopt(netlink_->fd(), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny), 0);
    ASSERT_TRUE(
        shell("for i in $(seq 1 200); do echo route add 10.200.$i.0/24 via 10.77.0.2; done"
              " | ip -batch -"));
    settle();
    EXPECT_GT(netlink_->overruns(), 0U);
    expect_mirrored();
}

TEST_F(NetlinkTest, ReportsOnlyWhatTablesDependOn) {
    ASSERT_TRUE(shell("ip neigh add 10.77.0.5 lladdr 02:00:00:00:00:05 nud reachable dev nlt0"));
    settle();
    ASSERT_TRUE(shell("ip neigh change 10.77.0.5 lladdr 02:00:00:00:00:05 nud stale dev nlt0"));
    auto changed = netlink_->process();
    ASSERT_TRUE(changed);
    EXPECT_FALSE(*changed) << "same MAC, still usable";
    ASSERT_TRUE(shell("ip route add 203.0.113.0/24 via 192.0.2.2"));
    changed = netlink_->process();
    ASSERT_TRUE(changed);
    EXPECT_FALSE(*changed) << "no route of a twin";
    ASSERT_TRUE(shell("ip neigh change 10.77.0.5 lladdr 02:00:00:00:00:06 nud stale dev nlt0"));
    changed = netlink_->process();
    ASSERT_TRUE(changed);
    EXPECT_TRUE(*changed);
}

TEST_F(NetlinkTest, WantedNeighboursAreManagedAndLetGo) {
    if (!netlink_->manages_neighbours()) GTEST_SKIP() << "kernel before 5.16";
    ASSERT_TRUE(shell("ip neigh add 10.77.0.8 lladdr 02:00:00:00:00:08 nud permanent dev nlt0"));
    ASSERT_TRUE(shell("ip neigh add 10.77.0.6 lladdr 02:00:00:00:00:06 nud stale dev nlt0"));
    settle();
    const auto managed = [] {
        std::vector<std::string> names;
        for (const auto& row : ip_json("neigh show nud all")) {
            if (row.contains("managed")) names.push_back(row["dst"]);
        }
        return names;
    };
    const NextHop stale{0, *IpAddress::parse("10.77.0.6")},
        unknown{0, *IpAddress::parse("10.77.0.7")}, permanent{0, *IpAddress::parse("10.77.0.8")};
    netlink_->want_neighbours({stale, unknown, permanent});
    EXPECT_THAT(managed(), testing::UnorderedElementsAre("10.77.0.6", "10.77.0.7"));
    settle();
    const auto before = state().neighbours;
    EXPECT_EQ(std::count_if(before.begin(), before.end(),
                            [&](const auto& entry) { return entry.address == permanent.second; }),
              1);
    ASSERT_TRUE(
        shell("ip neigh flush dev nlt0 to 10.77.0.6 && ip neigh del 10.77.0.6 dev nlt0; true"));
    settle();
    netlink_->want_neighbours({stale, unknown, permanent});
    EXPECT_THAT(managed(), testing::UnorderedElementsAre("10.77.0.6", "10.77.0.7")) << "again";
    settle();
    netlink_->want_neighbours({unknown});
    EXPECT_THAT(managed(), testing::ElementsAre("10.77.0.7"));
    settle();
    expect_mirrored();
}

}  // namespace
}  // namespace lb::cp
