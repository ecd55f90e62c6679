#pragma once

// `siplanectl top`: what happens now. Two readings of siplane.stats and siplane.traffic an interval
// apart make a report; the report is shown, or printed as JSON.

#include <string>

#include "cp/rpc/client.h"
#include "cp/rpc/value.h"
#include "dp/base/result.h"

namespace lb::cli {

struct TopOptions {
    int rows = 20;
    int interval_seconds = 1;
    bool once = false;
    bool json = false;  // one report; implies `once`
};

// One reading of the daemon.
struct TopSample {
    double at_seconds = 0;  // on any clock that does not jump
    rpc::Value stats;       // of siplane.stats
    rpc::Value traffic;     // of siplane.traffic
};

// Rates a second between two readings; a counter that went back (a restart) counts as 0.
rpc::Value top_report(const TopSample& before, const TopSample& now);

// The report as text, without colours or cursor movements.
std::string top_view(const rpc::Value& report);

// Shows reports until Ctrl-C, `q` or an error; one only with `once` or `json`.
Status run_top(rpc::Client& client, const TopOptions& options);

}  // namespace lb::cli
