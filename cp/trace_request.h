#pragma once

// What a trace shall follow, and for how long, from the words of a command.

#include <cstdint>
#include <string>
#include <vector>

#include "dp/base/result.h"
#include "dp/core/message_trace.h"

namespace lb::cp {

struct TraceRequest {
    static constexpr std::uint64_t kSecondsMax = 3600;
    static constexpr std::uint64_t kCountMax = 1'000'000;
    static constexpr std::uint64_t kBytesMin = 4096, kBytesMax = std::uint64_t{1} << 30;

    core::TraceFilter filter;  // empty: all
    std::uint64_t seconds = 60;
    std::uint64_t count = 1000;              // messages
    std::uint64_t bytes = 16 * 1024 * 1024;  // of the file
    std::string file;                        // a plain name; empty: no file
};

// callid=TEXT src=PEER dst=PEER all seconds=N count=N bytes=N file=NAME, in any order. The error
// names the word, and what is allowed.
Result<TraceRequest> parse_trace_request(const std::vector<std::string>& words);

}  // namespace lb::cp
