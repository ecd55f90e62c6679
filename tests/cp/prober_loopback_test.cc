// The prober on real sockets and the real clock: when packets leave, and that replies are matched,
// by time stamps taken at the receiving socket.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstring>
#include <functional>
#include <set>

#include "cp/prober.h"
#include "tests/probe/fake_network.h"

namespace lb::cp {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// A UDP socket on 127.0.0.1 and a port of the kernel's choice; read without waiting.
class Socket {
public:
    Socket() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(address);
        EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
        local_ = from(address);
    }
    ~Socket() { ::close(fd_); }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    const Endpoint& local() const { return local_; }

    bool send(const Endpoint& to, std::string_view payload) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(to.port);
        std::memcpy(&address.sin_addr, to.address.data(), 4);
        return ::sendto(fd_, payload.data(), payload.size(), 0,
                        reinterpret_cast<sockaddr*>(&address),
                        sizeof(address)) == static_cast<ssize_t>(payload.size());
    }

    bool receive(Endpoint& source, std::string& payload) {
        char bytes[4096];
        sockaddr_in address{};
        socklen_t size = sizeof(address);
        const ssize_t got =
            ::recvfrom(fd_, bytes, sizeof(bytes), 0, reinterpret_cast<sockaddr*>(&address), &size);
        if (got < 0) return false;
        source = from(address);
        payload.assign(bytes, static_cast<std::size_t>(got));
        return true;
    }

private:
    static Endpoint from(const sockaddr_in& address) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&address.sin_addr);
        return {IpAddress::from_ipv4(bytes), ntohs(address.sin_port)};
    }
    int fd_;
    Endpoint local_;
};

TEST(ProberLoopback, SendsWhenItShouldAndTakesAnswers) {
    asio::io_context io;
    Socket ours, silent, alive;
    DispatcherOptions model;
    model.probing_mode = 1;
    Dispatcher dispatcher(model);
    std::vector<DestinationRow> rows(2);
    rows[0].destination = "sip:" + silent.local().text();
    rows[1].destination = "sip:" + alive.local().text();
    for (DestinationRow& row : rows) row.setid = 1;
    ASSERT_TRUE(dispatcher.load(
        rows,
        [](const DestinationUri& uri) -> Result<std::vector<Endpoint>> {
            return std::vector{Endpoint{uri.literal.value(), uri.port}};
        },
        true));

    ProberOptions options;
    options.scheduler.interval = 9 * probe::kSecond;
    options.scheduler.mode = probe::Mode::kAll;
    options.scheduler.timers.timeout = 8 * probe::kSecond;
    options.route.listeners = {{ours.local(), ""}};
    Prober prober(io, dispatcher, options, Secret::derive(as_bytes("loopback")),
                  [&](const Endpoint&, const Endpoint& remote, std::string_view payload) {
                      return ours.send(remote, payload);
                  });

    std::vector<double> seconds;  // at which the silent one got something
    std::set<std::string> messages;
    const Clock::time_point begin = Clock::now();
    asio::steady_timer look(io);
    std::function<void()> poll = [&] {
        Endpoint source;
        std::string payload;
        while (silent.receive(source, payload)) {
            seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
            messages.insert(payload);
        }
        while (alive.receive(source, payload)) {
            EXPECT_EQ(source, ours.local());
            alive.send(source, test::reply_to(payload, "200 OK"));
        }
        while (ours.receive(source, payload)) EXPECT_TRUE(prober.on_datagram(source, payload));
        look.expires_after(milliseconds(2));
        look.async_wait([&](std::error_code error) {
            if (!error) poll();
        });
    };
    prober.start();
    poll();
    io.run_for(milliseconds(18'300));

    constexpr double kExpected[] = {9, 9.5, 10.5, 12.5, 16.5, 18};
    ASSERT_EQ(seconds.size(), std::size(kExpected));
    for (std::size_t packet = 0; packet < seconds.size(); ++packet) {
        EXPECT_NEAR(seconds[packet], kExpected[packet], 0.1) << "packet " << packet;
    }
    EXPECT_EQ(messages.size(), 2U) << "five copies of one ping, and the next";
    EXPECT_EQ(state_letters(dispatcher.sets()[0].members[0].flags, false), "AP");
    EXPECT_EQ(state_letters(dispatcher.sets()[0].members[1].flags, false), "IP") << "at 17 s";
    EXPECT_EQ(prober.stats().accepted, 2U);
    EXPECT_EQ(prober.stats().timed_out, 1U);
}

}  // namespace
}  // namespace lb::cp
