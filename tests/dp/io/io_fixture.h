#pragma once

// DPDK is started once per process: every test of this folder's unit executable shares one Eal (no
// huge pages, no PCI), and makes ports, pools and workers of its own.

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dp/io/data_plane.h"
#include "tests/support/frames.h"
#include "tests/support/pcap.h"

namespace lb::test {

// Starts on first use.
const io::Eal& eal();

// One interface per port, 192.0.2.x on the first; no routes: stand-ins of route() name the way out.
std::unique_ptr<const table::Tables> make_tables(std::vector<table::Interface> interfaces,
                                                 std::uint64_t generation = 1);

// Empty when equal; else where they differ first.
std::string difference(const Frames& sent, const Frames& expected);

// A directory of this test, removed at its end.
class TempDir {
public:
    TempDir();
    ~TempDir();
    std::string path(const std::string& name) const { return dir_ + "/" + name; }

private:
    std::string dir_;
};

// A worker on net_pcap ports that play `input` and record what is sent.
class PcapBench {
public:
    struct PortSpec {
        Frames input;
        std::uint16_t vlan = net::kNoVlan;
        std::uint16_t mtu = 1500;
    };
    PcapBench(std::vector<PortSpec> ports, io::RouteFunction route, unsigned mbufs = 4095,
              std::size_t transactions = kTransactionsDefault);

    // Turns until `idle` turns in a row had nothing to do.
    void run(int idle = 8);
    Frames sent(std::size_t port);  // closes the ports: the last call on this object
    core::CounterValues counters() const { return worker->counters(); }

    TempDir dir;
    std::optional<io::MbufPool> frames, jumbos;
    std::unique_ptr<io::SlowPath> slow_path;
    io::Tracing tracing{1};
    std::vector<io::Port> ports;
    std::unique_ptr<table::Snapshot<table::Tables>> snapshot;
    std::unique_ptr<io::Worker> worker;
};

}  // namespace lb::test
