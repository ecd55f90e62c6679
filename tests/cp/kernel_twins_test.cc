#include "cp/kernel_twins.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/own_netns.h"

namespace lb::cp {
namespace {

using test::shell;

// Netlink sockets of this process, in the order of their making.
std::vector<int> netlink_sockets() {
    std::vector<int> found;
    for (int fd = 3; fd < 256; ++fd) {
        int domain = 0;
        socklen_t size = sizeof domain;
        if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_NETLINK) {
            found.push_back(fd);
        }
    }
    return found;
}

class KernelTwinsTest : public testing::Test {
protected:
    void SetUp() override {
        if (!test::enter_own_netns()) GTEST_SKIP() << "needs root for a network namespace";
        ASSERT_TRUE(shell("ip link add ktt0 type veth peer name ktp0 && ip link set ktp0 up"));
        port_.name = "edge";
        port_.tap = "ktt0";
        port_.addresses = {*Prefix::parse("10.77.0.1/24"), *Prefix::parse("fd77::1/64")};
        port_.gateway = {*IpAddress::parse("10.77.0.254"), *IpAddress::parse("fd77::fe")};
        port_.neighbors = {
            {*IpAddress::parse("10.77.0.9"), *MacAddress::parse("02:00:00:00:00:09")}};
        auto made = KernelTwins::create(io_, {port_}, [this] { ++changes_; });
        ASSERT_TRUE(made) << made.error().message;
        twins_ = std::move(*made);
        run();
    }

    // Until nothing has happened for a while, or `done`.
    void run(
        const std::function<bool()>& done = [] { return false; }, int most_ms = 300) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(most_ms);
        while (!done() && std::chrono::steady_clock::now() < end) {
            io_.restart();
            io_.run_for(std::chrono::milliseconds(20));
        }
    }

    // The gateway that leads to `target`; none: no route.
    IpAddress gateway(const char* target) const {
        const auto network = table::Network::build(twins_->state({interface()}));
        return network->resolve(*IpAddress::parse(target)).neighbour;
    }
    bool owns(const char* address) const {
        return table::Network::build(twins_->state({interface()}))
            ->owns(*IpAddress::parse(address));
    }
    void expect_as_configured() const {
        EXPECT_EQ(gateway("192.0.2.1"), port_.gateway[0]);
        EXPECT_EQ(gateway("2001:db8::1"), port_.gateway[1]);
        EXPECT_TRUE(owns("10.77.0.1"));
        EXPECT_TRUE(owns("fd77::1"));
        const auto neighbours = twins_->state({interface()}).neighbours;
        EXPECT_TRUE(std::any_of(neighbours.begin(), neighbours.end(), [](const auto& entry) {
            return entry.address == *IpAddress::parse("10.77.0.9");
        }));
    }
    static table::Interface interface() {
        table::Interface one;
        one.name = "edge";
        return one;
    }

    asio::io_context io_{1};
    PortConfig port_;
    int changes_ = 0;
    std::unique_ptr<KernelTwins> twins_;
};

TEST_F(KernelTwinsTest, GivesATwinWhatItsPortSays) { expect_as_configured(); }

// The kernel flushes routes, IPv6 addresses and neighbours of a device that goes down.
TEST_F(KernelTwinsTest, ATwinThatComesUpAgainGetsItAgain) {
    ASSERT_TRUE(shell("ip link set ktt0 down"));
    run();
    EXPECT_TRUE(gateway("192.0.2.1").is_none());
    EXPECT_FALSE(owns("fd77::1"));
    EXPECT_FALSE(shell("ip -br link show dev ktt0 up | grep -q ktt0")) << "it was set down";
    ASSERT_TRUE(shell("ip link set ktt0 up"));
    run();
    expect_as_configured();
    ASSERT_TRUE(shell("ip link set ktt0 down && ip link set ktt0 up"));  // read together
    run();
    expect_as_configured();
}

// What the kernel does not take when the twin comes up it is given later on.
TEST_F(KernelTwinsTest, IsTriedAgainIfTheKernelRefusesIt) {
    const char* const kDisable = "/proc/sys/net/ipv6/conf/ktt0/disable_ipv6";
    ASSERT_TRUE(shell("ip link set ktt0 down && echo 1 > " + std::string(kDisable) +
                      " && ip link set ktt0 up"));
    run();
    EXPECT_TRUE(owns("10.77.0.1"));
    EXPECT_FALSE(owns("fd77::1"));
    twins_->refresh();
    run();
    EXPECT_FALSE(owns("fd77::1"));
    ASSERT_TRUE(shell("echo 0 > " + std::string(kDisable)));
    run();
    EXPECT_FALSE(owns("fd77::1"));
    twins_->refresh();
    run();
    expect_as_configured();
}

TEST_F(KernelTwinsTest, AlsoWhereTheNotificationsWereLost) {
    int tiny = 2048;
    ASSERT_EQ(::setsockopt(netlink_sockets().at(0), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny), 0);
    ASSERT_TRUE(
        shell("for i in $(seq 1 200); do echo route add 10.200.$i.0/24 via 10.77.0.2; done"
              " | ip -batch - && ip link set ktt0 down && ip link set ktt0 up"));
    run();
    expect_as_configured();
}

// Unless it may have gone down and up: then it lacks more than before.
TEST_F(KernelTwinsTest, LostNotificationsAloneGiveNothingBack) {
    ASSERT_TRUE(shell("ip route del default"));
    run();
    int tiny = 2048;
    ASSERT_EQ(::setsockopt(netlink_sockets().at(0), SOL_SOCKET, SO_RCVBUF, &tiny, sizeof tiny), 0);
    ASSERT_TRUE(
        shell("for i in $(seq 1 200); do echo route add 10.201.$i.0/24 via 10.77.0.2; done"
              " | ip -batch -"));
    run();
    EXPECT_EQ(gateway("10.201.200.1"), *IpAddress::parse("10.77.0.2")) << "all was read again";
    EXPECT_TRUE(gateway("192.0.2.1").is_none());
}

TEST_F(KernelTwinsTest, WhatWasTakenFromATwinThatIsUpStaysAway) {
    ASSERT_TRUE(shell("ip route del default && ip link set ktt0 mtu 1400"));
    run();
    EXPECT_TRUE(gateway("192.0.2.1").is_none());
    EXPECT_EQ(gateway("2001:db8::1"), port_.gateway[1]);
}

TEST_F(KernelTwinsTest, AFailedReadOfEverythingIsRepeated) {
    const std::vector<int> sockets = netlink_sockets();
    ASSERT_EQ(sockets.size(), 2U) << "notifications and requests";
    // The requests' socket becomes one that netlink cannot use, as long as it is this one.
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    ASSERT_GE(::dup2(null, sockets[1]), 0);
    ::close(null);
    changes_ = 0;
    // A route that is appended asks for a read of everything.
    ASSERT_TRUE(
        shell("ip route add 10.1.0.0/16 via 10.77.0.3 && "
              "ip route append 10.1.0.0/16 via 10.77.0.2 && "
              "ip route del 10.1.0.0/16 via 10.77.0.3"));
    run();
    EXPECT_EQ(changes_, 0) << "the read failed";
    run([this] { return changes_ != 0; }, 3000);
    EXPECT_EQ(changes_, 1);
    EXPECT_EQ(gateway("10.1.0.1"), *IpAddress::parse("10.77.0.2"));
    ASSERT_TRUE(shell("ip route del 10.1.0.0/16"));
    run();
    EXPECT_EQ(gateway("10.1.0.1"), port_.gateway[0]) << "notifications are heard again";
}

}  // namespace
}  // namespace lb::cp
