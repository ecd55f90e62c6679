#pragma once

// How many log lines of one kind a second: so that what a script does ten thousand times a second
// neither fills the disk nor takes the control thread's time, and what an operator does once is
// always there.
//
// Threads: the control thread only.

#include <chrono>
#include <cstdint>
#include <utility>

namespace lb::cp {

// A count of lines that begins anew each second, and how many found no room since somebody asked.
class LineBudget {
public:
    using Clock = std::chrono::steady_clock;

    explicit LineBudget(unsigned lines_per_second) : lines_per_second_(lines_per_second) {}

    // Whether the next line is to be written.
    bool take(Clock::time_point now) {
        if (now - second_ >= std::chrono::seconds(1)) {
            second_ = now;
            lines_ = 0;
        }
        if (lines_ == lines_per_second_) {
            ++left_out_;
            return false;
        }
        ++lines_;
        return true;
    }
    // Lines that take() refused since the last call.
    std::uint64_t take_left_out() { return std::exchange(left_out_, 0); }

private:
    const unsigned lines_per_second_;
    Clock::time_point second_{};
    unsigned lines_ = 0;
    std::uint64_t left_out_ = 0;
};

}  // namespace lb::cp
