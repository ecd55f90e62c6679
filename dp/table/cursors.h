#pragma once

// Where each worker stands in each set: the round-robin pointers of spec/dispatcher.md 2.4. They
// live beside the immutable tables and outlive a state change; a reload, add or remove starts with
// new ones (3.8).
//
// Bounds:  workers x sets x 16 bytes, allocated by the constructor.
// Threads: each worker uses its own row only; the control thread has the row behind the last
// worker's.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "dp/base/assert.h"

namespace lb::table {

struct Cursors {
    std::uint32_t last = 0;             // algorithms 4, 5, 13, 14, 64: an index of the set
    std::uint32_t weight = 0;           // 9: a slot of the weight table
    std::uint32_t relative_weight = 0;  // 11
    std::uint32_t priority_weight = 0;  // 15
};

class CursorBlock {
public:
    CursorBlock(std::size_t workers, std::size_t sets)
        : workers_(workers),
          sets_(sets),
          stride_((sets + 7) / 8 * 8 + 8),
          cursors_(std::make_unique<Cursors[]>((workers + 1) * stride_)) {}

    std::size_t workers() const noexcept { return workers_; }
    std::size_t sets() const noexcept { return sets_; }
    std::size_t memory_bytes() const noexcept { return (workers_ + 1) * stride_ * sizeof(Cursors); }

    // REQUIRES: worker <= workers(), set < sets(). Thread: that worker, or the control thread for
    // worker == workers().
    Cursors& at(std::size_t worker, std::size_t set) noexcept {
        LB_ASSERT(worker <= workers_ && set < sets_);
        return cursors_[worker * stride_ + set];
    }

private:
    std::size_t workers_;
    std::size_t sets_;
    std::size_t stride_;  // rows of different workers share no cache line
    std::unique_ptr<Cursors[]> cursors_;
};

}  // namespace lb::table
