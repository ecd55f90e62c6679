#pragma once

// The kernel side of our ports: twins get their addresses, gateways and static neighbours, and what
// the kernel then knows of them is read into the network table as it changes.
//
// Threads: the control thread only.
// Bounds:  kWantedMax next hops are kept fresh (the kernel's own table holds 1024 neighbours by
// default).

#include <functional>
#include <memory>
#include <vector>

#include "cp/config.h"
#include "cp/netlink.h"
#include "dp/base/result.h"
#include "dp/table/tables.h"

namespace asio {
class io_context;
}

namespace lb::cp {

class KernelTwins {
public:
    static constexpr std::size_t kWantedMax = 900;

    // REQUIRES: the TAP devices that `ports` name exist. `changed` is called when the network table
    // would differ. A twin that goes down and comes up again is given its part again; none that was
    // set down is set up.
    static Result<std::unique_ptr<KernelTwins>> create(asio::io_context& io,
                                                       const std::vector<PortConfig>& ports,
                                                       std::function<void()> changed);
    ~KernelTwins();
    KernelTwins(const KernelTwins&) = delete;
    KernelTwins& operator=(const KernelTwins&) = delete;

    // All of the network: kernel and configuration. `interfaces`: as the data plane has them.
    table::NetworkState state(std::vector<table::Interface> interfaces) const;

    // Kernel index of the twin; 0: none.
    unsigned device_of(table::InterfaceIndex interface) const noexcept;
    // True for the kernel index of a twin.
    bool is_twin(unsigned device) const noexcept;

    // Tells the kernel which next hops are in use: gateways, destinations, and `recent` ones.
    void want(const table::Tables& tables, const std::vector<NextHop>& recent);
    // Every 15 seconds or so: a twin whose part the kernel did not take whole gets it again, and
    // neighbours are kept fresh for kernels that do not do so by themselves.
    void refresh();

private:
    struct Impl;
    explicit KernelTwins(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

}  // namespace lb::cp
