// ICMP errors on the sockets of the slow path: heard when asked for, and no send fails for them.

#include "cp/service_sockets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <asio/ip/udp.hpp>
#include <chrono>
#include <string>
#include <vector>

namespace lb::cp {
namespace {

using asio::ip::udp;

class ServiceSocketsTest : public testing::TestWithParam<const char*> {
protected:
    // A port nobody listens at: the kernel gave it away a moment ago, and it is free again.
    Endpoint free_endpoint() {
        udp::socket socket(io_, udp::endpoint(asio::ip::make_address(GetParam()), 0));
        return {*IpAddress::parse(GetParam()), socket.local_endpoint().port()};
    }
    bool send(const Endpoint& target, const std::string& text) {
        return sockets_.send({ours_, target, 0, 0, as_bytes(text)});
    }
    void hear() {
        sockets_.on_unreachable(
            [this](ConstBytes quoted) { quoted_.emplace_back(as_text(quoted)); });
    }
    void run(int milliseconds) {
        io_.restart();
        io_.run_for(std::chrono::milliseconds(milliseconds));
    }

    asio::io_context io_;
    ServiceSockets sockets_{io_};
    Endpoint ours_ = free_endpoint(), nobody_ = free_endpoint();
    std::vector<std::string> quoted_;
};

TEST_P(ServiceSocketsTest, AnErrorQuotesWhatDidNotArrive) {
    ASSERT_TRUE(sockets_.listen({ours_}));
    hear();
    EXPECT_TRUE(send(nobody_, "first"));
    EXPECT_TRUE(send(nobody_, "second"));
    run(50);
    EXPECT_THAT(quoted_, testing::ElementsAre("first", "second"));
}

TEST_P(ServiceSocketsTest, ASocketOpenedLaterHearsToo) {
    hear();
    ASSERT_TRUE(sockets_.listen({ours_}));
    EXPECT_TRUE(send(nobody_, "x"));
    run(50);
    EXPECT_THAT(quoted_, testing::ElementsAre("x"));
}

TEST_P(ServiceSocketsTest, NothingIsHeardUnlessAskedFor) {
    ASSERT_TRUE(sockets_.listen({ours_}));
    EXPECT_TRUE(send(nobody_, "before"));
    run(20);
    hear();
    EXPECT_TRUE(send(nobody_, "asked"));
    run(50);
    sockets_.on_unreachable(nullptr);
    EXPECT_TRUE(send(nobody_, "after"));
    run(20);
    EXPECT_THAT(quoted_, testing::ElementsAre("asked"));
}

TEST_P(ServiceSocketsTest, ErrorsOfOneCostNobodyElseADatagram) {
    ASSERT_TRUE(sockets_.listen({ours_}));
    hear();
    udp::socket peer(io_, udp::endpoint(asio::ip::make_address(GetParam()), 0));
    const Endpoint alive{*IpAddress::parse(GetParam()), peer.local_endpoint().port()};
    for (int n = 0; n < 100; ++n) {
        EXPECT_TRUE(send(nobody_, "lost"));
        EXPECT_TRUE(send(alive, std::to_string(n)));
    }
    for (int n = 0; n < 100; ++n) {
        std::string text(16, '\0');
        ASSERT_TRUE(peer.available() > 0) << n;
        text.resize(peer.receive(asio::buffer(text)));
        EXPECT_EQ(text, std::to_string(n));
    }
    run(50);
    EXPECT_EQ(quoted_.size(), 100U);
}

TEST_P(ServiceSocketsTest, ErrorsDoNotKeepDatagramsBack) {
    ASSERT_TRUE(sockets_.listen({ours_}));
    hear();
    std::vector<std::string> received;
    sockets_.on_datagram(
        [&](const ServiceDatagram& datagram) { received.emplace_back(as_text(datagram.payload)); });
    udp::socket peer(io_, udp::endpoint(asio::ip::make_address(GetParam()), 0));
    const udp::endpoint to(asio::ip::make_address(GetParam()), ours_.port);
    for (int n = 0; n < 5; ++n) {
        EXPECT_TRUE(send(nobody_, "lost"));
        peer.send_to(asio::buffer(std::to_string(n)), to);
        run(10);
    }
    EXPECT_THAT(received, testing::ElementsAre("0", "1", "2", "3", "4"));
    EXPECT_EQ(quoted_.size(), 5U);
}

INSTANTIATE_TEST_SUITE_P(BothFamilies, ServiceSocketsTest, testing::Values("127.0.0.1", "::1"));

}  // namespace
}  // namespace lb::cp
