// Small parts of the daemon: log lines, secret file, sd_notify, the network that configuration
// alone gives.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "cp/log.h"
#include "cp/notify.h"
#include "cp/secret_file.h"
#include "cp/static_network.h"

namespace lb::cp {
namespace {

TEST(Log, LinesAreKeysAndValues) {
    EXPECT_EQ(log_line("daemon.ready", {}), "daemon.ready");
    EXPECT_EQ(log_line("a.b", {{"set", "2"}, {"uri", "sip:10.0.0.7:5060"}}),
              "a.b set=2 uri=sip:10.0.0.7:5060");
    EXPECT_EQ(log_line("a", {{"why", "no route \"x\""}, {"empty", ""}}),
              R"(a why="no route \"x\"" empty="")");
    EXPECT_EQ(log_line("a", {{"uri", "x\ny\x1b[1m"}}), "a uri=x?y?[1m") << "nobody forges a line";
}

class SecretFileTest : public testing::Test {
protected:
    SecretFileTest() {
        std::string name =
            (std::filesystem::temp_directory_path() / "siplane-secret-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
    }
    ~SecretFileTest() override { std::filesystem::remove_all(folder_); }
    std::string path(const char* name) const { return (folder_ / name).string(); }
    void write(const char* name, const std::string& text) const {
        std::ofstream(path(name)) << text;
        ::chmod(path(name).c_str(), 0640);
    }

    std::filesystem::path folder_;
};

bool same(const Secret& a, const Secret& b) {
    return a.cookie.words == b.cookie.words && a.tag.k1 == b.tag.k1;
}

TEST_F(SecretFileTest, IsMadeOnceAndStays) {
    const auto first = load_secret(path("new/folder/secret"));
    ASSERT_TRUE(first) << first.error().message;
    struct stat status {};
    ASSERT_EQ(::stat(path("new/folder/secret").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
    EXPECT_EQ(status.st_size, 2 * static_cast<off_t>(kSecretBytes) + 1);
    const auto again = load_secret(path("new/folder/secret"));
    ASSERT_TRUE(again);
    EXPECT_TRUE(same(*first, *again));
    const auto other = load_secret(path("other"));
    ASSERT_TRUE(other);
    EXPECT_FALSE(same(*first, *other));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_ / "new/folder"), {}), 1)
        << "no temporary file stays";
}

TEST_F(SecretFileTest, AnyLongTextIsOne) {
    write("a", "correct horse battery staple\n");
    write("b", "correct horse battery staple \r\n\n");
    write("c", "correct horse battery stable\n");
    EXPECT_TRUE(same(*load_secret(path("a")), *load_secret(path("b"))));
    EXPECT_FALSE(same(*load_secret(path("a")), *load_secret(path("c"))));
}

TEST_F(SecretFileTest, RefusesWhatIsNoSecret) {
    write("short", "fifteen chars..\n");
    write("open", "correct horse battery staple\n");
    ::chmod(path("open").c_str(), 0644);
    for (const char* name : {"short", "open"}) {
        const auto refused = load_secret(path(name));
        ASSERT_FALSE(refused) << name;
        EXPECT_THAT(refused.error().message, testing::HasSubstr(path(name)));
    }
    EXPECT_FALSE(load_secret("/proc/siplane/secret"));
}

TEST(Notify, SendsToTheSocketNamed) {
    ::unsetenv("NOTIFY_SOCKET");
    EXPECT_FALSE(notify("READY=1"));
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = "siplane-notify-test-" + std::to_string(::getpid());
    std::copy(name.begin(), name.end(), address.sun_path + 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    ::setenv("NOTIFY_SOCKET", ('@' + name).c_str(), 1);
    EXPECT_TRUE(notify("READY=1"));
    EXPECT_TRUE(notify_reloading());
    ::unsetenv("NOTIFY_SOCKET");

    std::array<char, 200> room;
    const auto next = [&] {
        const ssize_t n = ::recv(fd, room.data(), room.size(), MSG_DONTWAIT);
        return std::string(room.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
    };
    EXPECT_EQ(next(), "READY=1");
    EXPECT_THAT(next(), testing::MatchesRegex("RELOADING=1\nMONOTONIC_USEC=[0-9]+"));
    ::close(fd);
}

TEST(StaticNetwork, OnlyPortsWithoutTwin) {
    std::vector<PortConfig> ports(2);
    ports[0].tap = "edge0";
    ports[0].addresses = {*Prefix::parse("10.1.0.1/24")};
    ports[1].addresses = {*Prefix::parse("10.2.0.1/24"), *Prefix::parse("fd02::1/64")};
    ports[1].gateway = {*IpAddress::parse("10.2.0.254"), *IpAddress::parse("fd02::fe")};
    ports[1].neighbors = {{*IpAddress::parse("10.2.0.9"), *MacAddress::parse("02:00:00:00:00:09")}};
    table::NetworkState state;
    state.interfaces.resize(2);
    add_static_network(ports, state);
    EXPECT_TRUE(state.interfaces[0].addresses.empty());
    EXPECT_EQ(state.interfaces[1].addresses, ports[1].addresses);
    ASSERT_EQ(state.neighbours.size(), 1U);

    const auto network = table::Network::build(state);
    const table::Hop near = network->resolve(*IpAddress::parse("10.2.0.9"));
    EXPECT_EQ(near.interface, 1);
    ASSERT_NE(near.mac, nullptr);
    EXPECT_EQ(near.mac->text(), "02:00:00:00:00:09");
    const table::Hop far = network->resolve(*IpAddress::parse("203.0.113.1"));
    EXPECT_EQ(far.neighbour, ports[1].gateway[0]);
    EXPECT_EQ(network->resolve(*IpAddress::parse("2001:db8::1")).neighbour, ports[1].gateway[1]);
}

}  // namespace
}  // namespace lb::cp
