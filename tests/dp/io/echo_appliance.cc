// The whole data plane with a stand-in for route(), for end-to-end tests of devices and twins: UDP
// to port 7 is echoed by the worker, everything else is the kernel's.
//
//   echo_appliance DEVICE[;DEVICE...] TAP[;TAP...] [EAL arguments]
//
// Runs until SIGTERM or SIGINT, then prints its counters, `name value` a line; exits 1 when they do
// not balance.

#include <csignal>
#include <cstdio>
#include <sstream>

#include "dp/io/data_plane.h"
#include "dp/net/frame.h"

namespace lb::test {
namespace {

using core::Action;

void swap_ends(net::Packet& packet, const net::FrameView& frame) noexcept {
    const std::size_t address = frame.source.address.size();
    std::uint8_t* ip = packet.data + frame.ip_offset;
    std::uint8_t* source = ip + (frame.source.address.is_ipv4() ? 12 : 8);
    std::uint8_t* udp = packet.data + frame.payload_offset - net::kUdpHeader;
    std::swap_ranges(packet.data, packet.data + 6, packet.data + 6);
    std::swap_ranges(source, source + address, source + address);
    std::swap_ranges(udp, udp + 2, udp + 2);
}

core::Verdict echo_or_punt(net::Packet& packet, const table::Tables& tables,
                           core::Scratch& scratch) noexcept {
    net::FrameView& frame = scratch.frame;
    if (net::parse_frame(packet, frame, true) != net::FrameError::kNone) {
        return core::drop(core::DropReason::kBadFrame);
    }
    const auto interface = tables.network->find_interface(packet.device, frame.vlan);
    if (interface == table::kNoInterface) return core::drop(core::DropReason::kForeignVlan);
    if (!frame.is_udp || frame.target.port != 7) {
        return {Action::kPunt, core::DropReason::kInternal, interface};
    }
    swap_ends(packet, frame);  // the checksums stay right: the same words in other places
    return {Action::kReply, core::DropReason::kInternal, interface};
}

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> parts;
    std::istringstream in(text);
    for (std::string part; std::getline(in, part, ';');) parts.push_back(part);
    return parts;
}

io::DataPlaneConfig configure(const std::string& devices, const std::string& taps) {
    io::DataPlaneConfig config;
    config.route = echo_or_punt;
    const std::vector<std::string> names = split(taps);
    for (const std::string& device : split(devices)) {
        io::InterfaceConfig interface;
        interface.name = "port" + std::to_string(config.interfaces.size());
        interface.device = device;
        interface.tap = names.at(config.interfaces.size());
        config.interfaces.push_back(interface);
    }
    return config;
}

core::CounterValues total(const io::DataPlane& plane) {
    core::CounterValues sum;
    for (std::size_t i = 0; i < plane.workers(); ++i) sum.add(plane.counters(i));
    return sum;
}

void print(const core::CounterValues& counts) {
    std::printf("received %lu\nforwarded %lu\nreplied %lu\npunted %lu\nheld %lu\ninjected %lu\n",
                counts.received, counts.forwarded, counts.replied, counts.punted, counts.held,
                counts.injected);
    for (const core::DropReasonInfo& info : core::kDropReasons) {
        const auto n = counts.dropped[static_cast<std::size_t>(info.reason)];
        if (n != 0) std::printf("dropped_%s %lu\n", info.name.data(), n);
    }
    std::printf("turns %lu\nidle_turns %lu\nlongest_turn_ns %lu\n", counts.turns, counts.idle_turns,
                counts.longest_turn_ns);
}

int fail(const Error& error) {
    std::fprintf(stderr, "echo_appliance: %s\n", error.message.c_str());
    return 2;
}

int run(int argc, char** argv) {
    if (argc < 3) return fail({Errc::kInvalid, "usage: DEVICE[;DEVICE...] TAP[;TAP...] [EAL...]"});
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);

    auto eal = io::Eal::create({argv + 3, argv + argc});
    if (!eal) return fail(eal.error());
    auto plane = io::DataPlane::create(*eal, configure(argv[1], argv[2]));
    if (!plane) return fail(plane.error());

    table::NetworkState state;
    state.interfaces = (*plane)->interfaces();
    auto tables = std::make_unique<table::Tables>();
    tables->network = table::Network::build(state);
    const table::Snapshot<table::Tables> snapshot(std::move(tables));
    if (Status started = (*plane)->start(snapshot); !started) return fail(started.error());
    std::printf("ready\n");
    std::fflush(stdout);

    int signal = 0;
    sigwait(&signals, &signal);
    (*plane)->stop();
    const core::CounterValues counts = total(**plane);
    print(counts);
    return counts.balanced() ? 0 : 1;
}

}  // namespace
}  // namespace lb::test

int main(int argc, char** argv) { return lb::test::run(argc, argv); }
