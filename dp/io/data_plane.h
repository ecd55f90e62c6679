#pragma once

// The data plane as one object: devices, TAP twins, workers and their threads, composed from
// configuration. DPDK-free, for the control plane.
//
// Order of life: Eal, DataPlane::create(), [first tables from interfaces()], start(), stop(),
// destruction. Threads: all calls on the control thread; workers run on DPDK's worker lcores, or,
// with one lcore
//          only, on a thread beside the control thread on that core.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dp/base/result.h"
#include "dp/core/counters.h"
#include "dp/io/eal.h"
#include "dp/io/slow_path.h"
#include "dp/io/trace.h"
#include "dp/io/worker.h"
#include "dp/table/network.h"
#include "dp/table/snapshot.h"
#include "dp/table/tables.h"

namespace lb::io {

// One [[port]] entry. Entries that name the same device share it, each with its own VLAN.
struct InterfaceConfig {
    std::string name;
    std::string device;  // as PortConfig::device; arguments need to stand in the first entry only
    std::uint16_t vlan = net::kNoVlan;
    std::uint16_t mtu = 1500;
    std::string tap;  // name of the kernel twin; empty: no exception path
    bool promiscuous = false;
    std::optional<MacAddress> mac;
};

struct DataPlaneConfig {
    std::vector<InterfaceConfig> interfaces;  // in the order of table::InterfaceIndex
    RouteFunction route = nullptr;            // core::route
    IdleMode idle = IdleMode::kAdaptive;
    std::size_t transactions = kTransactionsDefault;  // that each worker remembers
    bool spread = false;         // messages to the worker that owns their call (dp/io/spread.h)
    unsigned mbufs = 0;          // receive buffers; 0: as many as rings and queues can hold
    unsigned jumbo_mbufs = 256;  // whole datagrams in flight
    std::uint16_t rx_descriptors = 1024;
    std::uint16_t tx_descriptors = 1024;
};

struct DeviceStats {
    std::string device;
    PortStats stats;
};

class DataPlane {
public:
    static Result<std::unique_ptr<DataPlane>> create(const Eal& eal, const DataPlaneConfig& config);
    ~DataPlane();  // stops
    DataPlane(const DataPlane&) = delete;
    DataPlane& operator=(const DataPlane&) = delete;

    // What the network table needs: device index, VLAN, MAC and MTU of each entry; addresses are
    // the caller's.
    std::vector<table::Interface> interfaces() const;

    // The snapshot outlives the data plane, or stop() is called before it goes.
    Status start(const table::Snapshot<table::Tables>& snapshot);
    // Returns when each worker has finished its turn and sent what it held.
    void stop();

    std::size_t workers() const noexcept;
    core::CounterValues counters(std::size_t worker) const noexcept;  // zero before start()
    core::TrafficValues traffic(std::uint32_t slot) const noexcept;   // of all workers
    std::uint64_t path_mtus_learned() const noexcept;                 // core::PathMtus::learned()
    std::vector<DeviceStats> device_stats() const;
    SlowPath& slow_path() noexcept;
    Tracing& tracing() noexcept;

private:
    struct Impl;
    explicit DataPlane(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace lb::io
