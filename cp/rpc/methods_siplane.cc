// siplane.*: what Kamailio has no word for.

#include "cp/rpc/methods.h"
#include "dp/core/verdict.h"

namespace lb::rpc {
namespace {

Struct counters_of(const core::CounterValues& values) {
    return Struct{{"received", values.received},
                  {"forwarded", values.forwarded},
                  {"replied", values.replied},
                  {"punted", values.punted},
                  {"held", values.held},
                  {"dropped", values.dropped_total()},
                  {"requests_relayed", values.requests_relayed},
                  {"replies_relayed", values.replies_relayed},
                  {"fragments_sent", values.fragments_sent},
                  {"injected", values.injected},
                  {"slow_path", values.slow_path},
                  {"transactions", values.transactions},
                  {"transactions_evicted", values.transactions_evicted},
                  {"turns", values.turns},
                  {"idle_turns", values.idle_turns},
                  {"longest_turn_ns", values.longest_turn_ns}};
}

List drops_of(const core::CounterValues& values) {
    List out;
    for (const core::DropReasonInfo& info : core::kDropReasons) {
        out.add("DROP", Struct{{"reason", info.name},
                               {"count", values.dropped[static_cast<std::size_t>(info.reason)]},
                               {"help", info.help}});
    }
    return out;
}

Struct port_of(const cp::PortStats& port) {
    return Struct{{"name", port.name},
                  {"device", port.device},
                  {"link", port.link_up ? "up" : "down"},
                  {"rx_packets", port.rx_packets},
                  {"rx_bytes", port.rx_bytes},
                  {"rx_missed", port.rx_missed},
                  {"rx_errors", port.rx_errors},
                  {"tx_packets", port.tx_packets},
                  {"tx_bytes", port.tx_bytes},
                  {"tx_errors", port.tx_errors}};
}

}  // namespace

Reply siplane_stats(Context& context, const Params&) {
    const cp::Stats stats = context.control.stats();
    core::CounterValues total;
    List workers;
    for (const core::CounterValues& worker : stats.workers) {
        total.add(worker);
        workers.add("WORKER", counters_of(worker));
    }
    Struct totals = counters_of(total);
    totals.add("calls", stats.calls.calls).add("calls_refused", stats.calls.refused);
    List ports;
    for (const cp::PortStats& port : stats.ports) ports.add("PORT", port_of(port));
    return Reply::of(Struct{{"GENERATION", stats.generation},
                            {"TABLES_BYTES", std::uint64_t{stats.tables_bytes}},
                            {"TOTAL", std::move(totals)},
                            {"DROPS", drops_of(total)},
                            {"WORKERS", std::move(workers)},
                            {"PORTS", std::move(ports)}});
}

Reply siplane_tables(Context& context, const Params&) {
    const cp::Dispatcher& dispatcher = context.control.dispatcher();
    const cp::Stats stats = context.control.stats();
    List sets;
    for (const cp::DestinationSet& set : dispatcher.sets()) {
        std::int32_t usable = 0, not_udp = 0, unresolved = 0;
        for (const cp::Destination& member : set.members) {
            usable += member.usable() ? 1 : 0;
            not_udp += member.over_udp() ? 0 : 1;
            unresolved += member.over_udp() && member.endpoints.empty() ? 1 : 0;
        }
        sets.add("SET", Struct{{"ID", set.id},
                               {"DESTINATIONS", static_cast<std::int32_t>(set.members.size())},
                               {"USABLE", usable},
                               {"NOT_UDP", not_udp},
                               {"UNRESOLVED", unresolved}});
    }
    return Reply::of(Struct{{"GENERATION", stats.generation},
                            {"BYTES", std::uint64_t{stats.tables_bytes}},
                            {"DESTINATIONS", static_cast<std::int32_t>(dispatcher.size())},
                            {"SETS", std::move(sets)}});
}

}  // namespace lb::rpc
