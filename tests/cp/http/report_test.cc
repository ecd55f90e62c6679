#include "cp/report.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

#include "cp/metrics.h"
#include "cp/status_page.h"
#include "tests/cp/http/fake_control.h"
#include "tests/cp/http/run_program.h"

namespace lb::cp {
namespace {

using test::FakeControl;
using testing::Test;

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST(CleanText, keeps_utf8_and_replaces_the_rest) {
    struct Row {
        std::string_view in, out;
    };
    const Row rows[] = {
        {"sip:10.0.0.1", "sip:10.0.0.1"},
        {"z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x93\x9e",
         "z\xc3\xbcrich \xe2\x82\xac \xf0\x9f\x93\x9e"},
        {"\xff", "?"},
        {"a\xc3", "a?"},               // cut off
        {"\xc0\x80", "??"},            // overlong
        {"\xe0\x80\x80", "???"},       // overlong
        {"\xed\xa0\x80", "???"},       // surrogate
        {"\xf4\x90\x80\x80", "????"},  // beyond Unicode
        {"a\nb\tc\x7f", "a?b?c?"},
        {"", ""},
    };
    for (const Row& row : rows) EXPECT_EQ(clean_text(row.in), row.out) << row.in;
}

TEST(Report, counts_states) {
    FakeControl control;
    control.load({{1, "sip:10.0.0.1"},
                  {1, "sip:10.0.0.2"},
                  {1, "sip:10.0.0.3"},
                  {2, "sip:10.0.0.4;transport=tcp"}});
    ASSERT_TRUE(control.dispatcher().set_state(1, "sip:10.0.0.2", table::kInactive));
    ASSERT_TRUE(control.dispatcher().set_state(1, "sip:10.0.0.3", table::kDisabled));
    const Report report = make_report(Config{}, control);
    ASSERT_EQ(report.sets.size(), 2u);
    const SetReport& one = report.sets[0].id == 1 ? report.sets[0] : report.sets[1];
    const SetReport& two = report.sets[0].id == 1 ? report.sets[1] : report.sets[0];
    EXPECT_EQ(one.size(), 3u);
    EXPECT_EQ(one.active, 1u);
    EXPECT_EQ(one.inactive, 1u);
    EXPECT_EQ(one.disabled, 1u);
    EXPECT_EQ(one.selectable, 1u);
    EXPECT_EQ(two.active, 1u);
    EXPECT_EQ(two.selectable, 0u) << "TCP is listed, never selected";
    EXPECT_EQ(report.problem, "");
}

TEST(Report, no_table_is_a_problem) {
    FakeControl control;
    control.shown.generation = 0;
    EXPECT_EQ(make_report(Config{}, control).problem, "no table has been loaded");
}

TEST(WorkerWatch, tells_a_worker_that_stands_still) {
    using namespace std::chrono_literals;
    const WorkerWatch::Clock::time_point start{};
    std::vector<core::CounterValues> workers(2);
    WorkerWatch watch;
    EXPECT_EQ(watch.problem(start), "there are no workers");
    for (int second = 0; second <= 10; ++second) {
        workers[0].turns += 10;
        if (second < 5) workers[1].turns += 10;
        watch.look(workers, start + second * 1s);
        const std::string problem = watch.problem(start + second * 1s);
        const bool still = second == 7;
        if (second > 7) continue;
        EXPECT_EQ(problem, still ? "worker 1 has not turned for 3 seconds" : "") << second;
    }
    workers[1].turns += 1;
    workers[0].turns += 1;
    watch.look(workers, start + 11s);
    EXPECT_EQ(watch.problem(start + 11s), "");
}

core::CounterValues busy_worker() {
    core::CounterValues worker;
    worker.received = 111;
    worker.forwarded = 100;
    worker.replied = 4;
    worker.punted = 3;
    worker.held = 1;
    worker.dropped[static_cast<std::size_t>(core::DropReason::kBadSip)] = 3;
    worker.transactions = 17;
    worker.transactions_evicted = 2;
    worker.turns = 99;
    worker.longest_turn_ns = 1500;
    return worker;
}

Report busy_report() {
    DispatcherOptions options;
    options.latency_stats = true;
    options.call_load = true;
    FakeControl control(std::move(options));
    control.load(
        {{1, "sip:10.0.0.1"}, {1, "sip:10.0.0.1"}, {2, "sip:10.0.0.2:5080"}, {3, "sip:10.0.0.3"}});
    control.shown.workers = {busy_worker(), busy_worker()};
    control.shown.calls = {41, 6};
    control.shown.ports = {{"edge", "net_af_packet0,iface=sl0", true, 1, 2, 3, 4, 5, 6, 7}};
    Config config;
    config.services.resize(1);
    config.services[0].name = "public";
    config.services[0].listen = {{*Endpoint::parse("10.77.0.1:5060"), ""}};
    Report report = make_report(config, control);
    for (SetReport& set : report.sets) {
        if (set.id == 2) {
            Latency& latency = set.destinations.at(0).latency;
            latency.samples = 11;
            latency.count = 10'000;
        }
        if (set.id == 3) set.destinations.at(0).uri = clean_text("sip:u\"\\<b>\n\xff@10.0.0.3");
    }
    report.probes.started = 12;
    report.probes.timed_out = 5;
    report.probes.rounds_missed = 4;
    report.reloads = {3, 1, 1'700'000'100, false, 2};
    return report;
}

TEST(Metrics, say_what_the_report_says) {
    const std::string text = metrics_text(busy_report());
    for (const char* line : {
             "siplane_frames_received_total{worker=\"0\"} 111\n",
             "siplane_frames_received_total{worker=\"1\"} 111\n",
             "siplane_frames_forwarded_total{worker=\"0\"} 100\n",
             "siplane_transactions{worker=\"1\"} 17\n",
             "siplane_transactions_evicted_total{worker=\"0\"} 2\n",
             "siplane_frames_held{worker=\"0\"} 1\n",
             "siplane_frames_dropped_total{worker=\"1\",reason=\"bad_sip\"} 3\n",
             "siplane_frames_dropped_total{worker=\"1\",reason=\"tx_full\"} 0\n",
             "siplane_port_up{port=\"edge\",device=\"net_af_packet0,iface=sl0\"} 1\n",
             "siplane_port_transmit_errors_total{port=\"edge\",device=\"net_af_packet0,iface=sl0\"}"
             " 7\n",
             "siplane_probes_sent_total 12\n",
             "siplane_probe_rounds_missed_total 4\n",
             "siplane_probe_results_total{result=\"timed_out\"} 5\n",
             "siplane_reloads_total{result=\"good\"} 3\n",
             "siplane_reloads_total{result=\"refused\"} 1\n",
             "siplane_last_reload_successful 0\n",
             "siplane_table_refused_rows 2\n",
             "siplane_start_time_seconds 1700000000\n",
             "siplane_generation 7\n",
             "siplane_set_destinations{set=\"1\",state=\"active\"} 2\n",
             "siplane_set_selectable_destinations{set=\"1\"} 2\n",
             "siplane_destination_up{set=\"1\",uri=\"sip:10.0.0.1\"} 1\n",
             "siplane_destination_up{set=\"1\",uri=\"sip:10.0.0.1\",copy=\"2\"} 1\n",
             "siplane_destination_state{set=\"2\",uri=\"sip:10.0.0.2:5080\",state=\"AX\"} 1\n",
             "siplane_destination_probe_replies_total{set=\"2\",uri=\"sip:10.0.0.2:5080\"} 11\n",
             "siplane_calls 41\n",
             "siplane_calls_refused_total 6\n",
             "siplane_destination_calls{set=\"2\",uri=\"sip:10.0.0.2:5080\"} 0\n",
             "siplane_destination_up{set=\"3\",uri=\"sip:u\\\"\\\\<b>??@10.0.0.3\"} 1\n",
             "siplane_destination_series_left_out 0\n",
         }) {
        EXPECT_TRUE(holds(text, line)) << line << "\n" << text;
    }
}

TEST(Metrics, please_promtool) {
    if (!test::have_program("promtool")) GTEST_SKIP() << "needs promtool (Debian: prometheus)";
    const test::Outcome good =
        test::run_program("promtool check metrics", metrics_text(busy_report()));
    EXPECT_EQ(good.status, 0) << good.output;
    EXPECT_EQ(good.output, "");
    const test::Outcome bad =
        test::run_program("promtool check metrics", "siplane_x{a=\"\xff\"} 1\n");
    EXPECT_NE(bad.status, 0) << "promtool finds nothing, so the check above says nothing";
}

TEST(Metrics, are_in_the_manual) {
    std::ifstream file(SIPLANE_SOURCE "/docs/monitoring.md");
    const std::string manual(std::istreambuf_iterator<char>(file), {});
    std::istringstream metrics(metrics_text(busy_report()));
    std::size_t families = 0;
    for (std::string line; std::getline(metrics, line);) {
        if (!line.starts_with("# TYPE ")) continue;
        const std::string name = line.substr(7, line.find(' ', 7) - 7);
        EXPECT_TRUE(holds(manual, "`" + name + "`")) << name;
        ++families;
    }
    EXPECT_GT(families, 50u);
}

TEST(Metrics, example_rules_are_rules) {
    if (!test::have_program("promtool")) GTEST_SKIP() << "needs promtool (Debian: prometheus)";
    const test::Outcome out =
        test::run_program("promtool check rules " SIPLANE_SOURCE "/docs/prometheus-rules.yml", "");
    EXPECT_EQ(out.status, 0) << out.output;
    // Each metric they name is one of ours.
    std::ifstream file(SIPLANE_SOURCE "/docs/prometheus-rules.yml");
    const std::string rules(std::istreambuf_iterator<char>(file), {});
    const std::string ours = metrics_text(busy_report());
    const std::regex name("siplane_[a-z_]+");
    std::size_t named = 0;
    for (std::sregex_iterator at(rules.begin(), rules.end(), name), end; at != end; ++at) {
        EXPECT_TRUE(holds(ours, "# TYPE " + at->str() + " ")) << at->str();
        ++named;
    }
    EXPECT_GT(named, 8u);
}

TEST(Metrics, stay_bounded_with_many_destinations) {
    FakeControl control;
    std::vector<std::pair<std::int64_t, std::string>> rows;
    const auto add = [&](std::size_t i) {
        rows.emplace_back(1, "sip:10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250));
    };
    for (std::size_t i = 0; i < kDestinationsShown; ++i) add(i);
    control.load(rows);
    std::string text = metrics_text(make_report(Config{}, control));
    EXPECT_TRUE(holds(text, "siplane_destination_series_left_out 0\n"));
    EXPECT_TRUE(holds(text, "siplane_destination_up{set=\"1\",uri=\"sip:10.0.7.249\"} 1\n"));

    add(kDestinationsShown);
    control.load(rows);
    const Report report = make_report(Config{}, control);
    text = metrics_text(report);
    EXPECT_TRUE(holds(text, "siplane_destination_series_left_out 1\n"));
    EXPECT_TRUE(holds(text, "siplane_destinations 2001\n"));
    EXPECT_TRUE(holds(text, "siplane_set_destinations{set=\"1\",state=\"active\"} 2001\n"));
    EXPECT_FALSE(holds(text, "siplane_destination_up{"));
    EXPECT_LT(text.size(), 32u * 1024);
    EXPECT_TRUE(holds(status_page(report), "too many to show one by one"));
}

TEST(Metrics, stay_bounded_with_many_sets) {
    FakeControl control;
    std::vector<std::pair<std::int64_t, std::string>> rows;
    for (std::size_t i = 0; i <= kSetsShown; ++i) {
        rows.emplace_back(static_cast<std::int64_t>(i), "sip:10.0.0.1");
    }
    control.load(rows);
    const std::string text = metrics_text(make_report(Config{}, control));
    EXPECT_TRUE(holds(text, "siplane_sets 2001\n"));
    EXPECT_FALSE(holds(text, "siplane_set_destinations{"));
    EXPECT_LT(text.size(), 32u * 1024);
}

TEST(StatusPage, shows_states_drops_and_problems) {
    Report report = busy_report();
    std::string page = status_page(report);
    for (const char* part :
         {"<title>siplane</title>", "generation 7", "Healthy", "sip:10.0.0.2:5080",
          "10.77.0.1:5060", "bad_sip", "not SIP, or so malformed", "was refused", "edge",
          "width=device-width"}) {
        EXPECT_TRUE(holds(page, part)) << part;
    }
    EXPECT_FALSE(holds(page, "tx_full")) << "a reason that never came";
    report.problem = "worker <0> stands";
    page = status_page(report);
    EXPECT_TRUE(holds(page, "Not healthy: worker &lt;0&gt; stands"));
}

TEST(StatusPage, loads_nothing_and_escapes_everything) {
    FakeControl control;
    control.load({{1, "sip:10.0.0.1"}});
    control.shown.ports = {{"<b>", "dev\"<i>", true}};
    Config config;
    config.services.resize(1);
    config.services[0].name = "<img>";
    Report report = make_report(config, control);
    report.sets.at(0).destinations.at(0).uri = "sip:10.0.0.1;x=<script>alert(1)</script>'\"";
    const std::string page = status_page(report);
    ASSERT_TRUE(holds(page, "&lt;script&gt;alert(1)&lt;/script&gt;&#39;&quot;")) << page;
    for (const char* part : {"<script", "<b>&lt;", "<img", "<i>", "src=", "http://", "https://",
                             "url(", "@import", "<link"}) {
        EXPECT_FALSE(holds(page, part)) << part;
    }
}

}  // namespace
}  // namespace lb::cp
