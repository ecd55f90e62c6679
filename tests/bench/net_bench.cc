// Cost of what dp/net and dp/table do to each frame. Inputs: a 700-byte datagram in an IPv4 frame;
// a route table of 1000 prefixes with 1000 neighbours; a 3 KB datagram in three fragments.

#include <benchmark/benchmark.h>

#include <random>

#include "dp/net/checksum.h"
#include "dp/net/fragment.h"
#include "dp/net/frame.h"
#include "dp/net/reassembly.h"
#include "dp/table/network.h"
#include "tests/support/frames.h"

namespace lb {
namespace {

using test::Octets;

void sum(benchmark::State& state) {
    std::mt19937 random(1);
    const Octets octets = test::random_octets(random, static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) benchmark::DoNotOptimize(net::sum_of(octets));
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(sum)->Arg(20)->Arg(100)->Arg(700)->Arg(1500)->Arg(9000);

void sum_by_words(benchmark::State& state) {  // the slow twin, for comparison
    std::mt19937 random(1);
    const Octets octets = test::random_octets(random, static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) benchmark::DoNotOptimize(test::slow_sum(octets));
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(sum_by_words)->Arg(700);

void parse(benchmark::State& state) {
    Octets octets = test::udp_frame({}, Octets(700, 'x'));
    net::Packet packet = test::packet_of(octets);
    if (state.range(0) == 0) packet.udp_checksum = net::Checksum::kGood;
    net::FrameView frame;
    for (auto _ : state) benchmark::DoNotOptimize(net::parse_frame(packet, frame, true));
}
BENCHMARK(parse)->ArgName("verify")->Arg(0)->Arg(1);

void write_headers(benchmark::State& state) {
    net::UdpHeaders headers;
    headers.source = {*IpAddress::parse("192.0.2.1"), 5060};
    headers.target = {*IpAddress::parse("192.0.2.2"), 5060};
    Octets room(net::kHeadersMax + 700, 'x');
    const auto mode =
        state.range(0) == 0 ? net::ChecksumMode::kOffload : net::ChecksumMode::kSoftware;
    for (auto _ : state) {
        benchmark::DoNotOptimize(
            net::write_udp_headers(headers, room.data() + net::kHeadersMax, 700, mode));
    }
}
BENCHMARK(write_headers)->ArgName("software")->Arg(0)->Arg(1);

table::NetworkState thousand_routes(std::mt19937& random, bool ipv6) {
    table::NetworkState state;
    state.interfaces.push_back({"edge", 0, net::kNoVlan, {}, 1500, {*Prefix::parse("10.0.0.1/8")}});
    for (unsigned i = 0; i < 1000; ++i) {
        const Octets bytes = test::random_octets(random, 16);
        const IpAddress address =
            ipv6 ? IpAddress::from_ipv6(bytes.data()) : IpAddress::from_ipv4(bytes.data());
        const auto length = static_cast<std::uint8_t>((ipv6 ? 32 : 8) + random() % 17);
        state.routes.push_back({Prefix{address, length}.network(), 0, {}, 0});
        state.neighbours.push_back({0, address, {{2, 0, 0, 0, 0, 1}}});
    }
    return state;
}

void resolve(benchmark::State& state) {
    std::mt19937 random(2);
    const table::NetworkState tables = thousand_routes(random, state.range(0) == 6);
    const auto network = table::Network::build(tables);
    std::size_t i = 0, known = 0;
    for (auto _ : state) {
        known += network->resolve(tables.neighbours[i++ % 1000].address).mac != nullptr;
    }
    if (known != i) state.SkipWithError("a neighbour was not found");
    state.counters["table_bytes"] = static_cast<double>(network->memory_bytes());
}
BENCHMARK(resolve)->ArgName("ip")->Arg(4)->Arg(6);

void build_network(benchmark::State& state) {
    std::mt19937 random(2);
    const table::NetworkState tables = thousand_routes(random, state.range(0) == 6);
    for (auto _ : state) benchmark::DoNotOptimize(table::Network::build(tables));
}
BENCHMARK(build_network)->ArgName("ip")->Arg(4)->Arg(6);

void reassemble_three(benchmark::State& state) {
    const Octets whole = test::udp_frame({}, Octets(3000, 'x'));
    const net::FragmentPlan plan = net::plan_fragments(whole, 1500);
    std::vector<Octets> frames;
    for (std::uint32_t i = 0; i < plan.count; ++i) {
        frames.emplace_back(1514);
        frames.back().resize(net::write_fragment(whole, plan, i, 7, frames.back()));
    }
    net::Reassembler reassembler({1, 2});
    Octets room(4096);
    for (auto _ : state) {
        for (Octets& octets : frames) {
            const net::Packet packet = test::packet_of(octets);
            net::FrameView frame;
            net::parse_frame(packet, frame, true);
            reassembler.add(packet, frame, 0);
        }
        net::Packet out = test::packet_of(room.data(), 0);
        out.tailroom = static_cast<std::uint32_t>(room.size());
        if (!reassembler.take(out)) state.SkipWithError("not complete");
    }
    state.SetItemsProcessed(state.iterations() * plan.count);
}
BENCHMARK(reassemble_three);

// Every fragment is of another datagram and another source: each evicts one.
void reassembly_flood(benchmark::State& state) {
    net::Reassembler reassembler({1, 2});
    Octets octets = test::ip_frame({}, Octets(8, 'x'), 8, true);
    const net::Packet packet = test::packet_of(octets);
    net::FrameView frame;
    net::parse_frame(packet, frame, true);
    std::uint32_t source = 0;
    for (auto _ : state) {
        std::uint8_t bytes[4];
        store_be32(bytes, ++source * 2654435761U);
        frame.source.address = IpAddress::from_ipv4(bytes);
        benchmark::DoNotOptimize(reassembler.add(packet, frame, 0));
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(reassembly_flood);

}  // namespace
}  // namespace lb
