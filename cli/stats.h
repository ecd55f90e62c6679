#pragma once

// `siplanectl stats`: the reply of siplane.stats for people, and its tab-separated twin for
// scripts.

#include <string>

#include "cp/rpc/value.h"
#include "dp/base/result.h"

namespace lb::cli {

// Aligned: totals, drops that happened (all of them with `all`) with what to check, ports.
Result<std::string> stats_for_people(const rpc::Reply& reply, bool all);

// Stable lines: "total<TAB>received<TAB>5", "drop<TAB>bad_frame<TAB>0",
// "worker<TAB>0<TAB>received<TAB>5", "port<TAB>edge<TAB>rx_packets<TAB>5".
Result<std::string> stats_for_scripts(const rpc::Reply& reply);

}  // namespace lb::cli
