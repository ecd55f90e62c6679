// siplane.drain, siplane.undrain and siplane.traffic: destinations at work.

#include <algorithm>

#include "cp/rpc/methods.h"

namespace lb::rpc {
namespace {

constexpr std::int32_t kRowsDefault = 100;
constexpr std::int32_t kRowsMax = 1000;  // a reply of some 200 KB

double seconds(std::uint64_t ms) { return static_cast<double>(ms / 1000); }

Struct drained(const cp::DrainState& state) {
    return Struct{{"SET", state.set},
                  {"URI", state.uri},
                  {"FLAGS", cp::state_letters(state.flags, false)},
                  {"DRAINING_S", seconds(state.draining_ms)},
                  {"QUIET_S", seconds(state.quiet_ms)},
                  {"CALLS", state.requests.calls},
                  {"REQUESTS", state.requests.requests},
                  {"SENT", state.requests.sent}};
}

Reply drained_ones(Context& context) {
    const std::vector<cp::DrainState> states = context.control.draining();
    List targets;
    for (const cp::DrainState& state : states) {
        if (targets.members.size() == kRowsMax) break;
        targets.add("DEST", drained(state));
    }
    return Reply::of(Struct{{"DRAINING", static_cast<std::int32_t>(states.size())},
                            {"TARGETS", std::move(targets)}});
}

Reply set_draining(Context& context, const Params& params, bool draining) {
    const std::optional<std::int32_t> group = params.integer(0);
    const std::optional<std::string> target = params.text(1);
    if (!group || !target) return Reply::failed(500, "Invalid Parameters");
    const Status done = context.control.dispatcher().drain(*group, *target, draining);
    if (!done) return Reply::failed(404, "Destination Not Found", done.error().message);
    context.control.dispatcher_changed();
    return drained_ones(context);
}

struct Busy {
    const cp::Destination* destination;
    core::TrafficValues traffic;
};

bool busier(const Busy& a, const Busy& b) {
    if (a.traffic.calls != b.traffic.calls) return a.traffic.calls > b.traffic.calls;
    return a.traffic.requests > b.traffic.requests;
}

Struct busy_one(const Busy& busy) {
    const cp::Destination& d = *busy.destination;
    const auto estimate = static_cast<double>(d.latency.estimate);
    const auto average = static_cast<double>(d.latency.average);
    return Struct{{"SET", d.setid},
                  {"URI", d.uri},
                  {"FLAGS", cp::state_letters(d.flags, false)},
                  {"DRAINING", d.draining() ? 1 : 0},
                  {"CALLS", busy.traffic.calls},
                  {"REQUESTS", busy.traffic.requests},
                  {"SENT", busy.traffic.sent},
                  {"LATENCY_EST", estimate},
                  {"LATENCY_AVG", average},
                  {"TIMEOUTS", static_cast<std::int32_t>(d.latency.timeout)}};
}

}  // namespace

Reply siplane_drain(Context& context, const Params& params) {
    return params.size() == 0 ? drained_ones(context) : set_draining(context, params, true);
}

Reply siplane_undrain(Context& context, const Params& params) {
    return set_draining(context, params, false);
}

Reply siplane_traffic(Context& context, const Params& params) {
    const std::int32_t asked = params.integer(0).value_or(kRowsDefault);
    std::vector<Busy> all;
    all.reserve(context.control.dispatcher().size());
    core::TrafficValues total;
    for (const cp::DestinationSet& set : context.control.dispatcher().sets()) {
        for (const cp::Destination& d : set.members) {
            all.push_back({&d, context.control.traffic(d)});
            total.add(all.back().traffic);
        }
    }
    const auto shown =
        std::min(all.size(), static_cast<std::size_t>(std::clamp(asked, 0, kRowsMax)));
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(shown);
    std::partial_sort(all.begin(), end, all.end(), busier);
    List targets;
    for (auto at = all.begin(); at != end; ++at) targets.add("DEST", busy_one(*at));
    return Reply::of(Struct{{"DESTINATIONS", static_cast<std::int32_t>(all.size())},
                            {"CALLS", total.calls},
                            {"REQUESTS", total.requests},
                            {"SENT", total.sent},
                            {"TARGETS", std::move(targets)}});
}

}  // namespace lb::rpc
