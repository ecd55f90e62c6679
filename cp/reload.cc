#include "cp/reload.h"

#include <algorithm>
#include <ctime>
#include <string>
#include <utility>

#include "cp/appliance_setup.h"
#include "cp/log.h"
#include "cp/notify.h"
#include "cp/row_reader.h"
#include "cp/tables_builder.h"

namespace lb::cp {
namespace {

constexpr std::size_t kBadRowsLogged = 20;

void log_lines(LogLevel level, const char* event, const char* key,
               const std::vector<std::string>& lines) {
    for (std::size_t i = 0; i < std::min(kBadRowsLogged, lines.size()); ++i) {
        log(level, event, {{key, lines[i]}});
    }
}

}  // namespace

Status Reload::load(Dispatcher& into, bool all_or_nothing) {
    const auto start = Clock::now();
    auto report = parts_.source.load(parts_.config.dispatcher, into, all_or_nothing);
    if (!report) {
        log(LogLevel::kError, "table.refused", {{"reason", report.error().message}});
        return failed(std::move(report).error());
    }
    log_lines(LogLevel::kError, "table.bad_row", "reason", report->bad_rows);
    log_lines(LogLevel::kWarning, "table.row", "warning", report->warnings);
    counts_.refused_rows = report->bad_rows.size();
    const auto cost = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
    log(LogLevel::kInfo, "table.loaded",
        {{"destinations", std::to_string(report->loaded)},
         {"sets", std::to_string(into.sets().size())},
         {"bad", std::to_string(report->bad_rows.size())},
         {"ms", std::to_string(cost.count())}});
    return {};
}

Status Reload::load_first() {
    if (Status loaded = load(*parts_.dispatcher, false); !loaded) return loaded;
    parts_.prober->destinations_changed();
    return parts_.publisher->publish(Publisher::kAll);
}

Status Reload::table() {
    Status done = reload_table();
    count(done.has_value());
    return done;
}

Status Reload::reload_table() {
    if (Status loaded = load(*parts_.dispatcher, true); !loaded) return loaded;
    parts_.prober->destinations_changed();
    return parts_.publisher->publish(Publisher::kTable);
}

void Reload::all() {
    notify_reloading();
    const Status done = reload_config();
    count(done.has_value());
    if (!done) {
        log(LogLevel::kError, "reload.refused", {{"reason", done.error().message}});
    } else {
        log(LogLevel::kInfo, "reload.done",
            {{"generation", std::to_string(parts_.publisher->tables().generation)}});
    }
    last_ = Clock::now();
    notify("READY=1");
}

// Everything that may change while traffic flows. What needs a restart is put back before anything
// is derived from it or checked against it: a service without `listen` stays on the addresses that
// the ports have now.
Result<Config> Reload::next_config() const {
    auto written = read_config(parts_.config.file);
    if (!written) return written;
    if (auto at_start = completed(*written); !at_start) return at_start;  // or a restart would fail
    for (const std::string& what : needs_restart(parts_.config, *written)) {
        log(LogLevel::kWarning, "config.needs_restart", {{"section", what}});
    }
    auto next = completed(merge_reloadable(parts_.config, std::move(*written)));
    if (!next) {
        Error error = std::move(next).error();
        error.message += "; what needs a restart counts as it is now";
        return failed(std::move(error));
    }
    for (const std::string& warning : next->warnings) {
        log(LogLevel::kWarning, "config.warning", {{"text", warning}});
    }
    return next;
}

Status Reload::reload_config() {
    auto read = next_config();
    if (!read) return failed(std::move(read).error());
    Config next = std::move(*read);
    const bool same = same_model(parts_.config, next);
    const Status done = same ? keep_model(std::move(next)) : change_model(std::move(next));
    if (done) set_up_log(parts_.config.log);
    return done;
}

// Answers in the cache keep the life they were given.
void Reload::set_dns_ttl() {
    parts_.dns.set_ttl_override(dns_options(parts_.config.dispatcher).ttl_override_s);
}

Status Reload::keep_model(Config next) {
    std::swap(parts_.config, next);
    parts_.publisher->set_verify_checksums(parts_.config.verify_checksums);
    set_dns_ttl();
    if (Status loaded = reload_table(); !loaded) {
        std::swap(parts_.config, next);
        parts_.publisher->set_verify_checksums(parts_.config.verify_checksums);
        set_dns_ttl();
        return loaded;
    }
    parts_.reconfigure_prober();  // listeners are as they were
    return {};
}

// Listeners or options of the model changed: a new one, which takes over the states as any reload
// does. Pings under way are forgotten, and rounds begin anew.
Status Reload::change_model(Config next) {
    std::unique_ptr<Dispatcher> model = parts_.dispatcher->clone(parts_.model_options(next));
    std::swap(parts_.config, next);
    set_dns_ttl();
    Status applied = load(*model, true);
    if (applied) applied = parts_.sockets.listen(kernel_listeners(parts_.config));
    if (!applied) {
        std::swap(parts_.config, next);
        set_dns_ttl();
        return applied;
    }
    parts_.replace_dispatcher(std::move(model));
    parts_.prober->start();
    parts_.publisher->set_verify_checksums(parts_.config.verify_checksums);
    return parts_.publisher->publish(Publisher::kTable | Publisher::kNetwork);
}

Status Reload::add(const DestinationRow& row) {
    const Resolver resolve = parts_.source.resolver(parts_.config.dispatcher);
    if (Status added = parts_.dispatcher->add(row, resolve); !added) {
        // Kamailio's answer to some of these is Ok, so that the log alone says what is true.
        log(LogLevel::kWarning, "table.bad_row", {{"reason", added.error().message}});
        return added;
    }
    for (const std::string& remark : remarks_of(row, parts_.dispatcher->options())) {
        log(LogLevel::kWarning, "table.row",
            {{"warning", row.origin + ": " + row.destination + ": " + remark}});
    }
    parts_.prober->destinations_changed();
    return parts_.publisher->publish(Publisher::kTable);
}

Status Reload::remove(std::int32_t setid, std::string_view uri) {
    if (Status removed = parts_.dispatcher->remove(setid, uri); !removed) return removed;
    parts_.prober->destinations_changed();
    return parts_.publisher->publish(Publisher::kTable);
}

Result<std::unique_ptr<const table::Dispatch>> Reload::preview() {
    const std::unique_ptr<Dispatcher> model = parts_.dispatcher->clone();
    const auto report = parts_.source.load(parts_.config.dispatcher, *model, true);
    if (!report) return failed(report.error());
    DispatchCarry carry;
    carry.workers = parts_.data_plane->workers();
    carry.seed = parts_.secret.table.k0;
    return build_dispatch(parts_.config, *model, carry);
}

bool Reload::try_start() {
    const std::chrono::seconds delta(parts_.config.dispatcher.reload_delta);
    const auto now = Clock::now();
    if (last_ && now - *last_ < delta) return false;
    last_ = now;
    return true;
}

void Reload::count(bool good) {
    ++(good ? counts_.good : counts_.refused);
    counts_.last_good = good;
    counts_.last_time = std::time(nullptr);
}

}  // namespace lb::cp
