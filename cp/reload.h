#pragma once

// The table and the configuration, loaded again while traffic flows: all of it or nothing, so that
// a bad row or a bad key leaves everything as it was, and says why (design.md section 11).
//
// Threads: the control thread only. Waits for names as TableSource does.

#include <chrono>
#include <memory>
#include <optional>

#include "cp/appliance_parts.h"
#include "cp/report.h"

namespace lb::cp {

// Every way in which the table changes as a whole, or by a row, and what is known of those changes.
class Reload {
public:
    // `parts` outlives it.
    explicit Reload(ApplianceParts& parts) : parts_(parts) {}

    // At the start: the first load, which leaves bad rows out instead of failing for them.
    Status load_first();
    // The table, from its source as configured now: RPC dispatcher.reload. Counted.
    Status table();
    // Configuration and table: SIGHUP. Counted, logged, and said to systemd.
    void all();
    // One row. Published at once.
    Status add(const DestinationRow& row);
    Status remove(std::int32_t setid, std::string_view uri);

    // What table() would publish. On a copy of the model, so that states which a reload keeps are
    // kept, and a bad row is named as the reload would name it. Loads of algorithm 10 stay out.
    Result<std::unique_ptr<const table::Dispatch>> preview();

    // False within reload_delta seconds of the last change; stamps the clock otherwise.
    bool try_start();
    const ReloadCounts& counts() const noexcept { return counts_; }

private:
    using Clock = ApplianceParts::Clock;

    Status load(Dispatcher& into, bool all_or_nothing);
    Status reload_table();
    Result<Config> next_config() const;
    Status reload_config();
    void set_dns_ttl();
    Status keep_model(Config next);
    Status change_model(Config next);
    void count(bool good);

    ApplianceParts& parts_;
    ReloadCounts counts_;
    std::optional<Clock::time_point> last_;
};

}  // namespace lb::cp
