#pragma once

// Lets other threads have something done on the control thread, and wait for it.
//
// Threads: run() from any but the control thread; close() from the control thread.
// Bounds:  whoever waits is a thread of its own, so no more tasks wait than there are such threads.

#include <chrono>
#include <functional>
#include <memory>

namespace asio {
class io_context;
}

namespace lb::cp {

class Handover {
public:
    // `io` outlives this.
    explicit Handover(asio::io_context& io);
    ~Handover();
    Handover(const Handover&) = delete;
    Handover& operator=(const Handover&) = delete;

    // True: the task has run to its end. False: it did not begin within `patience`, or close() was
    // called; it will never run. So it may refer to what is on the caller's stack.
    bool run(std::function<void()> task, std::chrono::milliseconds patience);

    // From now on nothing runs, and everybody who waits is let go.
    void close();

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace lb::cp
