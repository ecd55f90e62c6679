#include "cp/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <initializer_list>
#include <sstream>
#include <type_traits>
#include <utility>
#include <vector>

namespace lb::cp {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr double kMsPerSecond = 1e3;
constexpr double kNsPerSecond = 1e9;

// Collects families; one add() each, so that a family stands in one piece.
class Page {
public:
    class Family {
    public:
        explicit Family(MetricFamily& family) : family_(family) {}
        template <class Number>
        Family& add(Labels labels, Number value) {
            ClientMetric metric;
            metric.label = std::move(labels);
            const bool counts = family_.type == MetricType::Counter;
            (counts ? metric.counter.value : metric.gauge.value) = static_cast<double>(value);
            family_.metric.push_back(std::move(metric));
            return *this;
        }

    private:
        MetricFamily& family_;
    };

    Family counter(const char* name, const char* help) {
        return family(name, help, MetricType::Counter);
    }
    Family gauge(const char* name, const char* help) {
        return family(name, help, MetricType::Gauge);
    }
    std::string text() const {
        std::ostringstream out;
        prometheus::TextSerializer().Serialize(out, families_);
        return std::move(out).str();
    }

private:
    Family family(const char* name, const char* help, MetricType type) {
        families_.push_back({name, help, type, {}});
        return Family(families_.back());
    }
    std::vector<MetricFamily> families_;
};

struct WorkerSeries {
    const char* name;
    const char* help;
    std::uint64_t core::CounterValues::*value;
};
using C = core::CounterValues;
constexpr WorkerSeries kWorkerCounters[] = {
    {"siplane_frames_received_total", "Frames taken from the ports.", &C::received},
    {"siplane_frames_forwarded_total", "Frames sent on as relayed SIP messages.", &C::forwarded},
    {"siplane_frames_replied_total", "Requests answered by siplane itself.", &C::replied},
    {"siplane_frames_punted_total", "Frames left to the kernel or to the slow path.", &C::punted},
    {"siplane_frames_slow_path_total", "Part of punted: went to the control thread.",
     &C::slow_path},
    {"siplane_requests_relayed_total", "SIP requests relayed.", &C::requests_relayed},
    {"siplane_replies_relayed_total", "SIP replies relayed.", &C::replies_relayed},
    {"siplane_fragments_sent_total", "Frames that forwarded datagrams became, if in fragments.",
     &C::fragments_sent},
    {"siplane_frames_injected_total", "Frames from the kernel sent out of a port.", &C::injected},
    {"siplane_frames_inject_lost_total",
     "Frames from the kernel that found no buffer or a full queue.", &C::inject_lost},
    {"siplane_frames_handed_over_total",
     "Messages that went to the worker which owns their call, and count as received there.",
     &C::handed_over},
    {"siplane_transactions_evicted_total",
     "Transactions forgotten before their time, since the table of the worker was full.",
     &C::transactions_evicted},
    {"siplane_worker_turns_total", "Turns of the worker's loop.", &C::turns},
    {"siplane_worker_idle_turns_total", "Turns that found nothing to do.", &C::idle_turns},
};

std::string number(std::size_t value) { return std::to_string(value); }

void add_each_worker(Page::Family family, const Stats& stats, std::uint64_t C::*value) {
    for (std::size_t i = 0; i < stats.workers.size(); ++i) {
        family.add({{"worker", number(i)}}, stats.workers[i].*value);
    }
}

void add_workers(Page& page, const Stats& stats) {
    for (const WorkerSeries& series : kWorkerCounters) {
        add_each_worker(page.counter(series.name, series.help), stats, series.value);
    }
    add_each_worker(page.gauge("siplane_frames_held",
                               "Fragments that wait for, or became part of, a whole datagram."),
                    stats, &C::held);
    add_each_worker(
        page.gauge("siplane_transactions", "Transactions whose destination the worker remembers."),
        stats, &C::transactions);
    auto longest =
        page.gauge("siplane_worker_longest_turn_seconds", "The longest turn since the start.");
    for (std::size_t i = 0; i < stats.workers.size(); ++i) {
        longest.add({{"worker", number(i)}},
                    static_cast<double>(stats.workers[i].longest_turn_ns) / kNsPerSecond);
    }
}

void add_path_mtus(Page& page, const Stats& stats) {
    page.counter("siplane_path_mtu_messages_total",
                 "Packet Too Big from IPv6 routers about messages of ours: larger ones to those "
                 "targets go in fragments for ten minutes.")
        .add({}, stats.path_mtus_learned);
}

void add_drops(Page& page, const Stats& stats) {
    auto family = page.counter(
        "siplane_frames_dropped_total",
        "Frames dropped, by reason; received = forwarded + replied + punted + held + dropped.");
    for (std::size_t i = 0; i < stats.workers.size(); ++i) {
        for (const core::DropReasonInfo& info : core::kDropReasons) {
            family.add({{"worker", number(i)}, {"reason", std::string(info.name)}},
                       stats.workers[i].dropped[static_cast<std::size_t>(info.reason)]);
        }
    }
}

struct PortSeries {
    const char* name;
    const char* help;
    std::uint64_t PortStats::*value;
};
constexpr PortSeries kPortCounters[] = {
    {"siplane_port_receive_packets_total", "Packets received by the device.",
     &PortStats::rx_packets},
    {"siplane_port_receive_bytes_total", "Bytes received by the device.", &PortStats::rx_bytes},
    {"siplane_port_receive_missed_total", "Packets lost because no worker took them in time.",
     &PortStats::rx_missed},
    {"siplane_port_receive_errors_total", "Broken packets received.", &PortStats::rx_errors},
    {"siplane_port_transmit_packets_total", "Packets sent by the device.", &PortStats::tx_packets},
    {"siplane_port_transmit_bytes_total", "Bytes sent by the device.", &PortStats::tx_bytes},
    {"siplane_port_transmit_errors_total", "Packets the device could not send.",
     &PortStats::tx_errors},
};

void add_ports(Page& page, const Stats& stats) {
    const auto labels = [](const PortStats& port) {
        return Labels{{"port", clean_text(port.name)}, {"device", clean_text(port.device)}};
    };
    auto up = page.gauge("siplane_port_up", "1 if the port has link.");
    for (const PortStats& port : stats.ports) up.add(labels(port), port.link_up);
    for (const PortSeries& series : kPortCounters) {
        auto family = page.counter(series.name, series.help);
        for (const PortStats& port : stats.ports) family.add(labels(port), port.*series.value);
    }
}

void add_slow_path(Page& page, const Report& report) {
    const SlowPathCounters& slow = report.slow_path;
    page.counter("siplane_slow_path_taken_total", "Frames that workers left to the control thread.")
        .add({}, slow.taken);
    page.counter("siplane_slow_path_sent_total", "Those sent through the kernel.")
        .add({}, slow.sent);
    page.counter("siplane_slow_path_unsent_total", "Those that the kernel would not send.")
        .add({}, slow.unsent);
    page.counter("siplane_slow_path_dropped_total",
                 "Those dropped: refused, too many, too late, no such name.")
        .add({}, slow.dropped);
    page.gauge("siplane_slow_path_held", "Those that wait for a name now.").add({}, slow.held);
    page.counter("siplane_unclaimed_datagrams_total",
                 "Datagrams to our addresses, by way of the kernel, that nobody waited for.")
        .add({}, report.unclaimed);
    page.counter("siplane_dns_questions_total", "Questions sent to name servers.")
        .add({}, report.dns_questions);
    page.gauge("siplane_dns_answers", "Answers in the cache.").add({}, report.dns_answers);
}

void add_probes(Page& page, const Report& report) {
    const probe::SchedulerStats& probes = report.probes;
    page.gauge("siplane_probing_active", "0 while probing is switched off (ping_active).")
        .add({}, report.probing_active);
    page.counter("siplane_probes_sent_total", "Probes begun.").add({}, probes.started);
    page.counter("siplane_probe_retransmissions_total", "Probes sent again.")
        .add({}, probes.resent);
    page.counter("siplane_probe_results_total",
                 "Probes ended, by result; forgotten: the destination left the table meanwhile, or "
                 "probing began anew; "
                 "overflowed, postponed: never begun.")
        .add({{"result", "accepted"}}, probes.accepted)
        .add({{"result", "refused"}}, probes.refused)
        .add({{"result", "timed_out"}}, probes.timed_out)
        .add({{"result", "not_sent"}}, probes.not_sent)
        .add({{"result", "unreachable"}}, probes.unreachable)
        .add({{"result", "forgotten"}}, probes.forgotten)
        .add({{"result", "overflowed"}}, probes.overflowed)
        .add({{"result", "postponed"}}, probes.postponed);
    page.counter(
            "siplane_probe_stray_replies_total",
            "Replies to probes that came too late to count (late), or not from the address that "
            "was asked, which count (wrong_source).")
        .add({{"reason", "late"}}, probes.late)
        .add({{"reason", "wrong_source"}}, probes.wrong_source);
    page.counter("siplane_probe_rounds_missed_total",
                 "Rounds of probes left out because the control thread did not get to them for "
                 "longer than ds_ping_interval.")
        .add({}, probes.rounds_missed);
    page.gauge("siplane_probes_in_flight", "Probes without a result yet.")
        .add({}, report.probes_in_flight);
    page.counter("siplane_event_commands_total", "Runs of event_command, by result.")
        .add({{"result", "started"}}, report.events.started)
        .add({{"result", "dropped"}}, report.events.dropped)
        .add({{"result", "failed"}}, report.events.failed)
        .add({{"result", "bad_exit"}}, report.events.bad_exit);
}

void add_sets(Page& page, const Report& report) {
    page.gauge("siplane_sets", "Sets in the table.").add({}, report.sets_total);
    page.gauge("siplane_destinations", "Destinations in the table.")
        .add({}, report.destinations_total);
    page.gauge("siplane_destination_series_left_out",
               "1 if there are too many destinations for series of their own.")
        .add({}, report.destinations_left_out());
    auto states = page.gauge("siplane_set_destinations", "Destinations of the set, by state.");
    for (const SetReport& set : report.sets) {
        const std::string id = std::to_string(set.id);
        states.add({{"set", id}, {"state", "active"}}, set.active)
            .add({{"set", id}, {"state", "trying"}}, set.trying)
            .add({{"set", id}, {"state", "inactive"}}, set.inactive)
            .add({{"set", id}, {"state", "disabled"}}, set.disabled);
    }
    auto selectable = page.gauge("siplane_set_selectable_destinations",
                                 "Destinations of the set that get traffic; 0: an outage.");
    for (const SetReport& set : report.sets) {
        selectable.add({{"set", std::to_string(set.id)}}, set.selectable);
    }
}

Labels labels_of(const SetReport& set, const DestinationReport& destination) {
    Labels labels{{"set", std::to_string(set.id)}, {"uri", destination.uri}};
    // The same URI twice in a set: two series need two names.
    if (destination.copy > 1) labels.push_back({"copy", std::to_string(destination.copy)});
    return labels;
}

template <class Value>
void each_destination(const Report& report, Page::Family family, Value value) {
    for (const SetReport& set : report.sets) {
        for (const DestinationReport& destination : set.destinations) {
            family.add(labels_of(set, destination), value(destination));
        }
    }
}

void add_destinations(Page& page, const Report& report) {
    using D = DestinationReport;
    each_destination(report,
                     page.gauge("siplane_destination_up", "1 if the destination gets traffic."),
                     [](const D& d) { return d.selectable; });
    auto states = page.gauge("siplane_destination_state",
                             "1 for the state letters that dispatcher.list shows.");
    for (const SetReport& set : report.sets) {
        for (const D& destination : set.destinations) {
            Labels labels = labels_of(set, destination);
            labels.push_back({"state", destination.state});
            states.add(std::move(labels), 1);
        }
    }
    if (report.has_calls) {
        page.gauge("siplane_calls", "Calls in progress that algorithm 10 counts.")
            .add({}, report.stats.calls.calls);
        page.counter("siplane_calls_refused_total",
                     "Calls that algorithm 10 could not count: no room (ds_hash_size).")
            .add({}, report.stats.calls.refused);
        each_destination(report,
                         page.gauge("siplane_destination_calls", "Calls on the destination now."),
                         [](const D& d) { return d.calls; });
    }
    if (!report.has_latency) return;
    each_destination(report,
                     page.gauge("siplane_destination_latency_seconds",
                                "Moving estimate of the time to answer a probe."),
                     [](const D& d) { return d.latency.estimate / kMsPerSecond; });
    each_destination(report,
                     page.gauge("siplane_destination_latency_average_seconds",
                                "Average time to answer a probe."),
                     [](const D& d) { return d.latency.average / kMsPerSecond; });
    each_destination(report,
                     page.gauge("siplane_destination_latency_maximum_seconds",
                                "Longest time to answer a probe."),
                     [](const D& d) { return d.latency.max / kMsPerSecond; });
    each_destination(report,
                     page.counter("siplane_destination_probe_replies_total",
                                  "Probes of the destination that were answered."),
                     [](const D& d) { return d.latency.samples; });
    each_destination(report,
                     page.counter("siplane_destination_probe_timeouts_total",
                                  "Probes of the destination that timed out."),
                     [](const D& d) { return d.latency.timeout; });
}

void add_daemon(Page& page, const Report& report) {
    page.gauge("siplane_build_info", "Always 1; the label tells the version.")
        .add({{"version", report.version}}, 1);
    page.gauge("siplane_healthy", "1 if /healthz says 200.").add({}, report.problem.empty());
    page.gauge("siplane_start_time_seconds", "When the daemon started, in Unix time.")
        .add({}, report.start_time);
    page.gauge("siplane_generation", "Generation of the workers' tables.")
        .add({}, report.stats.generation);
    page.gauge("siplane_tables_bytes", "Memory of the workers' tables.")
        .add({}, report.stats.tables_bytes);
    page.counter("siplane_reloads_total", "Reloads of the table, by result.")
        .add({{"result", "good"}}, report.reloads.good)
        .add({{"result", "refused"}}, report.reloads.refused);
    page.gauge("siplane_table_refused_rows",
               "Rows left out of the table that serves, because they make no destination.")
        .add({}, report.reloads.refused_rows);
    page.gauge("siplane_last_reload_successful", "0 if the last reload was refused.")
        .add({}, report.reloads.last_good);
    page.gauge("siplane_last_reload_timestamp_seconds",
               "When the last reload was, in Unix time; 0: none since the start.")
        .add({}, report.reloads.last_time);
}

}  // namespace

std::string metrics_text(const Report& report) {
    Page page;
    add_daemon(page, report);
    add_workers(page, report.stats);
    add_path_mtus(page, report.stats);
    add_drops(page, report.stats);
    add_ports(page, report.stats);
    add_slow_path(page, report);
    add_probes(page, report);
    add_sets(page, report);
    add_destinations(page, report);
    return page.text();
}

}  // namespace lb::cp
