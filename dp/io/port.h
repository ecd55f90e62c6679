#pragma once

// One DPDK device: found or hot-plugged by name, configured, started. A device may carry several of
// our interfaces (VLANs), which the port does not know about.
//
// Threads:  create(), stop() and stats() on the control thread; receive and transmit on the worker
// that
//           owns the queue. A device with fewer transmit queues than workers shares its queues
//           under a lock (send() takes it); one with fewer receive queues leaves the later workers
//           without.
// Offloads: only those the device says it has. UDP and IPv4 checksums on transmit
// (checksum_offload()),
//           checksum verdicts on receive, RSS over addresses and ports.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dp/base/address.h"
#include "dp/base/result.h"
#include "dp/io/mbuf_pool.h"

struct rte_mbuf;

namespace lb::io {

struct PortConfig {
    // What DPDK calls it: "0000:3b:00.0", or a virtual device with its arguments,
    // "net_af_packet0,iface=eth1". A device named by --vdev or -a in the EAL args is found by its
    // name.
    std::string device;
    std::uint16_t queues = 1;  // receive and transmit queues wanted: one per worker
    std::uint16_t rx_descriptors = 1024;
    std::uint16_t tx_descriptors = 1024;
    std::uint16_t mtu = 1500;  // largest IP packet of any interface on the device
    bool promiscuous = false;
    std::optional<MacAddress> mac;  // set the device's address; absent: keep it
};

struct PortStats {
    bool link_up = false;
    std::uint64_t rx_packets = 0, rx_bytes = 0, rx_missed = 0, rx_errors = 0;
    std::uint64_t tx_packets = 0, tx_bytes = 0, tx_errors = 0;
};

class Port {
public:
    // Configures and starts the device. `pool` outlives the port.
    static Result<Port> create(const PortConfig& config, const MbufPool& pool);
    ~Port();
    Port(Port&&) noexcept;
    Port& operator=(Port&&) = delete;

    const std::string& device() const noexcept { return device_; }
    std::uint16_t id() const noexcept { return id_; }  // DPDK's port id
    MacAddress mac() const noexcept;
    std::uint16_t rx_queues() const noexcept { return rx_queues_; }
    bool checksum_offload() const noexcept { return checksum_offload_; }
    PortStats stats() const;

    // A descriptor that polls readable while frames wait in receive queue `queue`: an interrupt's
    // eventfd or the socket under an AF_PACKET or AF_XDP device. -1: the device has none.
    int wake_fd(std::uint16_t queue) const noexcept;
    // Around a sleep, for devices whose wake_fd is an interrupt; nothing for the others.
    void arm(std::uint16_t queue) const noexcept;
    void disarm(std::uint16_t queue) const noexcept;

    // Worker side. `queue` below rx_queues() for receive; any worker number for send.
    std::uint16_t receive(std::uint16_t queue, rte_mbuf** mbufs, std::uint16_t n) const noexcept;
    // Returns how many were taken, from the front; the rest stays the caller's.
    std::uint16_t send(std::uint16_t worker, rte_mbuf** mbufs, std::uint16_t n) noexcept;

private:
    struct Locks;
    Port(std::string device, std::uint16_t id, bool plugged);
    Status configure(const PortConfig& config, const MbufPool& pool);
    Status set_up_queues(const PortConfig& config, const MbufPool& pool);
    void find_wake_fds(const std::vector<int>& sockets);

    std::string device_;
    std::uint16_t id_;
    bool owns_ = true;
    bool plugged_;  // by us: unplugged again at the end, so that its name is free
    std::uint16_t rx_queues_ = 1;
    std::uint16_t tx_queues_ = 1;
    bool checksum_offload_ = false;
    bool interrupts_ = false;
    std::vector<int> wake_fds_;     // by receive queue
    std::unique_ptr<Locks> locks_;  // only where workers share transmit queues
};

}  // namespace lb::io
