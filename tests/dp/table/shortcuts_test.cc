#include "dp/table/shortcuts.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "dp/table/tables.h"

namespace lb::table {
namespace {

Endpoint endpoint(const std::string& text) { return Endpoint::parse(text).value(); }
IpAddress address(const char* text) { return *IpAddress::parse(text); }
Prefix prefix(const char* text) { return *Prefix::parse(text); }
MacAddress mac(std::uint8_t last) { return {{2, 0, 0, 0, 0, last}}; }

NetworkState two_interfaces() {
    NetworkState state;
    state.interfaces = {
        {"edge", 0, net::kNoVlan, mac(1), 1500, {prefix("10.77.0.1/24"), prefix("fd77::1/64")}},
        {"core", 0, 100, mac(2), 9000, {prefix("10.88.0.1/16")}},
    };
    state.routes = {{prefix("192.0.2.0/24"), 1, address("10.88.0.9"), 0},
                    {prefix("198.51.100.0/24"), 0, address("10.77.0.253"), 0}};
    state.neighbours = {{0, address("10.77.0.9"), mac(9)},
                        {0, address("fd77::9"), mac(9)},
                        {1, address("10.88.0.9"), mac(89)}};
    return state;
}

// A service for each list of listeners; all with set 1.
struct Made {
    std::unique_ptr<const Network> network;
    std::unique_ptr<const Dispatch> dispatch;

    Made(NetworkState state, const std::vector<std::vector<std::string>>& services,
         const std::vector<std::string>& members)
        : network(Network::build(std::move(state))) {
        Dispatch::Input input;
        for (const auto& listeners : services) {
            Service service;
            service.set = 1;
            for (const std::string& text : listeners) {
                Listener listener;
                listener.endpoint = endpoint(text);
                listener.service = static_cast<std::uint32_t>(input.services.size());
                service.listeners.push_back(static_cast<ListenerIndex>(input.listeners.size()));
                input.listeners.push_back(listener);
            }
            input.services.push_back(service);
        }
        Set set;
        set.id = 1;
        for (const std::string& text : members) {
            Member member;
            member.id = DestinationId{static_cast<std::uint32_t>(set.members.size() + 1)};
            member.text = static_cast<std::uint32_t>(set.members.size());
            if (!text.empty()) member.endpoint = endpoint(text);
            set.members.push_back(member);
            set.texts.push_back({"sip:x", "", "", "x"});
        }
        input.sets.push_back(std::move(set));
        dispatch = Dispatch::build(std::move(input));
    }
};

TEST(shortcuts, the_empty_ones_say_nothing) {
    const Shortcuts none;
    for (const char* text : {"10.77.0.1:5060", "[fd77::1]:5060", "0.0.0.0:1"}) {
        const Door& door = none.door_for(endpoint(text));
        EXPECT_FALSE(door.endpoint == endpoint(text)) << text;
        EXPECT_EQ(door.device, kNoDevice);
    }
    // What is no IP has no addresses, as an empty door has none: the device tells them apart.
    EXPECT_EQ(none.door_for(Endpoint{}).device, kNoDevice);
}

TEST(shortcuts, doors_are_where_the_address_is) {
    const Made made(two_interfaces(),
                    {{"10.77.0.1:5060", "[fd77::1]:5060"}, {"10.88.0.1:5070"}, {"10.99.0.1:5060"}},
                    {"10.77.0.9:5060"});
    const Shortcuts shortcuts(*made.network, *made.dispatch);
    struct Row {
        const char* listener;
        ListenerIndex index;
        InterfaceIndex interface;
        std::uint16_t vlan;
        std::uint8_t mac;
    };
    constexpr Row kRows[] = {{"10.77.0.1:5060", 0, 0, net::kNoVlan, 1},
                             {"[fd77::1]:5060", 1, 0, net::kNoVlan, 1},
                             {"10.88.0.1:5070", 2, 1, 100, 2}};
    for (const Row& row : kRows) {
        const Door& door = shortcuts.door_for(endpoint(row.listener));
        EXPECT_EQ(door.endpoint, endpoint(row.listener));
        EXPECT_EQ(door.listener, row.index) << row.listener;
        EXPECT_EQ(door.interface, row.interface) << row.listener;
        EXPECT_EQ(door.device, 0) << row.listener;
        EXPECT_EQ(door.vlan, row.vlan) << row.listener;
        EXPECT_EQ(door.mac, mac(row.mac)) << row.listener;
        EXPECT_NE(door.hops, nullptr) << row.listener;
    }
    // An address that no interface has, another port.
    for (const char* text : {"10.99.0.1:5060", "10.77.0.1:5061"})
        EXPECT_FALSE(shortcuts.door_for(endpoint(text)).endpoint == endpoint(text)) << text;
}

// Two interfaces of one device without a tag: frames belong to the first.
TEST(shortcuts, no_door_by_an_interface_that_gets_no_frames) {
    NetworkState state = two_interfaces();
    state.interfaces.push_back({"late", 0, net::kNoVlan, mac(3), 1500, {prefix("10.66.0.1/24")}});
    const Made made(std::move(state), {{"10.66.0.1:5060"}}, {"10.77.0.9:5060"});
    const Shortcuts shortcuts(*made.network, *made.dispatch);
    EXPECT_FALSE(shortcuts.door_for(endpoint("10.66.0.1:5060")).endpoint ==
                 endpoint("10.66.0.1:5060"));
}

TEST(shortcuts, nearly_each_of_many_listeners_has_its_door) {
    std::vector<std::string> listeners;
    for (int port = 5000; port < 5300; ++port)
        listeners.push_back("10.77.0.1:" + std::to_string(port));
    const Made made(two_interfaces(), {listeners}, {"10.77.0.9:5060"});
    const Shortcuts shortcuts(*made.network, *made.dispatch);
    std::size_t found = 0;
    for (std::size_t i = 0; i < listeners.size(); ++i) {
        const Door& door = shortcuts.door_for(endpoint(listeners[i]));
        if (!(door.endpoint == endpoint(listeners[i]))) continue;  // one without has the long way
        EXPECT_EQ(door.listener, i);
        ++found;
    }
    EXPECT_GE(found, listeners.size() * 95 / 100);
    EXPECT_LE(shortcuts.memory_bytes(), listeners.size() * 2048);
}

// A few listeners all have their door: where two meet, the table grows.
TEST(shortcuts, few_listeners_have_a_door_each) {
    std::size_t found = 0, all = 0;
    for (int first = 5000; first < 9000; first += 97) {
        std::vector<std::string> listeners;
        for (int i = 0; i < 10; ++i)
            listeners.push_back("10.77.0.1:" + std::to_string(first + i * i * 31));
        const Made made(two_interfaces(), {listeners}, {"10.77.0.9:5060"});
        const Shortcuts shortcuts(*made.network, *made.dispatch);
        for (const std::string& text : listeners)
            found += shortcuts.door_for(endpoint(text)).endpoint == endpoint(text);
        all += listeners.size();
    }
    EXPECT_EQ(found, all);
}

TEST(shortcuts, hops_are_what_the_network_says) {
    struct Row {
        const char* member;
        bool known;
    };
    constexpr Row kRows[] = {
        {"10.77.0.9:5060", true},
        {"[fd77::9]:5060", true},
        {"192.0.2.7:5060", true},
        {"198.51.100.7:5060", true},  // its gateway's MAC is not known: the kernel asks for it
        {"10.77.0.77:5060", false},   // on link, not known yet
        {"10.77.0.1:5060", false},    // ourselves
        {"192.0.2.9:5060", false},    // as well, though others of its net are behind a gateway
        {"10.77.0.9:0", false},
        {"224.0.0.1:5060", false},
        {"127.0.0.1:5060", false},
        {"203.0.113.1:5060", false},  // no route
        {"", false},                  // not resolved
    };
    std::vector<std::string> members;
    for (const Row& row : kRows) members.emplace_back(row.member);
    NetworkState state = two_interfaces();
    state.interfaces[1].addresses.push_back(prefix("192.0.2.9/32"));
    const Made made(std::move(state), {{"10.77.0.1:5060"}, {"10.88.0.1:5060"}}, members);
    const Shortcuts shortcuts(*made.network, *made.dispatch);
    const Hop* const* const hops = shortcuts.door_for(endpoint("10.77.0.1:5060")).hops;
    ASSERT_NE(hops, nullptr);
    EXPECT_EQ(shortcuts.door_for(endpoint("10.88.0.1:5060")).hops, hops) << "one set, one list";
    for (std::size_t i = 0; i < members.size(); ++i) {
        ASSERT_EQ(hops[i] != nullptr, kRows[i].known) << kRows[i].member;
        if (hops[i] == nullptr) continue;
        const Hop hop = made.network->resolve(endpoint(members[i]).address);
        EXPECT_EQ(hops[i]->interface, hop.interface) << kRows[i].member;
        EXPECT_EQ(hops[i]->neighbour, hop.neighbour) << kRows[i].member;
        EXPECT_EQ(hops[i]->mac, hop.mac) << kRows[i].member;
        EXPECT_EQ(hops[i]->plain_end, hop.plain_end) << kRows[i].member;
    }
}

TEST(shortcuts, no_hops_where_the_call_id_alone_does_not_decide) {
    Made made(two_interfaces(), {{"10.77.0.1:5060"}}, {});  // no members
    const Shortcuts shortcuts(*made.network, *made.dispatch);
    const Door& door = shortcuts.door_for(endpoint("10.77.0.1:5060"));
    EXPECT_EQ(door.listener, 0);
    EXPECT_EQ(door.hops, nullptr);
}

TEST(shortcuts, what_did_not_change_is_shared) {
    const Made made(two_interfaces(), {{"10.77.0.1:5060"}}, {"10.77.0.9:5060", "192.0.2.7:5060"});
    const Shortcuts first(*made.network, *made.dispatch);
    const auto hops = [](const Shortcuts& of) {
        return of.door_for(endpoint("10.77.0.1:5060")).hops;
    };
    EXPECT_EQ(hops(Shortcuts(*made.network, *made.dispatch, &first)), hops(first));
    EXPECT_NE(hops(Shortcuts(*made.network, *made.dispatch)), hops(first));

    Set changed = made.dispatch->sets()[0];
    changed.members[1].endpoint = endpoint("10.77.0.77:5060");
    const auto next = Dispatch::with_changed(*made.dispatch, {changed}, {});
    const Shortcuts second(*made.network, *next, &first);
    EXPECT_NE(hops(second), hops(first));
    EXPECT_EQ(hops(second)[0], hops(first)[0]);
    EXPECT_EQ(hops(second)[1], nullptr);
}

}  // namespace
}  // namespace lb::table
