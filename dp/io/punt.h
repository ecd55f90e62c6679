#pragma once

// Frames to the kernel and back through the TAP twins.
//
// Threads: one worker each.

#include <cstdint>
#include <vector>

#include "dp/core/counters.h"
#include "dp/io/tap.h"
#include "dp/io/worker.h"

namespace lb::io {

// How many frames a worker may hand to the kernel: a frame costs it 1 to 5 us there.
//
// Bounds: kPerMs a millisecond, and up to kBurstMax saved.
class PuntBudget {
public:
    static constexpr std::uint64_t kPerMs = 50;
    static constexpr std::uint64_t kBurstMax = 2048;

    bool take(std::uint64_t now_ms) noexcept {
        if (now_ms != last_ms_) refill(now_ms);
        if (left_ == 0) return false;
        --left_;
        return true;
    }

private:
    void refill(std::uint64_t now_ms) noexcept;

    std::uint64_t last_ms_ = 0;
    std::uint64_t left_ = kBurstMax;
};

// Writes the frame to the twin without its VLAN tag: the twin is the VLAN. kCount: done; else why
// not.
core::DropReason punt_frame(const Tap* twin, ConstBytes frame, bool tagged_interface) noexcept;

// Reads one frame of the kernel from the twin into the mbuf, with the interface's tag. False: none
// waits.
bool read_frame(const Tap& twin, std::uint16_t vlan, rte_mbuf* mbuf) noexcept;

}  // namespace lb::io
