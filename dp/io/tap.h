#pragma once

// The kernel's twin of one interface: a TAP device with the port's MAC and MTU. What we write
// arrives there; what the kernel sends there we read and put on the wire.
//
// Why our own and not net_tap: Debian's DPDK has room for 32 ports in all, and each interface
// (VLAN) has a twin; net_tap asks for a mbuf ring per queue and wakes by real-time signals, while a
// descriptor of our own can sleep in the worker's epoll. Both cost one system call per frame.
//
// Threads: write() by any worker (the kernel takes frames from several writers); read() by one
// worker, the
//          first, so that what the kernel sends stays in order. create() and destruction on the
//          control thread.
// Cost:    write() runs the kernel's receive path on the caller's core, 1 to 5 us: workers limit
// their rate
//          (PuntBudget in worker.h), so that a flood of other traffic cannot stop SIP.

#include <cstdint>
#include <string>

#include "dp/base/address.h"
#include "dp/base/bytes.h"
#include "dp/base/result.h"

namespace lb::io {

class Tap {
public:
    // Makes the device, up, without addresses (those are the control plane's). It goes away with
    // the object. Needs CAP_NET_ADMIN. `name` at most 15 characters.
    static Result<Tap> create(const std::string& name, const MacAddress& mac, std::uint16_t mtu);
    ~Tap();
    Tap(Tap&& other) noexcept;
    Tap& operator=(Tap&&) = delete;

    const std::string& name() const noexcept { return name_; }
    unsigned kernel_index() const noexcept { return kernel_index_; }
    int fd() const noexcept { return fd_; }

    // False: the kernel did not take it (device down, queue full).
    bool write(ConstBytes frame) const noexcept;
    // The same for a frame in two pieces (a VLAN tag between them taken out).
    bool write(ConstBytes head, ConstBytes tail) const noexcept;
    // Bytes read into `room`, 0 when nothing waits. REQUIRES: room for MTU + 18.
    std::size_t read(Bytes room) const noexcept;

private:
    Tap(std::string name, int fd) noexcept : name_(std::move(name)), fd_(fd) {}
    Status set_up(const MacAddress& mac, std::uint16_t mtu);

    std::string name_;
    int fd_;
    unsigned kernel_index_ = 0;
};

}  // namespace lb::io
