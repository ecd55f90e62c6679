#pragma once

// siplane.trace: one trace at a time. Takes the workers' copies, keeps the last lines for whoever
// watches, and writes the frames to a capture file.
//
// Threads: the control thread only; the workers' side is behind TraceSource.
// Bounds:  time, messages and bytes by TraceRequest; kLinesKept lines.
// Cost:    while a trace runs, a look at the workers' rings every kPeriod; nothing otherwise.

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cp/trace_file.h"
#include "cp/trace_line.h"
#include "cp/trace_request.h"
#include "dp/base/result.h"

namespace lb::cp {

// Where messages come from: io::Tracing, or a test. All five are needed.
struct TraceSource {
    using Take = std::function<void(const core::TracedMessage&)>;
    std::function<void(const core::TraceFilter&)> start;
    std::function<void()> stop;  // nothing more comes after it, but drain() gives what is left
    std::function<void(const Take&)> drain;
    std::function<std::uint64_t()> lost;
    std::function<const table::Tables&()> tables;
};

struct TraceStatus {
    std::int32_t id = 0;  // 0: there has been no trace; else that of the last one
    bool running = false;
    std::string ended;  // why it does not run any more: "seconds", "count", "stopped" ...
    TraceRequest request;
    double seconds_left = 0;
    std::uint64_t messages = 0;
    std::uint64_t lost = 0;   // matched, but came faster than they were taken
    std::uint64_t bytes = 0;  // in the file
    std::string file;         // its path; empty: none
};

class Tracer {
public:
    static constexpr std::chrono::milliseconds kPeriod{20};
    static constexpr std::size_t kLinesKept = 2000;

    Tracer(asio::io_context& io, TraceSource source);
    ~Tracer();  // stops
    Tracer(const Tracer&) = delete;
    Tracer& operator=(const Tracer&) = delete;

    // `directory`: where its file goes, if it wants one. Refused while another one runs.
    Status start(TraceRequest request, const std::string& directory);
    void stop();  // what has matched until now is taken first

    TraceStatus status() const;
    // Up to `max` lines with a number above `after`, oldest first; older ones than are kept are
    // left out.
    std::vector<TraceLine> lines(std::uint64_t after, std::size_t max) const;

private:
    void wait();
    void look();
    void take(const core::TracedMessage& message);
    Status write(const core::TracedMessage& message, const Described& described);
    void end(const std::string& why);

    TraceSource source_;
    asio::steady_timer timer_;
    TraceStatus status_;
    std::chrono::steady_clock::time_point deadline_;
    std::optional<TraceFile> file_;
    std::size_t interfaces_ = 0;  // of the file; the last one is for frames of none
    std::string ending_;          // a bound was reached: why
    std::deque<TraceLine> lines_;
    TraceDestinations destinations_;
};

}  // namespace lb::cp
