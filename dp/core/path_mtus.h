#pragma once

// What routers said about paths that take less than our own links (RFC 8201): the MTU on the way to
// an IPv6 address. One table for all workers, since a router's message comes to any of them.
//
// Bounds:  kSlots addresses, each in the slot that its hash names; a newer one takes the place of
//          an older. Whoever forges such messages makes us send fragments of 1280 bytes or forget
//          what we knew, and each costs him a packet.
// Threads: any number of workers learn and find; every access is one atomic word.
// Cost:    O(1).

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "dp/base/address.h"

namespace lb::core {

class PathMtus {
public:
    static constexpr std::size_t kSlots = 1024;
    // A path may have changed by then; the next large packet asks again (RFC 8201 4).
    static constexpr std::uint64_t kLifeSeconds = 600;

    // An MTU never grows by a message (RFC 8201 4). `now_ms`: WorkerState::now_ms.
    void learn(const IpAddress& target, std::uint16_t mtu, std::uint64_t now_ms) noexcept;
    // 0: nobody said anything about it.
    std::uint16_t find(const IpAddress& target, std::uint64_t now_ms) const noexcept;

    // Messages of routers that were believed.
    std::uint64_t learned() const noexcept { return learned_.load(std::memory_order_relaxed); }

private:
    std::array<std::atomic<std::uint64_t>, kSlots> slots_{};
    std::atomic<std::uint64_t> learned_{0};
};

}  // namespace lb::core
