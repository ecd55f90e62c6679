#include "cp/status_page.h"

#include <fmt/format.h>

#include <array>
#include <ctime>
#include <iterator>
#include <string_view>

namespace lb::cp {
namespace {

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="10">
<title>siplane</title>
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --good: #1a7f37; --bad: #c62828;
        --warn: #b26a00; }
@media (prefers-color-scheme: dark) { :root { --good: #57c26b; --bad: #ff7b72; --warn: #e3b341; } }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 64rem; }
h1 { font-size: 1.3rem; margin: 0 0 .2rem; }
h2 { font-size: 1.05rem; margin: 1.6rem 0 .5rem; }
p { margin: .2rem 0; }
.soft { opacity: .7; font-size: .88em; }
.health { border-left: 4px solid var(--good); background: var(--soft); padding: .5rem .8rem;
          margin: .8rem 0; }
.health.bad { border-color: var(--bad); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: .5rem; }
.card { border: 1px solid var(--line); border-radius: .4rem; padding: .4rem .6rem; }
.card b { display: block; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line);
         vertical-align: top; overflow-wrap: anywhere; }
.port { min-width: 9rem; }
th { font-weight: 600; font-size: .85em; white-space: nowrap; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.state { font-weight: 700; font-family: ui-monospace, monospace; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
summary { cursor: pointer; padding: .35rem 0; }
</style></head><body>
)";

class Html {
public:
    // Text of ours, with arguments that are safe already.
    template <class... Args>
    void put(fmt::format_string<Args...> format, Args&&... args) {
        fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
    }
    std::string take() { return std::move(out_); }

private:
    std::string out_;
};

std::string escape(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            case '\'':
                out += "&#39;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

// 1234567 as "1 234 567", with spaces that do not break.
std::string grouped(std::uint64_t number) {
    const std::string digits = std::to_string(number);
    std::string out;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i != 0 && (digits.size() - i) % 3 == 0) out += "&#8239;";
        out += digits[i];
    }
    return out;
}

std::string clock_text(std::int64_t seconds) {
    const std::time_t time = seconds;
    std::tm parts{};
    if (::gmtime_r(&time, &parts) == nullptr) return "?";
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%F %T UTC", &parts);
    return text.data();
}

std::string duration_text(std::int64_t seconds) {
    const auto [days, hours, minutes] =
        std::array{seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60};
    if (days > 0) return fmt::format("{} d {} h", days, hours);
    if (hours > 0) return fmt::format("{} h {} min", hours, minutes);
    if (minutes > 0) return fmt::format("{} min {} s", minutes, seconds % 60);
    return fmt::format("{} s", seconds);
}

std::string_view class_of(char letter, bool selectable) {
    if (letter == 'D') return "soft";
    if (!selectable) return "bad";
    return letter == 'T' ? "warn" : "good";
}

void card(Html& html, std::string_view name, std::uint64_t value) {
    html.put("<div class=card><b>{}</b>{}</div>\n", grouped(value), name);
}

void put_top(Html& html, const Report& report) {
    html.put("<h1>siplane {}</h1>\n", escape(report.version));
    html.put("<p class=soft>up {} &middot; {} &middot; generation {}</p>\n",
             duration_text(report.now - report.start_time), clock_text(report.now),
             report.stats.generation);
    if (report.problem.empty()) {
        html.put("<p class=health>Healthy: {} {} turning, table loaded.</p>\n",
                 report.stats.workers.size(),
                 report.stats.workers.size() == 1 ? "worker" : "workers");
    } else {
        html.put("<p class=\"health bad\">Not healthy: {}.</p>\n", escape(report.problem));
    }
    if (!report.reloads.last_good) {
        html.put(
            "<p class=\"health bad\">The last reload, {}, was refused; the table before it "
            "serves. The log says why.</p>\n",
            clock_text(report.reloads.last_time));
    }
}

void put_traffic(Html& html, const Report& report) {
    const core::CounterValues totals = report.totals();
    html.put("<h2>Traffic</h2>\n<div class=cards>\n");
    card(html, "received", totals.received);
    card(html, "forwarded", totals.forwarded);
    card(html, "replied", totals.replied);
    card(html, "punted", totals.punted);
    card(html, "held", totals.held);
    card(html, "dropped", totals.dropped_total());
    card(html, "requests relayed", totals.requests_relayed);
    card(html, "replies relayed", totals.replies_relayed);
    html.put("</div>\n");
}

void put_services(Html& html, const Report& report) {
    html.put("<h2>Services</h2>\n<table><tr><th>Name<th>Listens on<th>Set<th>Algorithm\n");
    for (const ServiceReport& service : report.services) {
        std::string listen;
        for (const std::string& endpoint : service.listen) {
            listen += (listen.empty() ? "" : "<br>") + escape(endpoint);
        }
        html.put("<tr><td>{}<td>{}<td>{}<td>{}\n", escape(service.name), listen, service.set,
                 escape(service.algorithm));
    }
    html.put("</table>\n");
}

void put_destination(Html& html, const DestinationReport& destination, const Report& report) {
    const char letter = destination.state.empty() ? '?' : destination.state.front();
    html.put("<tr><td class=\"state {}\">{}<td>{}{}<td class=n>{}",
             class_of(letter, destination.selectable), escape(destination.state),
             escape(destination.uri),
             destination.selectable || letter == 'I' || letter == 'D'
                 ? ""
                 : " <span class=bad>(no address, or not UDP)</span>",
             destination.priority);
    if (report.has_latency) html.put("<td class=n>{:.1f}", destination.latency.estimate);
    if (report.has_calls) html.put("<td class=n>{}", destination.calls);
    html.put("\n");
}

void put_set(Html& html, const SetReport& set, const Report& report) {
    const std::string_view look = set.selectable == 0           ? "bad"
                                  : set.selectable < set.size() ? "warn"
                                                                : "good";
    html.put("<details{}><summary><b>Set {}</b> &mdash; <span class={}>{} of {} in service</span>",
             set.destinations.empty() ? "" : " open", set.id, look, set.selectable, set.size());
    if (set.trying + set.inactive + set.disabled != 0) {
        html.put(" <span class=soft>({} trying, {} inactive, {} disabled)</span>", set.trying,
                 set.inactive, set.disabled);
    }
    html.put("</summary>\n");
    if (!set.destinations.empty()) {
        html.put("<table><tr><th>State<th>Destination<th class=n>Priority{}{}\n",
                 report.has_latency ? "<th class=n>ms" : "",
                 report.has_calls ? "<th class=n>Calls" : "");
        for (const DestinationReport& destination : set.destinations) {
            put_destination(html, destination, report);
        }
        html.put("</table>\n");
    }
    html.put("</details>\n");
}

void put_sets(Html& html, const Report& report) {
    html.put("<h2>Sets</h2>\n");
    html.put(
        "<p class=soft>State letters as in dispatcher.list: A active, T trying, I inactive, "
        "D disabled; P probed, X not.</p>\n");
    if (report.reloads.refused_rows != 0) {
        html.put(
            "<p class=bad>Rows refused when the table was loaded: {}. The log names them.</p>\n",
            grouped(report.reloads.refused_rows));
    }
    if (report.sets_total == 0) html.put("<p>The table is empty.</p>\n");
    if (report.destinations_left_out()) {
        html.put("<p class=warn>{} destinations in {} sets: too many to show one by one.</p>\n",
                 grouped(report.destinations_total), grouped(report.sets_total));
    }
    for (const SetReport& set : report.sets) put_set(html, set, report);
}

void put_probes(Html& html, const Report& report) {
    const probe::SchedulerStats& probes = report.probes;
    html.put("<h2>Probes</h2>\n{}<div class=cards>\n",
             report.probing_active ? "" : "<p class=warn>Switched off (ping_active).</p>\n");
    card(html, "sent", probes.started);
    card(html, "accepted", probes.accepted);
    card(html, "refused", probes.refused);
    card(html, "timed out", probes.timed_out);
    card(html, "not sent", probes.not_sent);
    card(html, "in flight", report.probes_in_flight);
    html.put("</div>\n");
}

void put_ports(Html& html, const Report& report) {
    html.put(
        "<h2>Ports</h2>\n<div class=wide><table><tr><th>Port<th>Link<th class=n>Received"
        "<th class=n>Sent<th class=n>Missed<th class=n>Errors\n");
    for (const PortStats& port : report.stats.ports) {
        html.put(
            "<tr><td class=port>{}<br><span class=soft>{}</span><td class=\"{}\">{}<td class=n>{}"
            "<td class=n>{}<td class=n>{}<td class=n>{}\n",
            escape(clean_text(port.name)), escape(clean_text(port.device)),
            port.link_up ? "good" : "bad", port.link_up ? "up" : "down", grouped(port.rx_packets),
            grouped(port.tx_packets), grouped(port.rx_missed),
            grouped(port.rx_errors + port.tx_errors));
    }
    html.put("</table></div>\n");
}

void put_drops(Html& html, const Report& report) {
    const core::CounterValues totals = report.totals();
    html.put("<h2>Drops</h2>\n");
    if (totals.dropped_total() == 0) return html.put("<p>None.</p>\n");
    html.put("<table><tr><th class=n>Frames<th>Reason, and what to check first\n");
    for (const core::DropReasonInfo& info : core::kDropReasons) {
        const std::uint64_t count = totals.dropped[static_cast<std::size_t>(info.reason)];
        if (count == 0) continue;
        html.put("<tr><td class=n>{}<td><b>{}</b><br><span class=soft>{}</span>\n", grouped(count),
                 escape(info.name), escape(info.help));
    }
    html.put("</table>\n");
}

void put_rest(Html& html, const Report& report) {
    const SlowPathCounters& slow = report.slow_path;
    html.put("<h2>Control</h2>\n<table>\n");
    html.put("<tr><td>Reloads<td>{} good, {} refused\n", grouped(report.reloads.good),
             grouped(report.reloads.refused));
    html.put("<tr><td>Slow path<td>{} taken, {} sent, {} not sent, {} dropped, {} waiting\n",
             grouped(slow.taken), grouped(slow.sent), grouped(slow.unsent), grouped(slow.dropped),
             grouped(slow.held));
    html.put("<tr><td>Names<td>{} questions asked, {} answers kept\n",
             grouped(report.dns_questions), grouped(report.dns_answers));
    html.put("<tr><td>Tables<td>{} KiB\n", grouped(report.stats.tables_bytes / 1024));
    html.put(
        "</table>\n<p class=soft>For machines: <a href=\"/metrics\">/metrics</a>, "
        "<a href=\"/healthz\">/healthz</a>. Fresh every 10 seconds.</p>\n</body></html>\n");
}

}  // namespace

std::string status_page(const Report& report) {
    Html html;
    html.put("{}", kHead);
    put_top(html, report);
    put_traffic(html, report);
    put_sets(html, report);
    put_services(html, report);
    put_drops(html, report);
    put_ports(html, report);
    put_probes(html, report);
    put_rest(html, report);
    return html.take();
}

}  // namespace lb::cp
