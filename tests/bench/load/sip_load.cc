// Load for scripts/bench-memif and scripts/bench-veth: plays a capture at set rates.
//
//   sip_load IN.pcap DEVICE [EAL ARGUMENT...]
//
// Reads one command a line from its standard input and writes one JSON object a line:
//
//   run PPS SECONDS        constant rate
//   ping COUNT PAUSE_US    one message after each pause
//   record SENT.pcap BACK.pcap    every message once
//
// The first line it writes says that it is ready. Ends with its input. Exit status: 0, or 2 if it
// cannot start or does not know a command.

#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

#include "dp/io/eal.h"
#include "tests/bench/load/generator.h"
#include "tests/support/pcap.h"

namespace lb::bench {
namespace {

constexpr double kSecondsMax = 600;

int fail(const std::string& what) {
    std::fprintf(stderr, "sip_load: %s\n", what.c_str());
    return 2;
}

void print(const TrialResult& result) {
    const Histogram& latency = result.latency_ns;
    const auto at = [&](double share) {
        return static_cast<unsigned long long>(latency.percentile(share));
    };
    std::printf(
        "{\"due\":%llu,\"refused\":%llu,\"late\":%llu,\"returned\":%llu,\"strange\":%llu,"
        "\"seconds\":%.6f,\"latency_ns\":{\"count\":%llu,\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,"
        "\"p999\":%llu,\"max\":%llu}}\n",
        static_cast<unsigned long long>(result.due),
        static_cast<unsigned long long>(result.refused),
        static_cast<unsigned long long>(result.late),
        static_cast<unsigned long long>(result.returned),
        static_cast<unsigned long long>(result.strange), result.seconds,
        static_cast<unsigned long long>(latency.count()), at(0.5), at(0.9), at(0.99), at(0.999),
        static_cast<unsigned long long>(latency.largest()));
    std::fflush(stdout);
}

bool record(Generator& generator, const std::string& out, const std::string& back) {
    std::vector<test::Octets> sent, returned;
    generator.record(sent, returned);
    if (!test::write_pcap(out, sent) || !test::write_pcap(back, returned)) return false;
    std::printf("{\"sent\":%zu,\"returned\":%zu}\n", sent.size(), returned.size());
    std::fflush(stdout);
    return true;
}

bool obey(Generator& generator, const std::string& line) {
    std::istringstream in(line);
    std::string command, out, back;
    double pps = 0, seconds = 0;
    std::uint64_t count = 0, pause_us = 0;
    in >> command;
    if (command == "run" && in >> pps >> seconds && pps > 0 && seconds > 0 &&
        seconds <= kSecondsMax) {
        print(generator.run(pps, seconds));
        return true;
    }
    if (command == "ping" && in >> count >> pause_us) {
        print(generator.ping(count, pause_us));
        return true;
    }
    return command == "record" && in >> out >> back && record(generator, out, back);
}

int run(int argc, char** argv) {
    if (argc < 3) return fail("IN.pcap DEVICE [EAL ARGUMENT...]");
    std::vector<StampedFrame> frames;
    for (test::Octets& frame : test::read_pcap(argv[1])) {
        frames.push_back(prepare_stamp(std::move(frame)));
    }
    if (frames.empty()) return fail(std::string("no frames in ") + argv[1]);
    auto eal = io::Eal::create({argv + 3, argv + argc});
    if (!eal) return fail(eal.error().message);
    auto generator = Generator::create(argv[2], std::move(frames));
    if (!generator) return fail(generator.error().message);
    std::printf("{\"ready\":true}\n");
    std::fflush(stdout);
    for (std::string line; std::getline(std::cin, line);) {
        if (!obey(**generator, line)) return fail("bad command: " + line);
    }
    return 0;
}

}  // namespace
}  // namespace lb::bench

int main(int argc, char** argv) { return lb::bench::run(argc, argv); }
