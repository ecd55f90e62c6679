#include "dp/io/port.h"

#include <poll.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_spinlock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace lb::io {

struct Port::Locks {
    std::vector<rte_spinlock_t> by_queue;
};

namespace {

Error device_error(const std::string& device, const std::string& what, int error) {
    return {Errc::kUnavailable,
            "device " + device + ": " + what + ": " + rte_strerror(error < 0 ? -error : error)};
}

std::string name_of(const std::string& device) { return device.substr(0, device.find(',')); }

// Packet and XDP sockets of this process. A driver's own sockets are those that appear while it
// sets up; they poll readable when its ring has frames, which is all the wake-up such a device
// offers.
std::vector<int> find_device_sockets() {
    std::vector<int> sockets;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
        const int fd = std::atoi(entry.path().filename().c_str());
        int domain = 0;
        socklen_t size = sizeof domain;
        if (::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) continue;
        if (domain == AF_PACKET || domain == AF_XDP) sockets.push_back(fd);
    }
    std::sort(sockets.begin(), sockets.end());
    return sockets;
}

std::vector<int> new_since(const std::vector<int>& before) {
    const std::vector<int> now = find_device_sockets();
    std::vector<int> fresh;
    std::set_difference(now.begin(), now.end(), before.begin(), before.end(),
                        std::back_inserter(fresh));
    return fresh;
}

struct Found {
    std::uint16_t id = 0;
    bool plugged = false;
};

Result<Found> find_or_plug(const std::string& device) {
    Found found;
    const std::string name = name_of(device);
    if (rte_eth_dev_get_port_by_name(name.c_str(), &found.id) == 0) return found;
    if (const int error = rte_dev_probe(device.c_str()); error != 0) {
        return failed(device_error(device, "DPDK cannot open it", error));
    }
    found.plugged = true;
    if (const int error = rte_eth_dev_get_port_by_name(name.c_str(), &found.id); error != 0) {
        return failed(device_error(device, "DPDK opened it but has no port of that name", error));
    }
    return found;
}

rte_eth_conf make_conf(const rte_eth_dev_info& info, const PortConfig& config,
                       std::uint16_t rx_queues) {
    rte_eth_conf conf{};
    conf.rxmode.mtu = config.mtu;
    constexpr std::uint64_t kRxWanted =
        RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
    constexpr std::uint64_t kTxWanted =
        RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
    conf.rxmode.offloads = info.rx_offload_capa & kRxWanted;
    // Frames above the buffer size arrive in several segments, where the device can do that.
    if (config.mtu + RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN + 4u > kFrameRoom) {
        conf.rxmode.offloads |= info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
    }
    if ((info.tx_offload_capa & kTxWanted) == kTxWanted) conf.txmode.offloads = kTxWanted;
    const std::uint64_t rss = info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP);
    if (rx_queues > 1 && rss != 0) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = rss;
    }
    return conf;
}

}  // namespace

Port::Port(std::string device, std::uint16_t id, bool plugged)
    : device_(std::move(device)), id_(id), plugged_(plugged) {}

Port::Port(Port&& other) noexcept
    : device_(std::move(other.device_)),
      id_(other.id_),
      owns_(std::exchange(other.owns_, false)),
      plugged_(other.plugged_),
      rx_queues_(other.rx_queues_),
      tx_queues_(other.tx_queues_),
      checksum_offload_(other.checksum_offload_),
      interrupts_(other.interrupts_),
      wake_fds_(std::move(other.wake_fds_)),
      locks_(std::move(other.locks_)) {}

Port::~Port() {
    if (!owns_) return;
    rte_eth_dev_info info{};
    rte_eth_dev_info_get(id_, &info);
    rte_eth_dev_stop(id_);
    rte_eth_dev_close(id_);
    if (plugged_ && info.device != nullptr) rte_dev_remove(info.device);
}

Result<Port> Port::create(const PortConfig& config, const MbufPool& pool) {
    const std::vector<int> before = find_device_sockets();
    const Result<Found> found = find_or_plug(config.device);
    if (!found) return failed(found.error());
    Port port(config.device, found->id, found->plugged);
    if (Status status = port.configure(config, pool); !status) {
        return failed(std::move(status).error());
    }
    port.find_wake_fds(new_since(before));
    return port;
}

Status Port::configure(const PortConfig& config, const MbufPool& pool) {
    rte_eth_dev_info info{};
    if (const int error = rte_eth_dev_info_get(id_, &info); error != 0) {
        return failed(device_error(device_, "no device information", error));
    }
    rx_queues_ = std::min(config.queues, info.max_rx_queues);
    tx_queues_ = std::min(config.queues, info.max_tx_queues);
    if (rx_queues_ == 0 || tx_queues_ == 0) {
        return failed(Errc::kInvalid, "device " + device_ + ": has no queue to receive or send");
    }

    rte_eth_conf conf = make_conf(info, config, rx_queues_);
    conf.intr_conf.rxq = 1;
    int error = rte_eth_dev_configure(id_, rx_queues_, tx_queues_, &conf);
    interrupts_ = error == 0;  // so far; find_wake_fds() asks the driver
    if (error != 0) {          // many virtual devices have no receive interrupts
        conf.intr_conf.rxq = 0;
        error = rte_eth_dev_configure(id_, rx_queues_, tx_queues_, &conf);
    }
    if (error != 0) return failed(device_error(device_, "cannot be configured", error));
    checksum_offload_ = conf.txmode.offloads != 0;

    if (Status status = set_up_queues(config, pool); !status) return status;
    if (config.mac) {
        rte_ether_addr address;
        std::memcpy(address.addr_bytes, config.mac->bytes.data(), RTE_ETHER_ADDR_LEN);
        error = rte_eth_dev_default_mac_addr_set(id_, &address);
        if (error != 0) return failed(device_error(device_, "cannot take that MAC address", error));
    }
    if (error = rte_eth_dev_start(id_); error != 0) {
        return failed(device_error(device_, "does not start", error));
    }
    // A device that cannot change the mode (-ENOTSUP) receives what it receives.
    error = config.promiscuous ? rte_eth_promiscuous_enable(id_) : 0;
    if (error != 0 && error != -ENOTSUP) {
        return failed(device_error(device_, "promiscuous mode", error));
    }
    return {};
}

Status Port::set_up_queues(const PortConfig& config, const MbufPool& pool) {
    std::uint16_t rx_descriptors = config.rx_descriptors;
    std::uint16_t tx_descriptors = config.tx_descriptors;
    int error = rte_eth_dev_adjust_nb_rx_tx_desc(id_, &rx_descriptors, &tx_descriptors);
    if (error != 0) return failed(device_error(device_, "descriptor rings", error));

    const auto socket = static_cast<unsigned>(rte_eth_dev_socket_id(id_));
    for (std::uint16_t queue = 0; queue < rx_queues_; ++queue) {
        error = rte_eth_rx_queue_setup(id_, queue, rx_descriptors, socket, nullptr, pool.get());
        if (error != 0) return failed(device_error(device_, "receive queue", error));
    }
    for (std::uint16_t queue = 0; queue < tx_queues_; ++queue) {
        error = rte_eth_tx_queue_setup(id_, queue, tx_descriptors, socket, nullptr);
        if (error != 0) return failed(device_error(device_, "transmit queue", error));
    }
    if (tx_queues_ < config.queues) {
        locks_ = std::make_unique<Locks>();
        locks_->by_queue.resize(tx_queues_);
        for (rte_spinlock_t& lock : locks_->by_queue) rte_spinlock_init(&lock);
    }
    return {};
}

void Port::find_wake_fds(const std::vector<int>& sockets) {
    wake_fds_.assign(rx_queues_, -1);
    interrupts_ = interrupts_ && rte_eth_dev_rx_intr_enable(id_, 0) == 0;
    if (interrupts_) rte_eth_dev_rx_intr_disable(id_, 0);
    for (std::uint16_t queue = 0; interrupts_ && queue < rx_queues_; ++queue) {
        wake_fds_[queue] = rte_eth_dev_rx_intr_ctl_q_get_fd(id_, queue);
    }
    interrupts_ = interrupts_ && wake_fds_[0] >= 0;
    if (interrupts_ || sockets.size() < rx_queues_) return;
    // Drivers open one socket per queue, in the order of the queues.
    std::copy_n(sockets.end() - rx_queues_, rx_queues_, wake_fds_.begin());
}

MacAddress Port::mac() const noexcept {
    rte_ether_addr address{};
    rte_eth_macaddr_get(id_, &address);
    MacAddress mac;
    std::memcpy(mac.bytes.data(), address.addr_bytes, RTE_ETHER_ADDR_LEN);
    return mac;
}

PortStats Port::stats() const {
    PortStats out;
    rte_eth_link link{};
    out.link_up = rte_eth_link_get_nowait(id_, &link) == 0 && link.link_status != 0;
    rte_eth_stats stats{};
    if (rte_eth_stats_get(id_, &stats) != 0) return out;
    out.rx_packets = stats.ipackets;
    out.rx_bytes = stats.ibytes;
    out.rx_missed = stats.imissed;
    out.rx_errors = stats.ierrors + stats.rx_nombuf;
    out.tx_packets = stats.opackets;
    out.tx_bytes = stats.obytes;
    out.tx_errors = stats.oerrors;
    return out;
}

int Port::wake_fd(std::uint16_t queue) const noexcept {
    return queue < wake_fds_.size() ? wake_fds_[queue] : -1;
}

void Port::arm(std::uint16_t queue) const noexcept {
    if (interrupts_) rte_eth_dev_rx_intr_enable(id_, queue);
}

void Port::disarm(std::uint16_t queue) const noexcept {
    if (!interrupts_) return;
    rte_eth_dev_rx_intr_disable(id_, queue);
    // The eventfd counts; what it counted must not wake us again.
    std::uint64_t count = 0;
    pollfd ready{wake_fds_[queue], POLLIN, 0};
    if (::poll(&ready, 1, 0) > 0 && ::read(wake_fds_[queue], &count, sizeof count) < 0) return;
}

std::uint16_t Port::receive(std::uint16_t queue, rte_mbuf** mbufs, std::uint16_t n) const noexcept {
    return rte_eth_rx_burst(id_, queue, mbufs, n);
}

std::uint16_t Port::send(std::uint16_t worker, rte_mbuf** mbufs, std::uint16_t n) noexcept {
    if (locks_ == nullptr) return rte_eth_tx_burst(id_, worker, mbufs, n);
    const auto queue = static_cast<std::uint16_t>(worker % tx_queues_);
    rte_spinlock_t& lock = locks_->by_queue[queue];
    rte_spinlock_lock(&lock);
    const std::uint16_t sent = rte_eth_tx_burst(id_, queue, mbufs, n);
    rte_spinlock_unlock(&lock);
    return sent;
}

}  // namespace lb::io
