// The TAP twins of two VLANs of one device, without a worker thread: frames punted arrive at the
// kernel without their tag, and what the kernel sends leaves with it. Needs CAP_NET_ADMIN for a
// namespace of its own.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "dp/io/punt.h"
#include "dp/net/frame.h"
#include "tests/dp/io/io_fixture.h"
#include "tests/support/own_netns.h"

namespace lb::test {
namespace {

using core::Action;
using core::DropReason;

core::Verdict punt_all(net::Packet& packet, const table::Tables& tables, core::Scratch&) noexcept {
    const std::uint16_t tag = load_be16(packet.data + 12) == 0x8100
                                  ? static_cast<std::uint16_t>(load_be16(packet.data + 14) & 0xfff)
                                  : net::kNoVlan;
    const auto interface = tables.network->find_interface(packet.device, tag);
    if (interface == table::kNoInterface) return core::drop(DropReason::kForeignVlan);
    return {Action::kPunt, DropReason::kInternal, interface};
}

// A raw socket on a device of the kernel's.
class RawSocket {
public:
    explicit RawSocket(unsigned index) : fd_(::socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL))) {
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(ETH_P_ALL);
        address.sll_ifindex = static_cast<int>(index);
        if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
        const timeval patience{2, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    ~RawSocket() { ::close(fd_); }
    RawSocket(const RawSocket&) = delete;
    RawSocket& operator=(const RawSocket&) = delete;

    void send(const Octets& frame) const {
        if (::send(fd_, frame.data(), frame.size(), 0) < 0) std::abort();
    }
    // The next IPv4 frame to 192.0.2.0/24; the kernel says things of its own on a new device.
    // Empty: none came.
    Octets receive() const {
        for (int i = 0; i < 32; ++i) {
            std::array<std::uint8_t, 4096> room;
            const ssize_t n = ::recv(fd_, room.data(), room.size(), 0);
            if (n < 0) return {};
            const Octets frame(room.begin(), room.begin() + n);
            if (is_ours(frame)) return frame;
        }
        return {};
    }
    static bool is_ours(const Octets& frame) {
        return frame.size() > 34 && load_be16(frame.data() + 12) == 0x0800 && frame[30] == 192;
    }

private:
    int fd_;
};

Octets frame_on(int vlan, std::uint8_t first) {
    FrameSpec spec;
    spec.vlan = vlan;
    return udp_frame(spec, Octets(100, first));
}

class Twins : public ::testing::Test {
protected:
    void SetUp() override {
        if (!enter_own_netns()) GTEST_SKIP() << "needs CAP_NET_ADMIN for a network namespace";
    }
};

TEST_F(Twins, TagsComeOffAndGoOn) {
    eal();
    const TempDir dir;
    ASSERT_TRUE(
        write_pcap(dir.path("in"), {frame_on(100, 'a'), frame_on(-1, 'b'), frame_on(300, 'c')}));
    io::MbufPool frames = io::MbufPool::create("twin_frames", 1023, -1).value();
    io::MbufPool jumbos = io::MbufPool::create_jumbo("twin_jumbos", 7, -1).value();
    io::PortConfig config;
    config.device = "net_pcap77,rx_pcap=" + dir.path("in") + ",tx_pcap=" + dir.path("out");
    std::optional<io::Port> port(io::Port::create(config, frames).value());

    std::vector<table::Interface> interfaces(2);
    interfaces[0].mac = interfaces[1].mac = port->mac();
    interfaces[1].vlan = 100;
    const io::Tap plain = io::Tap::create("iotap0", port->mac(), 1500).value();
    const io::Tap tagged = io::Tap::create("iotap100", port->mac(), 1500).value();
    const RawSocket plain_kernel(plain.kernel_index()), tagged_kernel(tagged.kernel_index());

    const io::Tap* const twins[] = {&plain, &tagged};
    io::Devices devices;
    devices.ports = {&*port};
    for (const io::Tap* twin : twins) devices.twins.push_back(twin);
    devices.frames = &frames;
    devices.jumbos = &jumbos;
    const table::Snapshot<table::Tables> snapshot(make_tables(interfaces));
    auto worker =
        io::Worker::create({0, 1, io::IdleMode::kPoll, punt_all}, devices, snapshot).value();
    tagged_kernel.send(frame_on(-1, 'd'));
    plain_kernel.send(frame_on(-1, 'e'));
    worker->enter();
    for (int i = 0; i < 100; ++i) {
        worker->run_once();
        ::usleep(100);  // longer than the worker leaves its twins alone
    }
    worker->leave();

    EXPECT_EQ(tagged_kernel.receive(), frame_on(-1, 'a'));
    EXPECT_EQ(plain_kernel.receive(), frame_on(-1, 'b'));
    const core::CounterValues counts = worker->counters();
    EXPECT_EQ(counts.punted, 2U);
    EXPECT_EQ(counts.dropped[static_cast<std::size_t>(DropReason::kForeignVlan)], 1U);
    EXPECT_TRUE(counts.balanced());
    EXPECT_GE(counts.injected, 2U);

    worker.reset();
    port.reset();
    const Frames sent = read_pcap(dir.path("out"));
    EXPECT_EQ(std::count(sent.begin(), sent.end(), frame_on(100, 'd')), 1);
    EXPECT_EQ(std::count(sent.begin(), sent.end(), frame_on(-1, 'e')), 1);
}

TEST(PuntBudget, BoundsAFloodAndRefills) {
    io::PuntBudget budget;
    std::uint64_t taken = 0;
    for (int i = 0; i < 100'000; ++i) taken += budget.take(1) ? 1U : 0U;
    EXPECT_LE(taken, io::PuntBudget::kBurstMax + io::PuntBudget::kPerMs);
    EXPECT_GE(taken, io::PuntBudget::kBurstMax);
    for (int i = 0; i < 100'000; ++i) taken += budget.take(11) ? 1U : 0U;
    EXPECT_LE(taken, io::PuntBudget::kBurstMax + 11 * io::PuntBudget::kPerMs);
    EXPECT_TRUE(budget.take(1'000'000));
}

TEST(Tap, RefusesNamesTheKernelCannotHold) {
    EXPECT_FALSE(io::Tap::create("", {}, 1500));
    EXPECT_FALSE(io::Tap::create("sixteen_letters_", {}, 1500));
}

}  // namespace
}  // namespace lb::test
