#include "dp/io/data_plane.h"

#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <thread>

namespace lb::io {

namespace {

// Where one worker runs: a lcore of DPDK's, or a thread of ours.
struct Seat {
    std::optional<unsigned> lcore;
    std::thread thread;
};

std::string name_of(const std::string& device) { return device.substr(0, device.find(',')); }

// What a device puts into one buffer: net_af_packet takes the size of its frames as an argument.
// Its packet fanout has the kernel defragment IPv4, so whoever wants messages above kFrameRoom says
// more.
std::size_t frame_room(const std::string& device) {
    constexpr std::string_view kArgument = ",framesz=";
    const std::size_t at = device.find(kArgument);
    if (at == std::string::npos) return kFrameRoom;
    const unsigned long size = std::strtoul(device.c_str() + at + kArgument.size(), nullptr, 10);
    return std::max<std::size_t>(size, kFrameRoom);
}

extern "C" int lb_run_worker(void* worker) {
    static_cast<Worker*>(worker)->run();
    return 0;
}

// One lcore in all: a thread beside the control thread, known to DPDK so that it gets an lcore id
// and with it the fast paths of the pools.
void run_on_own_thread(Worker* worker) {
    const bool registered = rte_thread_register() == 0;
    worker->run();
    if (registered) rte_thread_unregister();
}

// Every ring full, every queue full, and what rests with each lcore.
unsigned mbufs_needed(const DataPlaneConfig& config, std::size_t devices, std::size_t workers) {
    const std::size_t rings = devices * workers * (config.rx_descriptors + config.tx_descriptors);
    const std::size_t local = (workers + 1) * 1024;
    const std::size_t spread = config.spread ? workers * Spread::kSlots : 0;
    return static_cast<unsigned>(
        std::max<std::size_t>(rings + local + SlowPath::kSlots + spread, 16383));
}

}  // namespace

struct DataPlane::Impl {
    Status make_pools(const Eal& eal);
    Status make_spread();
    Status make_ports();
    Status make_twins();
    Status make_workers(const table::Snapshot<table::Tables>& snapshot);
    void launch(std::size_t worker);
    Devices shared();

    DataPlaneConfig config;
    std::vector<unsigned> lcores;
    std::size_t workers_wanted = 1;
    std::vector<std::string> device_names;           // by device index
    std::vector<std::uint16_t> device_of_interface;  // by interface index
    // Destroyed in reverse: workers, twins, ports, slow path, pools.
    std::optional<MbufPool> frames, jumbos;
    std::unique_ptr<SlowPath> slow_path;
    std::unique_ptr<Spread> spread;  // null: not wanted, or one worker
    std::unique_ptr<Tracing> tracing;
    core::PathMtus path_mtus;
    std::vector<Port> ports;
    std::vector<std::optional<Tap>> twins;
    std::vector<std::unique_ptr<Worker>> workers;
    std::vector<Seat> seats;
};

Status DataPlane::Impl::make_pools(const Eal& eal) {
    lcores = eal.worker_lcores();
    workers_wanted = std::clamp<std::size_t>(lcores.size(), 1, kWorkersMax);
    std::size_t room = kFrameRoom;
    for (const InterfaceConfig& interface : config.interfaces) {
        room = std::max(room, frame_room(interface.device));
        const std::string name = name_of(interface.device);
        const auto known = std::find(device_names.begin(), device_names.end(), name);
        device_of_interface.push_back(static_cast<std::uint16_t>(known - device_names.begin()));
        if (known == device_names.end()) device_names.push_back(name);
    }
    const unsigned mbufs = config.mbufs != 0
                               ? config.mbufs
                               : mbufs_needed(config, device_names.size(), workers_wanted);
    static unsigned number = 0;  // pools are named in one space; tests make several data planes
    const std::string suffix = std::to_string(number++);
    Result<MbufPool> frame_pool = MbufPool::create("frames_" + suffix, mbufs, -1, room);
    if (!frame_pool) return failed(std::move(frame_pool).error());
    frames.emplace(std::move(*frame_pool));
    Result<MbufPool> jumbo_pool =
        MbufPool::create_jumbo("jumbos_" + suffix, config.jumbo_mbufs, -1);
    if (!jumbo_pool) return failed(std::move(jumbo_pool).error());
    jumbos.emplace(std::move(*jumbo_pool));
    Result<std::unique_ptr<SlowPath>> path = SlowPath::create();
    if (!path) return failed(std::move(path).error());
    slow_path = std::move(*path);
    tracing = std::make_unique<Tracing>(workers_wanted);
    return {};
}

Status DataPlane::Impl::make_spread() {
    if (!config.spread || workers_wanted < 2) return {};
    unsigned receivers = 1;
    for (const Port& port : ports) receivers = std::max<unsigned>(receivers, port.rx_queues());
    Result<std::unique_ptr<Spread>> made =
        Spread::create(static_cast<unsigned>(workers_wanted), receivers);
    if (!made) return failed(std::move(made).error());
    spread = std::move(*made);
    return {};
}

Status DataPlane::Impl::make_ports() {
    std::vector<PortConfig> wanted(device_names.size());
    for (std::size_t i = 0; i < config.interfaces.size(); ++i) {
        const InterfaceConfig& interface = config.interfaces[i];
        PortConfig& port = wanted[device_of_interface[i]];
        if (port.device.empty()) {
            port.device = interface.device;
            port.mtu = interface.mtu;
        }
        port.mtu = std::max(port.mtu, interface.mtu);
        port.promiscuous = port.promiscuous || interface.promiscuous;
        if (interface.mac) port.mac = interface.mac;
        port.queues = static_cast<std::uint16_t>(workers_wanted);
        port.rx_descriptors = config.rx_descriptors;
        port.tx_descriptors = config.tx_descriptors;
    }
    for (const PortConfig& port : wanted) {
        Result<Port> made = Port::create(port, *frames);
        if (!made) return failed(std::move(made).error());
        ports.push_back(std::move(*made));
    }
    return {};
}

Status DataPlane::Impl::make_twins() {
    for (std::size_t i = 0; i < config.interfaces.size(); ++i) {
        const InterfaceConfig& interface = config.interfaces[i];
        twins.emplace_back();
        if (interface.tap.empty()) continue;
        Result<Tap> tap =
            Tap::create(interface.tap, ports[device_of_interface[i]].mac(), interface.mtu);
        if (!tap) return failed(std::move(tap).error());
        twins.back().emplace(std::move(*tap));
    }
    return {};
}

Devices DataPlane::Impl::shared() {
    Devices devices;
    for (Port& port : ports) devices.ports.push_back(&port);
    for (std::optional<Tap>& twin : twins) devices.twins.push_back(twin ? &*twin : nullptr);
    devices.slow_path = slow_path.get();
    devices.spread = spread.get();
    devices.path_mtus = &path_mtus;
    devices.traces = &tracing->sessions();
    devices.frames = &*frames;
    devices.jumbos = &*jumbos;
    return devices;
}

Status DataPlane::Impl::make_workers(const table::Snapshot<table::Tables>& snapshot) {
    for (unsigned i = 0; i < workers_wanted; ++i) {
        Result<std::unique_ptr<Worker>> worker =
            Worker::create({i, static_cast<unsigned>(workers_wanted), config.idle, config.route,
                            config.transactions},
                           shared(), snapshot);
        if (!worker) return failed(std::move(worker).error());
        workers.push_back(std::move(*worker));
    }
    return {};
}

void DataPlane::Impl::launch(std::size_t worker) {
    Seat& seat = seats.emplace_back();
    if (worker < lcores.size()) {
        seat.lcore = lcores[worker];
        rte_eal_remote_launch(lb_run_worker, workers[worker].get(), *seat.lcore);
    } else {
        seat.thread = std::thread(run_on_own_thread, workers[worker].get());
    }
}

DataPlane::DataPlane(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DataPlane::~DataPlane() { stop(); }

Result<std::unique_ptr<DataPlane>> DataPlane::create(const Eal& eal,
                                                     const DataPlaneConfig& config) {
    if (config.interfaces.empty() || config.interfaces.size() > kInterfacesMax) {
        return failed(Errc::kInvalid, "the data plane needs 1 to " +
                                          std::to_string(kInterfacesMax) + " [[port]] entries");
    }
    auto impl = std::make_unique<Impl>();
    impl->config = config;
    Status status = impl->make_pools(eal);
    if (status) status = impl->make_ports();
    if (status) status = impl->make_spread();
    if (status) status = impl->make_twins();
    if (!status) return failed(std::move(status).error());
    return std::unique_ptr<DataPlane>(new DataPlane(std::move(impl)));
}

std::vector<table::Interface> DataPlane::interfaces() const {
    std::vector<table::Interface> interfaces;
    for (std::size_t i = 0; i < impl_->config.interfaces.size(); ++i) {
        const InterfaceConfig& entry = impl_->config.interfaces[i];
        table::Interface interface;
        interface.name = entry.name;
        interface.device = impl_->device_of_interface[i];
        interface.vlan = entry.vlan;
        interface.mac = impl_->ports[interface.device].mac();
        interface.mtu = entry.mtu;
        interfaces.push_back(std::move(interface));
    }
    return interfaces;
}

Status DataPlane::start(const table::Snapshot<table::Tables>& snapshot) {
    if (Status status = impl_->make_workers(snapshot); !status) return status;
    for (std::size_t i = 0; i < impl_->workers.size(); ++i) impl_->launch(i);
    return {};
}

void DataPlane::stop() {
    for (const auto& worker : impl_->workers) worker->stop();
    for (Seat& seat : impl_->seats) {
        if (seat.lcore) rte_eal_wait_lcore(*seat.lcore);
        if (seat.thread.joinable()) seat.thread.join();
    }
    impl_->seats.clear();
}

std::size_t DataPlane::workers() const noexcept { return impl_->workers_wanted; }

core::CounterValues DataPlane::counters(std::size_t worker) const noexcept {
    if (worker >= impl_->workers.size()) return {};
    return impl_->workers[worker]->counters();
}

core::TrafficValues DataPlane::traffic(std::uint32_t slot) const noexcept {
    core::TrafficValues sum;
    for (const auto& worker : impl_->workers) sum.add(worker->traffic(slot));
    return sum;
}

std::vector<DeviceStats> DataPlane::device_stats() const {
    std::vector<DeviceStats> all;
    for (const Port& port : impl_->ports) all.push_back({port.device(), port.stats()});
    return all;
}

std::uint64_t DataPlane::path_mtus_learned() const noexcept { return impl_->path_mtus.learned(); }
SlowPath& DataPlane::slow_path() noexcept { return *impl_->slow_path; }
Tracing& DataPlane::tracing() noexcept { return *impl_->tracing; }

}  // namespace lb::io
