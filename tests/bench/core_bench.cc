// Nanoseconds for what dp/core and dp/table do to a message, each with its input named: Kamailio's
// hash, the choice of a destination by algorithm and size of the set, route() as a whole by
// workload. What route() consists of, step by step: relay_bench stages.

#include <benchmark/benchmark.h>

#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "dp/core/choose.h"
#include "dp/core/route.h"
#include "dp/sip/branch.h"
#include "dp/sip/parser.h"
#include "dp/table/hash.h"
#include "tests/bench/relay/bench_appliance.h"
#include "tests/bench/relay/workload.h"

namespace lb::bench {
namespace {

constexpr std::size_t kMessages = 512;
constexpr std::size_t kFrameOffset = 42;  // of the payload: Ethernet, IPv4, UDP

void BM_DispatcherHash(benchmark::State& state) {
    const std::string text(static_cast<std::size_t>(state.range(0)), 'x');
    for (auto _ : state) benchmark::DoNotOptimize(table::dispatcher_hash(text));
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_DispatcherHash)->Arg(16)->Arg(36)->Arg(46)->Arg(64)->Arg(128);

std::vector<std::string> addresses(std::int64_t count) {
    std::vector<std::string> out;
    for (std::int64_t i = 0; i < count; ++i) {
        out.push_back("10." + std::to_string(80 + i / 62500) + "." + std::to_string(i / 250 % 250) +
                      "." + std::to_string(1 + i % 250) + ":5060");
    }
    return out;
}

// Parsed INVITEs with their transaction numbers.
struct Asked {
    std::vector<test::Octets> frames = make_workload("invite700", kMessages, 1, "");
    std::vector<sip::Message> messages{kMessages};
    std::vector<std::uint64_t> transactions;

    Asked() {
        for (std::size_t i = 0; i < kMessages; ++i) {
            sip::parse(test::text_of(frames[i]).substr(kFrameOffset), messages[i]);
            sip::Message& message = messages[i];
            sip::parse_from_to(message.from.value, message.from_addr);
            sip::parse_from_to(message.to.value, message.to_addr);
            transactions.push_back(sip::transaction_number(bench_secret(), message));
        }
    }
};

// Algorithm, members. A new transaction each time: with memory, its cost is in.
void BM_Choose(benchmark::State& state) {
    const auto algorithm = static_cast<table::Algorithm>(state.range(0));
    test::Appliance appliance;
    appliance.listen("10.77.0.1:5060", 0);
    appliance.add_set(1, addresses(state.range(1)));
    for (table::Member& member : appliance.dispatch.sets[0].members) member.weight = 10;
    appliance.dispatch.services[0].set = 1;
    appliance.dispatch.services[0].algorithm = algorithm;
    appliance.build();
    const table::Dispatch& dispatch = *appliance.tables.dispatch;
    const table::Set& set = *dispatch.find_set(1);
    const Asked asked;
    const Endpoint source = *Endpoint::parse("198.18.0.1:5060");
    std::uint64_t n = 0, chosen = 0;
    for (auto _ : state) {
        const std::size_t i = n % kMessages;
        const core::Question question{asked.messages[i], source, asked.transactions[i] + n,
                                      dispatch,          set,    algorithm};
        chosen += static_cast<bool>(core::choose(question, appliance.scratch->state));
        ++n;
    }
    if (chosen != n) state.SkipWithError("a message without destination");
    state.SetLabel(std::string(table::algorithm_name(algorithm)));
}
BENCHMARK(BM_Choose)
    ->ArgNames({"algorithm", "members"})
    ->ArgsProduct({{0, 1, 3, 4, 6, 8, 9, 100}, {16, 100'000}})
    ->Args({101, 16});

void BM_Route(benchmark::State& state) {
    const std::string name = workload_names()[static_cast<std::size_t>(state.range(0))];
    const auto frames = make_workload(name, kMessages, 1, "");
    if (frames.empty()) return state.SkipWithError("no frames");
    const auto appliance = make_bench_appliance();
    alignas(64) std::array<std::uint8_t, 8192> buffer{};
    std::size_t n = 0;
    for (auto _ : state) {
        const test::Octets& frame = frames[n++ % frames.size()];
        std::memcpy(buffer.data() + kHeadroom, frame.data(), frame.size());
        net::Packet packet = test::packet_of(buffer.data() + kHeadroom, frame.size());
        packet.headroom = kHeadroom;
        packet.tailroom = static_cast<std::uint32_t>(buffer.size() - kHeadroom - frame.size());
        benchmark::DoNotOptimize(core::route(packet, appliance->tables, *appliance->scratch));
    }
    state.SetLabel(name + ", copy of the frame included");
}
BENCHMARK(BM_Route)->ArgName("workload")->DenseRange(0, 8);  // the last one needs a corpus

}  // namespace
}  // namespace lb::bench
