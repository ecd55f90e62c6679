#include "tests/dp/io/io_fixture.h"

namespace lb::test {

namespace {

unsigned next_number() {
    static unsigned number = 0;
    return number++;
}

}  // namespace

const io::Eal& eal() {
    static const io::Eal* const started = [] {
        auto made = io::Eal::create({"--no-huge", "-m", "256", "--no-pci", "--lcores", "0@0,1@0",
                                     "--no-telemetry", "--log-level=error"});
        if (!made) {
            std::fprintf(stderr, "%s\n", made.error().message.c_str());
            std::abort();
        }
        return new io::Eal(std::move(*made));  // for the life of the process
    }();
    return *started;
}

std::unique_ptr<const table::Tables> make_tables(std::vector<table::Interface> interfaces,
                                                 std::uint64_t generation) {
    table::NetworkState state;
    state.interfaces = std::move(interfaces);
    auto tables = std::make_unique<table::Tables>();
    tables->generation = generation;
    tables->network = table::Network::build(std::move(state));
    return tables;
}

std::string difference(const Frames& sent, const Frames& expected) {
    if (sent.size() != expected.size()) {
        return std::to_string(sent.size()) + " frames, not " + std::to_string(expected.size());
    }
    const auto [a, b] = std::mismatch(sent.begin(), sent.end(), expected.begin());
    if (a == sent.end()) return "";
    const auto [x, y] = std::mismatch(a->begin(), a->end(), b->begin(), b->end());
    return "frame " + std::to_string(a - sent.begin()) + " of " + std::to_string(a->size()) +
           " bytes, not " + std::to_string(b->size()) + ", differs at byte " +
           std::to_string(x - a->begin());
}

TempDir::TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "siplane_io_XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    dir_ = pattern;
}

TempDir::~TempDir() {
    std::error_code error;
    std::filesystem::remove_all(dir_, error);
}

PcapBench::PcapBench(std::vector<PortSpec> specs, io::RouteFunction route, unsigned mbufs,
                     std::size_t transactions) {
    eal();
    const std::string number = std::to_string(next_number());
    frames.emplace(io::MbufPool::create("test_frames_" + number, mbufs, -1).value());
    jumbos.emplace(io::MbufPool::create_jumbo("test_jumbos_" + number, 31, -1).value());
    slow_path = io::SlowPath::create().value();

    std::vector<table::Interface> interfaces;
    io::Devices devices;
    ports.reserve(specs.size());
    for (std::size_t i = 0; i < specs.size(); ++i) {
        const std::string name = number + std::to_string(i);
        const std::string in = dir.path("in" + name), out = dir.path("out" + name);
        if (!write_pcap(in, specs[i].input)) std::abort();
        io::PortConfig config;
        config.device = "net_pcap" + name + ",rx_pcap=" + in + ",tx_pcap=" + out;
        config.mtu = specs[i].mtu;
        ports.push_back(io::Port::create(config, *frames).value());

        table::Interface interface;
        interface.name = "test" + name;
        interface.device = static_cast<std::uint16_t>(i);
        interface.vlan = specs[i].vlan;
        interface.mac = ports.back().mac();
        interface.mtu = specs[i].mtu;
        interfaces.push_back(interface);
    }
    for (io::Port& port : ports) devices.ports.push_back(&port);
    devices.slow_path = slow_path.get();
    devices.traces = &tracing.sessions();
    devices.frames = &*frames;
    devices.jumbos = &*jumbos;

    snapshot = std::make_unique<table::Snapshot<table::Tables>>(make_tables(interfaces));
    worker =
        io::Worker::create({0, 1, io::IdleMode::kPoll, route, transactions}, devices, *snapshot)
            .value();
}

void PcapBench::run(int idle) {
    worker->enter();
    for (int quiet = 0; quiet < idle;) quiet = worker->run_once() ? 0 : quiet + 1;
    worker->leave();
}

Frames PcapBench::sent(std::size_t port) {
    const std::string device = ports[port].device();
    const std::string path = device.substr(device.find("tx_pcap=") + 8);
    worker.reset();
    ports.clear();  // closes the files
    return read_pcap(path);
}

}  // namespace lb::test
