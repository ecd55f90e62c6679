#pragma once

// Plays a workload through somebody who relays it, over one DPDK device, and watches what comes
// back: an open-loop generator in one thread, which sends each message when it is due, whatever has
// returned by then.
//
// Device:   one that copies a frame when it sends it (net_memif without zero-copy, net_af_packet):
//           the same few mbufs are sent again and again, each with a new stamp.
// Late:     a generator that was kept from its work does not make up for it by a flood: what is
//           more than kCatchUpMax messages behind is left out and counted as late.
// Threads:  one, that of the main lcore.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dp/base/result.h"
#include "tests/bench/load/histogram.h"
#include "tests/bench/load/stamp.h"

namespace lb::bench {

struct TrialResult {
    std::uint64_t due = 0;       // messages that should have gone out: the load that counts
    std::uint64_t refused = 0;   // of these, those for which the device had no room: lost
    std::uint64_t late = 0;      // left out because this program was late; not in `due`
    std::uint64_t returned = 0;  // came back, relayed
    std::uint64_t strange = 0;   // came in and were none of ours, or not of this trial
    double seconds = 0;          // from the first message to the last
    Histogram latency_ns;        // of what returned with a stamp
};

class Generator {
public:
    static constexpr std::uint64_t kCatchUpMax = 256;
    static constexpr std::uint64_t kLingerMs = 50;  // silence that ends a trial

    // `device` as DPDK takes it; waits up to ten seconds for its link. REQUIRES: an Eal; frames.
    static Result<std::unique_ptr<Generator>> create(const std::string& device,
                                                     std::vector<StampedFrame> frames);
    ~Generator();

    // Constant rate for a time. REQUIRES: pps > 0, 0 < seconds <= 600.
    TrialResult run(double pps, double seconds);
    // One message after each pause of `pause_us`, with nothing else on the wire.
    TrialResult ping(std::uint64_t count, std::uint64_t pause_us);
    // Every message once, slowly; what went out and what came back, frame by frame.
    void record(std::vector<test::Octets>& sent, std::vector<test::Octets>& returned);

private:
    struct Impl;
    explicit Generator(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace lb::bench
