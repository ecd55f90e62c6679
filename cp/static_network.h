#pragma once

// What the configuration alone says of the network: for ports without a kernel twin (benchmarks,
// closed labs) all there is, for the others what the kernel is told at start.
//
// Pure. Threads: any.

#include <vector>

#include "cp/config.h"
#include "dp/table/network.h"

namespace lb::cp {

// Behind any default route of the host's own, as for twins (netlink.cc).
inline constexpr std::uint32_t kGatewayMetric = 4096;

// Adds addresses, their on-link routes, default routes and neighbours of every port without `tap`
// to `state`. REQUIRES: state.interfaces is indexed as `ports`.
void add_static_network(const std::vector<PortConfig>& ports, table::NetworkState& state);

}  // namespace lb::cp
