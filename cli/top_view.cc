// From two readings to a report, and from a report to text. Pure.

#include <algorithm>
#include <array>
#include <cstdio>

#include "cli/figures.h"
#include "cli/top.h"

namespace lb::cli {
namespace {

constexpr std::array<const char*, 5> kFlow = {"received", "forwarded", "replied", "punted",
                                              "dropped"};

// The differences of two records, a second.
class Rates {
public:
    Rates(const rpc::Value& before, const rpc::Value& now, double seconds)
        : before_(before), now_(now), seconds_(seconds) {}

    double grown(const char* name) const {
        return std::max(0.0, number_of(now_, name) - number_of(before_, name));
    }
    double operator()(const char* name) const { return grown(name) / seconds_; }

private:
    const rpc::Value& before_;
    const rpc::Value& now_;
    double seconds_;
};

const rpc::Value& part(const rpc::Value& record, const char* name) {
    static const rpc::Value kNone{rpc::Struct{}};
    const rpc::Value* found = record.find(name);
    return found == nullptr ? kNone : *found;
}

rpc::Struct flow(const Rates& rate) {
    rpc::Struct out;
    for (const char* name : kFlow) out.add(name, rate(name));
    return out;
}

rpc::List workers(const TopSample& before, const TopSample& now, double seconds) {
    const auto& old = members_of(before.stats, "WORKERS");
    const auto& all = members_of(now.stats, "WORKERS");
    rpc::List out;
    for (std::size_t i = 0; i < std::min(old.size(), all.size()); ++i) {
        const Rates rate(old[i].value, all[i].value, seconds);
        const double turns = rate.grown("turns");
        rpc::Struct one = flow(rate);
        one.add("busy", turns > 0 ? 1 - rate.grown("idle_turns") / turns : 0.0);
        one.add("longest_turn_us", number_of(all[i].value, "longest_turn_ns") / 1000);
        out.add("WORKER", std::move(one));
    }
    return out;
}

rpc::List drops(const TopSample& before, const TopSample& now, double seconds) {
    const auto& old = members_of(before.stats, "DROPS");
    const auto& all = members_of(now.stats, "DROPS");
    rpc::List out;
    for (std::size_t i = 0; i < std::min(old.size(), all.size()); ++i) {
        const double count = number_of(all[i].value, "count");
        if (count == 0) continue;
        out.add("DROP", rpc::Struct{{"reason", text_of(all[i].value, "reason")},
                                    {"rate", Rates(old[i].value, all[i].value, seconds)("count")},
                                    {"count", count},
                                    {"help", text_of(all[i].value, "help")}});
    }
    return out;
}

rpc::List ports(const TopSample& before, const TopSample& now, double seconds) {
    const auto& old = members_of(before.stats, "PORTS");
    const auto& all = members_of(now.stats, "PORTS");
    rpc::List out;
    for (std::size_t i = 0; i < std::min(old.size(), all.size()); ++i) {
        const Rates rate(old[i].value, all[i].value, seconds);
        out.add("PORT", rpc::Struct{{"name", text_of(all[i].value, "name")},
                                    {"link", text_of(all[i].value, "link")},
                                    {"rx_packets", rate("rx_packets")},
                                    {"rx_mbit", rate("rx_bytes") * 8e-6},
                                    {"rx_missed", rate("rx_missed")},
                                    {"tx_packets", rate("tx_packets")},
                                    {"tx_mbit", rate("tx_bytes") * 8e-6},
                                    {"tx_errors", rate("tx_errors")}});
    }
    return out;
}

// The record of the same destination in the reading before. One that was not shown there had fewer
// calls than all that were: it counts from its own figures, so from nothing.
const rpc::Value& earlier(const TopSample& before, const rpc::Value& destination) {
    for (const rpc::Member& one : members_of(before.traffic, "TARGETS")) {
        if (text_of(one.value, "URI") == text_of(destination, "URI") &&
            number_of(one.value, "SET") == number_of(destination, "SET")) {
            return one.value;
        }
    }
    return destination;
}

rpc::List targets(const TopSample& before, const TopSample& now, double seconds) {
    const double calls = Rates(before.traffic, now.traffic, seconds).grown("CALLS");
    rpc::List out;
    for (const rpc::Member& one : members_of(now.traffic, "TARGETS")) {
        const Rates rate(earlier(before, one.value), one.value, seconds);
        out.add("DEST", rpc::Struct{{"set", static_cast<std::int32_t>(number_of(one.value, "SET"))},
                                    {"uri", text_of(one.value, "URI")},
                                    {"state", text_of(one.value, "FLAGS")},
                                    {"draining", number_of(one.value, "DRAINING") != 0 ? 1 : 0},
                                    {"calls_rate", rate("CALLS")},
                                    {"share", calls > 0 ? rate.grown("CALLS") / calls : 0.0},
                                    {"requests_rate", rate("REQUESTS")},
                                    {"sent_rate", rate("SENT")},
                                    {"calls", number_of(one.value, "CALLS")},
                                    {"latency_ms", number_of(one.value, "LATENCY_EST")},
                                    {"timeouts", number_of(one.value, "TIMEOUTS")}});
    }
    return out;
}

// ---- text -------------------------------------------------------------------------------------

std::string percent(double share) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f%%", share * 100);
    return text;
}

std::string rate_text(const rpc::Value& record, const char* name) {
    return short_number(number_of(record, name));
}

std::string headline(const rpc::Value& report) {
    const rpc::Value& rates = part(report, "rates");
    std::string out = "generation " + text_of(report, "generation") + ", a second: ";
    out += rate_text(rates, "received") + " received, ";
    out += rate_text(rates, "requests_relayed") + " requests and ";
    out += rate_text(rates, "replies_relayed") + " replies relayed, ";
    out += rate_text(rates, "replied") + " answered, ";
    out += rate_text(rates, "punted") + " to the kernel, ";
    return out + rate_text(rates, "dropped") + " dropped\n";
}

std::string worker_rows(const rpc::Value& report) {
    Rows rows{{"worker", "received", "forwarded", "replied", "punted", "dropped", "busy",
               "longest turn"}};
    for (const rpc::Member& one : members_of(report, "WORKERS")) {
        std::vector<std::string> row{std::to_string(rows.size() - 1)};
        for (const char* name : kFlow) row.push_back(rate_text(one.value, name));
        row.push_back(percent(number_of(one.value, "busy")));
        row.push_back(rate_text(one.value, "longest_turn_us") + " us");
        rows.push_back(std::move(row));
    }
    return in_columns(rows, {1, 2, 3, 4, 5, 6, 7});
}

std::string port_rows(const rpc::Value& report) {
    Rows rows{{"port", "link", "rx/s", "rx Mbit/s", "missed/s", "tx/s", "tx Mbit/s", "errors/s"}};
    for (const rpc::Member& one : members_of(report, "PORTS")) {
        std::vector<std::string> row{text_of(one.value, "name"), text_of(one.value, "link")};
        for (const char* name :
             {"rx_packets", "rx_mbit", "rx_missed", "tx_packets", "tx_mbit", "tx_errors"}) {
            row.push_back(rate_text(one.value, name));
        }
        rows.push_back(std::move(row));
    }
    return in_columns(rows, {2, 3, 4, 5, 6, 7});
}

std::string drop_rows(const rpc::Value& report) {
    Rows rows{{"dropped for", "a second", "in all", "what to check"}};
    for (const rpc::Member& one : members_of(report, "DROPS")) {
        rows.push_back({text_of(one.value, "reason"), rate_text(one.value, "rate"),
                        text_of(one.value, "count"), text_of(one.value, "help")});
    }
    if (rows.size() == 1) return {};
    std::string text = "\n";  // not "\n" + ...: gcc 12 warns of its own insert()
    return text += in_columns(rows, {1, 2});
}

std::string target_rows(const rpc::Value& report) {
    Rows rows{{"set", "destination", "state", "calls/s", "share", "to it/s", "from it/s", "calls",
               "latency", "timeouts"}};
    for (const rpc::Member& one : members_of(report, "TARGETS")) {
        const bool draining = number_of(one.value, "draining") != 0;
        rows.push_back({text_of(one.value, "set"), text_of(one.value, "uri"),
                        text_of(one.value, "state") + (draining ? " drain" : ""),
                        rate_text(one.value, "calls_rate"), percent(number_of(one.value, "share")),
                        rate_text(one.value, "requests_rate"), rate_text(one.value, "sent_rate"),
                        text_of(one.value, "calls"), rate_text(one.value, "latency_ms") + " ms",
                        text_of(one.value, "timeouts")});
    }
    std::string out = in_columns(rows, {0, 3, 4, 5, 6, 7, 8, 9});
    const double all = number_of(report, "destinations");
    const auto shown = static_cast<double>(rows.size() - 1);
    if (all > shown) out += "... and " + short_number(all - shown) + " with fewer calls\n";
    return out;
}

}  // namespace

rpc::Value top_report(const TopSample& before, const TopSample& now) {
    const double seconds = std::max(0.001, now.at_seconds - before.at_seconds);
    const Rates total(part(before.stats, "TOTAL"), part(now.stats, "TOTAL"), seconds);
    rpc::Struct rates = flow(total);
    rates.add("requests_relayed", total("requests_relayed"));
    rates.add("replies_relayed", total("replies_relayed"));
    return rpc::Struct{{"interval_s", seconds},
                       {"generation", number_of(now.stats, "GENERATION")},
                       {"destinations", number_of(now.traffic, "DESTINATIONS")},
                       {"rates", std::move(rates)},
                       {"WORKERS", workers(before, now, seconds)},
                       {"DROPS", drops(before, now, seconds)},
                       {"PORTS", ports(before, now, seconds)},
                       {"TARGETS", targets(before, now, seconds)}};
}

std::string top_view(const rpc::Value& report) {
    std::string out = headline(report);
    out.append("\n").append(worker_rows(report));
    out.append("\n").append(port_rows(report));
    out.append(drop_rows(report));
    return out.append("\n").append(target_rows(report));
}

}  // namespace lb::cli
