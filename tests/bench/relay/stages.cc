#include "tests/bench/relay/stages.h"

#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <limits>

#include "dp/core/checks.h"
#include "dp/core/loose_route.h"
#include "dp/core/next_hop.h"
#include "dp/core/rewrite.h"
#include "dp/core/route.h"
#include "dp/core/send.h"
#include "dp/sip/branch.h"
#include "dp/sip/parser.h"
#include "tests/bench/relay/bench_appliance.h"

namespace lb::bench {
namespace {

constexpr std::size_t kBufferSize = 4096;

// In the order of route(); each runs everything up to and with itself.
constexpr std::array kStages{"copy",     "frame",     "parse", "uris", "transaction",
                             "next_hop", "edit_list", "apply", "send"};

// The steps of a request up to number `last`; a reply stops behind the parser.
void run_stages(net::Packet& packet, const table::Tables& tables, core::Scratch& scratch,
                std::size_t last) {
    core::Context context{packet, tables, scratch};
    scratch.edits.clear();
    if (last < 1) return;
    if (net::parse_frame(packet, scratch.frame, true) != net::FrameError::kNone) return;
    context.interface = context.network().find_interface(packet.device, scratch.frame.vlan);
    if (!context.network().owns(scratch.frame.target.address)) return;
    context.listener = context.dispatch().find_listener(scratch.frame.target);
    if (context.listener == table::kNoListener || last < 2) return;
    sip::Message& message = scratch.message;
    if (sip::parse(scratch.frame.payload, message) != sip::Error::kNone || last < 3) return;
    if (message.is_reply()) return;
    if (!core::read_addresses(message)) return;
    if (!core::is_plain_request(message) && core::check_request(context)) return;
    if (last < 4) return;
    context.transaction = sip::transaction_number(tables.secret, message);
    if (last < 5) return;
    const core::LooseRoute route = core::loose_route(context);
    const core::NextHop next = core::find_next_hop(context, route);
    if (next.kind != core::NextHop::Kind::kSend || last < 6) return;
    const table::Hop hop = context.network().resolve(next.endpoint->address);
    const core::RequestPlan plan = core::plan_request(context, route, next, context.listener);
    if (last < 7) return;
    const Bytes sent = core::rewrite_request(context, plan);
    if (last < 8 || sent.empty()) return;
    core::send(context, context.listener_at(context.listener).endpoint, *next.endpoint, hop,
               sent.data(), sent.size());
}

// Nanoseconds and cycles a frame of one pass over all frames.
template <class Step>
StageCost pass(const std::vector<test::Octets>& frames, Step step) {
    alignas(64) static std::array<std::uint8_t, kBufferSize> buffer;
    const auto start = std::chrono::steady_clock::now();
    const std::uint64_t ticks = __rdtsc();
    for (const test::Octets& frame : frames) {
        std::memcpy(buffer.data() + kHeadroom, frame.data(), frame.size());
        net::Packet packet = test::packet_of(buffer.data() + kHeadroom, frame.size());
        packet.headroom = kHeadroom;
        packet.tailroom = static_cast<std::uint32_t>(kBufferSize - kHeadroom - frame.size());
        step(packet);
    }
    const double cycles = static_cast<double>(__rdtsc() - ticks);
    const std::chrono::duration<double, std::nano> ns = std::chrono::steady_clock::now() - start;
    const auto count = static_cast<double>(frames.size());
    return {"", ns.count() / count, cycles / count};
}

// Keeps the faster one.
void take(StageCost& best, const StageCost& cost) {
    if (cost.ns < best.ns) best = {best.name, cost.ns, cost.cycles};
}

constexpr double kNever = std::numeric_limits<double>::max();

}  // namespace

// A pass of each in turn: the fastest ones fall into the same quiet moments.
std::vector<StageCost> measure_stages(const std::vector<test::Octets>& frames, std::size_t rounds) {
    const auto appliance = make_bench_appliance();
    core::Scratch& scratch = *appliance->scratch;
    std::array<StageCost, kStages.size()> until;
    for (std::size_t i = 0; i < until.size(); ++i) until[i] = {kStages[i], kNever, 0};
    StageCost whole{"route", kNever, 0};
    for (std::size_t round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < until.size(); ++i) {
            take(until[i], pass(frames, [&](net::Packet& packet) {
                     run_stages(packet, appliance->tables, scratch, i);
                 }));
        }
        take(whole, pass(frames, [&](net::Packet& packet) {
                 core::route(packet, appliance->tables, scratch);
             }));
    }
    std::vector<StageCost> costs;
    StageCost before{"", 0, 0};
    for (const StageCost& each : until) {
        costs.push_back({each.name, each.ns - before.ns, each.cycles - before.cycles});
        before = each;
    }
    const StageCost& copy = until.front();
    costs.push_back({"route", whole.ns - copy.ns, whole.cycles - copy.cycles});
    return costs;
}

StageCost measure_route(const std::vector<test::Octets>& frames, std::size_t rounds) {
    const auto appliance = make_bench_appliance();
    StageCost best{"route", kNever, 0};
    for (std::size_t round = 0; round < rounds; ++round) {
        take(best, pass(frames, [&](net::Packet& packet) {
                 core::route(packet, appliance->tables, *appliance->scratch);
             }));
    }
    return best;
}

}  // namespace lb::bench
