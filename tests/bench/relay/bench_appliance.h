#pragma once

// The appliance of workload.h as tables in memory, for benches that call route() or its parts.

#include <memory>

#include "tests/support/appliance.h"

namespace lb::bench {

std::unique_ptr<test::Appliance> make_bench_appliance();

}  // namespace lb::bench
