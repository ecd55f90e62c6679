#pragma once

// `siplanectl trace`: starts a trace at the daemon, prints each message as it passes, stops it.

#include <string>

#include "cp/rpc/client.h"
#include "cp/rpc/value.h"
#include "dp/base/result.h"

namespace lb::cli {

struct TraceOptions {
    std::string call_id, source, destination;
    bool all = false;
    int seconds = 300;
    int count = 10'000;  // messages
    std::string output;  // a capture file to be made; empty: none
    bool json = false;   // a line of JSON a message
};

// What siplane.trace is asked for. `file`: its name at the daemon, empty: none.
std::vector<rpc::Value> trace_words(const TraceOptions& options, const std::string& file);

// One message as text: a line for what came with its decision, and one for what went.
std::string trace_text(const rpc::Value& line);

// Runs until the trace ends, or Ctrl-C ends it. The daemon's last word, or its fault; an error
// kNotFound: the capture file cannot be made.
Result<rpc::Reply> run_trace(rpc::Client& client, const TraceOptions& options);

}  // namespace lb::cli
