#pragma once

// The appliance: everything the daemon is made of, put together from a configuration and run.
//
//   desired state (config, rows) + health + network -> Publisher -> Snapshot -> workers
//
// Threads: made, run and destroyed on one thread, the control thread (DPDK's main lcore), which
// sleeps when nothing
//          happens. Workers run on the other lcores.
// Lifetime: one per process, as DPDK is.

#include <memory>

#include "cp/config.h"
#include "cp/control.h"
#include "dp/base/result.h"

namespace lb::cp {

class Appliance final : public Control {
public:
    // Starts DPDK, opens ports, twins, sockets and the table; no traffic flows yet. The error is a
    // sentence for the operator.
    static Result<std::unique_ptr<Appliance>> create(Config config);
    ~Appliance() override;

    // Serves until SIGTERM or SIGINT. SIGHUP reloads configuration and table, SIGUSR1 logs the
    // counters.
    Status run();

    // Control
    Dispatcher& dispatcher() override;
    Status reload() override;
    Status add_destination(const DestinationRow& row) override;
    Status remove_destination(std::int32_t setid, std::string_view uri) override;
    void dispatcher_changed() override;
    std::int32_t ping_active() const override;
    void set_ping_active(std::int32_t state) override;
    bool try_start_reload() override;
    const table::Tables* tables() const override;
    Result<std::unique_ptr<const table::Dispatch>> preview_reload() override;
    core::TrafficValues traffic(const Destination& destination) const override;
    std::vector<DrainState> draining() override;
    Tracer* tracer() override;
    std::string trace_directory() const override;
    Stats stats() const override;
    std::int64_t start_time() const override;

private:
    struct Impl;
    explicit Appliance(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace lb::cp
