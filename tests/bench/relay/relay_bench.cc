// The parts of scripts/bench that speak SIP.
//
//   relay_bench list
//   relay_bench generate WORKLOAD COUNT SEED OUT.pcap [CORPUS FOLDER]
//   relay_bench check IN.pcap OUT.pcap       one JSON object; exit 1 when a message is wrong
//   relay_bench stages IN.pcap ROUNDS        nanoseconds and TSC cycles of each step of route()
//   relay_bench route IN.pcap ROUNDS         route() alone, to be run under a profiler

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/bench/relay/check.h"
#include "tests/bench/relay/stages.h"
#include "tests/bench/relay/workload.h"
#include "tests/support/pcap.h"

namespace lb::bench {
namespace {

int fail(const std::string& what) {
    std::fprintf(stderr, "relay_bench: %s\n", what.c_str());
    return 2;
}

int list() {
    for (const std::string& name : workload_names()) std::printf("%s\n", name.c_str());
    return 0;
}

int generate(int argc, char** argv) {
    if (argc < 6) return fail("generate WORKLOAD COUNT SEED OUT.pcap [CORPUS]");
    const auto seed = static_cast<std::uint32_t>(std::strtoul(argv[4], nullptr, 10));
    const auto frames =
        make_workload(argv[2], std::strtoul(argv[3], nullptr, 10), seed, argc > 6 ? argv[6] : "");
    if (frames.empty()) return fail(std::string("nothing to play for workload ") + argv[2]);
    return test::write_pcap(argv[5], frames) ? 0 : fail(std::string("cannot write ") + argv[5]);
}

int check(int argc, char** argv) {
    if (argc < 4) return fail("check IN.pcap OUT.pcap");
    const CheckReport report = check_relayed(test::read_pcap(argv[2]), test::read_pcap(argv[3]));
    std::printf(
        "{\"received\":%zu,\"sent\":%zu,\"requests_right\":%zu,\"replies_right\":%zu,"
        "\"local_right\":%zu,\"wrong\":%zu}\n",
        report.received, report.sent(), report.requests, report.replies, report.local,
        report.wrong);
    for (const std::string& problem : report.problems) {
        std::fprintf(stderr, "%s\n", problem.c_str());
    }
    return report.wrong == 0 ? 0 : 1;
}

int stages(int argc, char** argv) {
    if (argc < 4) return fail("stages IN.pcap ROUNDS");
    const test::Frames frames = test::read_pcap(argv[2]);
    if (frames.empty()) return fail(std::string("no frames in ") + argv[2]);
    const auto rounds = std::strtoul(argv[3], nullptr, 10);
    std::printf("{");
    const char* comma = "";
    for (const StageCost& cost : measure_stages(frames, rounds)) {
        std::printf("%s\"%s\":{\"ns\":%.1f,\"cycles\":%.0f}", comma, cost.name, cost.ns,
                    cost.cycles);
        comma = ",";
    }
    std::printf("}\n");
    return 0;
}

int route(int argc, char** argv) {
    if (argc < 4) return fail("route IN.pcap ROUNDS");
    const test::Frames frames = test::read_pcap(argv[2]);
    if (frames.empty()) return fail(std::string("no frames in ") + argv[2]);
    const StageCost cost = measure_route(frames, std::strtoul(argv[3], nullptr, 10));
    std::printf("{\"ns\":%.1f,\"cycles\":%.0f}\n", cost.ns, cost.cycles);
    return 0;
}

int run(int argc, char** argv) {
    const std::string command = argc > 1 ? argv[1] : "";
    if (command == "list") return list();
    if (command == "generate") return generate(argc, argv);
    if (command == "check") return check(argc, argv);
    if (command == "stages") return stages(argc, argv);
    if (command == "route") return route(argc, argv);
    return fail("list, generate, check, stages or route");
}

}  // namespace
}  // namespace lb::bench

int main(int argc, char** argv) { return lb::bench::run(argc, argv); }
