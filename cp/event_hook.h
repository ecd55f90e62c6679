#pragma once

// Runs the operator's command when a probe takes a destination out of service or back: what
// event_route[dispatcher:dst-down] and dst-up are in a Kamailio script.
//
//   COMMAND down|up SET URI OLD NEW        e.g.  /etc/siplane/notify down 2 sip:10.0.0.7:5060 TP IP
//
// The program is started without a shell, with no input, and is never waited for: what a URI holds
// is one argument and nothing more.
//
// Bounds:  kRunningMax at a time, kStartsPerSecond, kQueueMax waiting (more are dropped and
// counted); one that runs
//          longer than kRunMaxSeconds is killed.
// Threads: the control thread only. Cost: run() queues; starting one is a vfork.
// Errors:  counted in EventHookStats, and told one by one.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace asio {
class io_context;
}

namespace lb::cp {

struct DestinationEvent {
    bool down = false;
    std::int32_t setid = 0;
    std::string uri;
    std::string old_state, new_state;  // "TP", "IP"
};

// A run that did not end well.
struct EventFailure {
    const std::string& command;
    const DestinationEvent& event;
    std::string reason;  // "No such file or directory", "exit status 3", "signal 9"
};

struct EventHookStats {
    std::uint64_t started = 0;
    std::uint64_t dropped = 0;   // the queue was full
    std::uint64_t failed = 0;    // could not be started
    std::uint64_t bad_exit = 0;  // ended with a status other than 0, or by a signal
};

class EventHook {
public:
    static constexpr std::size_t kRunningMax = 8;
    static constexpr std::size_t kQueueMax = 1024;
    static constexpr int kStartsPerSecond = 20;
    static constexpr int kRunMaxSeconds = 30;

    // `command`: path of a program; empty: run() does nothing. `run_max_seconds`: for tests.
    EventHook(asio::io_context& io, std::string command, int run_max_seconds = kRunMaxSeconds);
    // Forgets what is waiting, and leaves those running alone.
    ~EventHook();

    void set_command(std::string command);
    // Called for each run that failed, from run() or the io_context: at most kStartsPerSecond times
    // a second in the long run. REQUIRES: does not call run().
    void on_failure(std::function<void(const EventFailure&)> tell);
    void run(DestinationEvent event);
    const EventHookStats& stats() const noexcept;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace lb::cp
