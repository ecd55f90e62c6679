#pragma once

// A Report in the text form of Prometheus (exposition format 0.0.4). The names are an outside
// interface: docs/monitoring.md lists them, dashboards rely on them.
//
// Bounds:  the series of ports, workers and drop reasons, plus those of the destinations that the
//          Report shows one by one: some 12 000 lines at most.
// Threads: any.

#include <string>

#include "cp/report.h"

namespace lb::cp {

std::string metrics_text(const Report& report);

}  // namespace lb::cp
