#include "dp/table/network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "dp/table/hash_index.h"
#include "tests/support/slow_network.h"

namespace lb::table {
namespace {

IpAddress at(const char* text) { return *IpAddress::parse(text); }
Prefix net(const char* text) { return *Prefix::parse(text); }
MacAddress mac(unsigned n) {
    return {{2, 0, 0, 0, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)}};
}

NetworkState two_ports() {
    NetworkState state;
    state.interfaces = {
        {"edge", 0, net::kNoVlan, mac(1), 1500, {net("10.77.0.1/24"), net("fd77::1/64")}},
        {"core", 0, 100, mac(1), 9000, {net("10.88.0.1/16"), net("10.99.0.1/32")}},
        {"mgmt", 3, net::kNoVlan, mac(3), 1500, {}},
    };
    state.routes = {
        {net("0.0.0.0/0"), 0, at("10.77.0.254"), 100},
        {net("192.0.2.0/24"), 1, at("10.88.0.9"), 0},
        {net("192.0.2.128/25"), 0, at("10.77.0.253"), 0},
        {net("192.0.2.129/32"), 1, at("10.88.0.9"), 0},
        {net("198.51.100.0/24"), 1, at("10.88.0.9"), 20},
        {net("198.51.100.0/24"), 0, at("10.77.0.253"), 10},
        {net("2001:db8::/32"), 0, at("fd77::fe"), 0},
        {net("2001:db8:0:5::/64"), 2, IpAddress(), 0},
        {net("10.1.0.0/16"), 99, IpAddress(), 0},
        {net("10.2.0.0/16"), 0, at("fd77::fe"), 0},
        {net("203.0.113.0/24"), kNoInterface, IpAddress(), 0},
        {net("203.0.113.64/26"), 1, at("10.88.0.9"), 0},
        {net("203.0.113.128/25"), 0, at("10.77.0.253"), 8},
        {net("203.0.113.128/25"), kNoInterface, IpAddress(), 7},
        {net("10.77.0.12/32"), kNoInterface, IpAddress(), 0},
        {net("2001:db8:0:6::/64"), kNoInterface, IpAddress(), 0},
        {{at("10.3.0.1"), 33}, 1, at("10.88.0.9"), 0},
        {{at("2001:db8::3"), 129}, 2, IpAddress(), 0},
    };
    state.neighbours = {
        {0, at("10.77.0.254"), mac(254)}, {0, at("10.77.0.9"), mac(9)},
        {1, at("10.88.0.9"), mac(89)},    {0, at("fd77::fe"), mac(0xfe)},
        {1, at("10.77.0.10"), mac(10)},   {0, at("10.77.0.11"), MacAddress()},
        {7, at("10.77.0.12"), mac(12)},   {0, at("10.77.0.9"), mac(999)},
        {0, at("10.77.0.12"), mac(12)},
    };
    return state;
}

struct Row {
    const char* target;
    InterfaceIndex interface;
    const char* neighbour;  // null: none
    unsigned mac;           // 0: not known
};

constexpr Row kRows[] = {
    {"10.77.0.9", 0, "10.77.0.9", 9},
    {"10.77.0.10", 0, "10.77.0.10", 0},  // known on another interface only
    {"10.77.0.11", 0, "10.77.0.11", 0},  // a neighbour without MAC
    {"10.88.0.9", 1, "10.88.0.9", 89},
    {"8.8.8.8", 0, "10.77.0.254", 254},
    {"192.0.2.1", 1, "10.88.0.9", 89},
    {"192.0.2.128", 0, "10.77.0.253", 0},
    {"192.0.2.129", 1, "10.88.0.9", 89},
    {"192.0.2.130", 0, "10.77.0.253", 0},
    {"198.51.100.7", 0, "10.77.0.253", 0},  // the lower metric
    {"10.1.0.1", 0, "10.77.0.254", 254},    // its route names no interface of ours
    {"10.2.0.1", 0, "10.77.0.254", 254},    // its gateway is of the other family
    {"10.3.0.1", 0, "10.77.0.254", 254},    // no prefix of IPv4 is that long
    {"2001:db8::3", 0, "fd77::fe", 0xfe},
    {"2001:db8::1", 0, "fd77::fe", 0xfe},
    {"2001:db8:0:5::1", 2, "2001:db8:0:5::1", 0},
    {"203.0.113.7", kNoInterface, nullptr, 0},    // its route leads nowhere: not the default one
    {"203.0.113.65", 1, "10.88.0.9", 89},         // but this longer one does
    {"203.0.113.129", kNoInterface, nullptr, 0},  // the lower metric
    {"10.77.0.12", kNoInterface, nullptr, 0},     // though it is a neighbour of known MAC
    {"2001:db8:0:6::1", kNoInterface, nullptr, 0},
    {"fd77::77", 0, "fd77::77", 0},
    {"fd78::1", kNoInterface, nullptr, 0},
};

TEST(Network, ResolvesByLongestPrefixThenNeighbour) {
    const auto network = Network::build(two_ports());
    for (const Row& row : kRows) {
        const Hop hop = network->resolve(at(row.target));
        EXPECT_EQ(hop.interface, row.interface) << row.target;
        EXPECT_EQ(hop.neighbour, row.neighbour ? at(row.neighbour) : IpAddress()) << row.target;
        ASSERT_EQ(hop.mac != nullptr, row.mac != 0) << row.target;
        if (hop.mac != nullptr) {
            EXPECT_EQ(*hop.mac, mac(row.mac)) << row.target;
        }
    }
    EXPECT_EQ(network->resolve(IpAddress()).interface, kNoInterface);
}

// As the kernel does, which otherwise would send its probes elsewhere than we the calls.
TEST(Network, OfEqualRoutesTheFirstOneLeads) {
    NetworkState state = two_ports();
    for (const char* gateway : {"10.77.0.201", "10.77.0.202"})
        state.routes.push_back({*Prefix::parse("198.51.100.0/24"), 0, at(gateway), 7});
    EXPECT_EQ(Network::build(state)->resolve(at("198.51.100.1")).neighbour, at("10.77.0.201"));
}

TEST(Network, KnowsItsAddressesAndInterfaces) {
    const auto network = Network::build(two_ports());
    for (const char* ours : {"10.77.0.1", "fd77::1", "10.88.0.1", "10.99.0.1"}) {
        EXPECT_TRUE(network->owns(at(ours))) << ours;
    }
    for (const char* other : {"10.77.0.2", "10.77.0.0", "fd77::", "0.0.0.0", "::"}) {
        EXPECT_FALSE(network->owns(at(other))) << other;
    }
    EXPECT_FALSE(network->owns(IpAddress()));
    EXPECT_EQ(network->find_interface(0, net::kNoVlan), 0);
    EXPECT_EQ(network->find_interface(0, 100), 1);
    EXPECT_EQ(network->find_interface(3, net::kNoVlan), 2);
    EXPECT_EQ(network->find_interface(0, 101), kNoInterface);
    EXPECT_EQ(network->find_interface(1, net::kNoVlan), kNoInterface);
    EXPECT_EQ(network->find_port(0, 100).mac, network->interface(1).mac);
    EXPECT_EQ(network->find_port(3, net::kNoVlan).mac, network->interface(2).mac);
    EXPECT_EQ(network->interface(1).name, "core");
    EXPECT_EQ(network->interfaces().size(), 3U);
    EXPECT_GT(network->memory_bytes(), sizeof(Network));
}

TEST(Network, AnEmptyOneHasNoAnswers) {
    const auto network = Network::build({});
    EXPECT_EQ(network->resolve(at("10.0.0.1")).interface, kNoInterface);
    EXPECT_EQ(network->find_interface(0, net::kNoVlan), kNoInterface);
    EXPECT_FALSE(network->owns(at("10.0.0.1")));
}

IpAddress random_address(std::mt19937& random, bool ipv4) {
    std::uint8_t bytes[16];
    for (std::uint8_t& byte : bytes)
        byte = static_cast<std::uint8_t>(random() % 4);  // close together
    return ipv4 ? IpAddress::from_ipv4(bytes) : IpAddress::from_ipv6(bytes);
}

NetworkState random_state(std::mt19937& random, std::size_t routes) {
    NetworkState state;
    for (std::uint16_t i = 0; i < 3; ++i) {
        state.interfaces.push_back({"p", i, net::kNoVlan, mac(i), 1500, {}});
        const IpAddress own = random_address(random, i % 2 == 0);
        state.interfaces.back().addresses.push_back(
            {own, static_cast<std::uint8_t>(random() % (own.bits() + 1))});
    }
    for (std::size_t i = 0; i < routes; ++i) {
        const bool ipv4 = random() % 2 == 0;
        Prefix prefix{random_address(random, ipv4), 0};
        prefix.length = static_cast<std::uint8_t>(random() % (prefix.address.bits() + 1));
        const IpAddress gateway = random() % 2 == 0 ? IpAddress() : random_address(random, ipv4);
        // distinct metrics, so that the best of equal prefixes is one; one in eight leads nowhere
        const auto interface =
            random() % 8 == 0 ? kNoInterface : static_cast<InterfaceIndex>(random() % 3);
        state.routes.push_back({prefix, interface, gateway, static_cast<std::uint32_t>(i)});
        state.neighbours.push_back({static_cast<InterfaceIndex>(random() % 3),
                                    random_address(random, ipv4),
                                    mac(static_cast<unsigned>(random() % 60000 + 1))});
    }
    return state;
}

// As many as fill the table of IPv4 addresses several times over, and those that mean something
// in it; against a plain set.
TEST(Network, OwnsWhatItsInterfacesHaveAndNothingElse) {
    std::mt19937 random(7);
    for (const std::size_t count : {0U, 1U, 3U, 20U, 300U}) {
        NetworkState state;
        state.interfaces.resize(1);
        std::set<IpAddress> ours;
        const auto any = [&] {
            // Neighbours in small ranges, so that most are asked for again.
            std::array<std::uint8_t, 16> bytes{10, 0, static_cast<std::uint8_t>(random() % 4),
                                               static_cast<std::uint8_t>(random())};
            return random() % 4 == 0 ? IpAddress::from_ipv6(bytes.data())
                                     : IpAddress::from_ipv4(bytes.data());
        };
        for (std::size_t i = 0; i < count; ++i) ours.insert(any());
        std::vector<IpAddress> asked{IpAddress(), at("0.0.0.0"), at("255.255.255.255"), at("::")};
        if (count == 300) ours.insert(asked.begin() + 1, asked.end());
        for (const IpAddress& address : ours) state.interfaces[0].addresses.push_back({address, 8});
        const auto network = Network::build(std::move(state));
        for (int i = 0; i < 3000; ++i) asked.push_back(any());
        for (const IpAddress& address : asked)
            EXPECT_EQ(network->owns(address), ours.contains(address)) << address.text();
    }
}

// What of a hop to the target is prepared for plain frames.
void expect_prepared(const Network& network, const Hop& hop, const IpAddress& target) {
    if (hop.interface == kNoInterface) return;
    const Interface& out = network.interface(hop.interface);
    const bool plain = hop.mac != nullptr && hop.neighbour.is_ipv4() && out.vlan == net::kNoVlan;
    const std::size_t fits = out.mtu - 40 - 8;
    const std::size_t most = hop.neighbour == target ? fits : std::min<std::size_t>(fits, 1252);
    ASSERT_EQ(hop.plain_end, plain ? most + 1 : 0);
    if (!plain) return;
    std::array<std::uint8_t, 16 + 4> written{};
    hop.ethernet.write_in_front_of(written.data() + 16);
    std::array<std::uint8_t, 16 + 4> expected{};
    std::ranges::copy(hop.mac->bytes, expected.begin() + 2);
    std::ranges::copy(out.mac.bytes, expected.begin() + 8);
    expected[14] = 8;
    ASSERT_EQ(written, expected);
}

// A link that takes nothing has no plain frames.
TEST(Network, PreparesNothingForATinyMtu) {
    for (const int mtu : {0, 47, 48, 49}) {
        NetworkState state = two_ports();
        state.interfaces[0].mtu = static_cast<std::uint16_t>(mtu);
        EXPECT_EQ(Network::build(state)->resolve(at("10.77.0.9")).plain_end,
                  mtu < 48 ? 0 : mtu - 47);
    }
}

TEST(Network, ResolvesLikeItsSlowTwinOnRandomTables) {
    std::mt19937 random(11);
    std::size_t neighbours = 0;
    for (int round = 0; round < 60; ++round) {
        const NetworkState state = random_state(random, random() % 60);
        const auto network = Network::build(state);
        for (int i = 0; i < 400; ++i) {
            const IpAddress target = random_address(random, i % 2 == 0);
            const Hop hop = network->resolve(target);
            const Hop slow = test::slow_resolve(state, target);
            ASSERT_EQ(hop.interface, slow.interface) << target.text();
            ASSERT_EQ(hop.neighbour, slow.neighbour) << target.text();
            ASSERT_EQ(hop.mac == nullptr, slow.mac == nullptr) << target.text();
            if (hop.mac != nullptr) {
                ASSERT_EQ(*hop.mac, *slow.mac) << target.text();
            }
            expect_prepared(*network, hop, target);
            const Hop* const neighbour = network->find_neighbour(target);
            if (neighbour == nullptr) continue;
            ++neighbours;
            ASSERT_EQ(neighbour->interface, slow.interface) << target.text();
            ASSERT_EQ(neighbour->neighbour, target);
            ASSERT_EQ(*neighbour->mac, *slow.mac) << target.text();
            ASSERT_FALSE(network->owns(target)) << target.text();
            ASSERT_TRUE(is_plain_host(target)) << target.text();
        }
    }
    EXPECT_GT(neighbours, 50U);
}

TEST(Network, KnowsItsAddressesAndInterfacesLikeALinearSearch) {
    std::mt19937 random(12);
    for (int round = 0; round < 40; ++round) {
        NetworkState state;
        for (std::size_t i = random() % 12; i != 0;
             --i) {  // some have the device and tag of others
            const auto device = static_cast<std::uint16_t>(random() % 4);
            const auto vlan =
                random() % 2 == 0 ? net::kNoVlan : static_cast<std::uint16_t>(random() % 4);
            state.interfaces.push_back({"p", device, vlan, mac(1), 1500, {}});
            for (std::size_t n = random() % 3; n != 0; --n) {
                state.interfaces.back().addresses.push_back(
                    {random_address(random, random() % 2 == 0), 0});
            }
        }
        const auto network = Network::build(state);
        for (std::uint16_t device = 0; device < 6; ++device) {
            for (const std::uint16_t vlan :
                 std::array<std::uint16_t, 6>{0, 1, 2, 3, 4, net::kNoVlan}) {
                const auto found =
                    std::ranges::find_if(state.interfaces, [&](const Interface& entry) {
                        return entry.device == device && entry.vlan == vlan;
                    });
                const bool none = found == state.interfaces.end();
                EXPECT_EQ(network->find_interface(device, vlan),
                          none ? kNoInterface : found - state.interfaces.begin());
            }
        }
        for (int i = 0; i < 200; ++i) {
            const IpAddress address = random_address(random, random() % 2 == 0);
            const bool ours = std::ranges::any_of(state.interfaces, [&](const Interface& entry) {
                return std::ranges::any_of(entry.addresses, [&](const Prefix& prefix) {
                    return prefix.address == address;
                });
            });
            EXPECT_EQ(network->owns(address), ours) << address.text();
        }
    }
}

TEST(HashIndex, FindsEveryKeyAndNoOther) {
    std::mt19937_64 random(12);
    std::vector<std::uint64_t> keys(5000);
    for (std::uint64_t& key : keys) key = random();
    for (std::size_t i = 0; i < 64; ++i) keys[i] = keys[0];  // full collisions stay correct
    const HashIndex index(keys);
    for (std::uint32_t i = 0; i < keys.size(); ++i) {
        EXPECT_EQ(index.find(keys[i], [&](std::uint32_t at) { return at == i; }), i);
    }
    EXPECT_EQ(index.find(keys[0], [](std::uint32_t) { return false; }), HashIndex::kNone);
    EXPECT_EQ(HashIndex().find(1, [](std::uint32_t) { return true; }), HashIndex::kNone);
}

}  // namespace
}  // namespace lb::table
