#include "cp/report.h"

#include <algorithm>
#include <ctime>
#include <map>

#include "dp/base/utf8.h"
#include "dp/table/algorithm.h"

namespace lb::cp {
namespace {

void count_state(SetReport& out, std::uint32_t flags) {
    switch (state_letters(flags, false).front()) {
        case 'I':
            ++out.inactive;
            break;
        case 'D':
            ++out.disabled;
            break;
        case 'T':
            ++out.trying;
            break;
        default:
            ++out.active;
    }
}

DestinationReport report_of(const Destination& destination, const DispatcherOptions& options) {
    DestinationReport out;
    out.uri = clean_text(destination.uri);
    out.state = state_letters(destination.flags, options.newer_output);
    out.selectable = destination.usable();
    out.priority = destination.priority;
    out.weight = destination.attrs.weight;
    out.rweight = destination.rweight;
    out.latency = destination.latency;
    if (options.load_of) out.calls = options.load_of(destination.id);
    return out;
}

SetReport report_of(const DestinationSet& set, bool one_by_one, const DispatcherOptions& options) {
    SetReport out;
    out.id = set.id;
    std::map<std::string, unsigned> copies;
    for (const Destination& destination : set.members) {
        count_state(out, destination.flags);
        if (destination.usable()) ++out.selectable;
        if (!one_by_one) continue;
        out.destinations.push_back(report_of(destination, options));
        out.destinations.back().copy = ++copies[out.destinations.back().uri];
    }
    return out;
}

ServiceReport report_of(const ServiceConfig& service) {
    ServiceReport out;
    out.name = clean_text(service.name);
    for (const ListenConfig& listen : service.listen) out.listen.push_back(listen.endpoint.text());
    out.set = service.set;
    out.algorithm = table::algorithm_name(service.algorithm);
    return out;
}

}  // namespace

std::string clean_text(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const auto lead = static_cast<unsigned char>(text.front());
        if (length == 0 || lead < 0x20 || lead == 0x7f) {
            out += '?';
            text.remove_prefix(1);
            continue;
        }
        out += text.substr(0, length);
        text.remove_prefix(length);
    }
    return out;
}

core::CounterValues Report::totals() const noexcept {
    core::CounterValues sum;
    for (const core::CounterValues& worker : stats.workers) sum.add(worker);
    return sum;
}

Report make_report(const Config& config, Control& control) {
    const Dispatcher& dispatcher = control.dispatcher();
    Report out;
    out.version = SIPLANE_VERSION;
    out.now = std::time(nullptr);
    out.start_time = control.start_time();
    out.stats = control.stats();
    for (const ServiceConfig& service : config.services) {
        out.services.push_back(report_of(service));
    }
    out.sets_total = dispatcher.sets().size();
    out.destinations_total = dispatcher.size();
    out.has_latency = dispatcher.options().latency_stats;
    out.has_calls = dispatcher.options().call_load;
    out.probing_active = control.ping_active() != 0;
    if (out.sets_total <= kSetsShown) {
        for (const DestinationSet& set : dispatcher.sets()) {
            out.sets.push_back(report_of(set, !out.destinations_left_out(), dispatcher.options()));
        }
    }
    std::sort(out.sets.begin(), out.sets.end(),
              [](const SetReport& a, const SetReport& b) { return a.id < b.id; });
    if (out.stats.generation == 0) out.problem = "no table has been loaded";
    return out;
}

void WorkerWatch::look(const std::vector<core::CounterValues>& workers, Clock::time_point now) {
    seen_.resize(workers.size(), Seen{0, now});
    for (std::size_t i = 0; i < workers.size(); ++i) {
        if (workers[i].turns == seen_[i].turns) continue;
        seen_[i] = {workers[i].turns, now};
    }
}

std::string WorkerWatch::problem(Clock::time_point now) const {
    if (seen_.empty()) return "there are no workers";
    for (std::size_t i = 0; i < seen_.size(); ++i) {
        const auto still = std::chrono::duration_cast<std::chrono::seconds>(now - seen_[i].since);
        if (still < kStuckAfter) continue;
        return "worker " + std::to_string(i) + " has not turned for " +
               std::to_string(still.count()) + " seconds";
    }
    return {};
}

}  // namespace lb::cp
