#include "tests/bench/relay/defragment.h"

#include <array>
#include <map>

#include "tests/support/slow_checksum.h"
#include "tests/support/slow_reassembly.h"

namespace lb::bench {
namespace {

constexpr std::size_t kIp = 14, kHeaders = kIp + 20;
constexpr std::uint16_t kMore = 0x2000, kOffset = 0x1fff;

bool is_fragment(const test::Octets& frame) {
    return frame.size() > kHeaders && load_be16(&frame[12]) == 0x0800 && frame[kIp] == 0x45 &&
           (load_be16(&frame[kIp + 6]) & (kMore | kOffset)) != 0;
}

// Source, target, protocol and identification: what the fragments of a datagram share.
using Key = std::array<std::uint64_t, 2>;

Key key_of(const test::Octets& frame) {
    const std::uint8_t* ip = &frame[kIp];
    return {std::uint64_t{load_be32(ip + 12)} << 32 | load_be32(ip + 16),
            std::uint64_t{ip[9]} << 16 | load_be16(ip + 4)};
}

// The headers of `fragment` in front of the whole payload.
test::Octets whole(const test::Octets& fragment, const test::Octets& payload) {
    test::Octets frame(fragment.begin(), fragment.begin() + kHeaders);
    std::uint8_t* ip = frame.data() + kIp;
    store_be16(ip + 2, static_cast<std::uint16_t>(20 + payload.size()));
    store_be16(ip + 6, 0);
    store_be16(ip + 10, 0);
    store_be16(ip + 10, static_cast<std::uint16_t>(~test::slow_sum({ip, 20})));
    test::put(frame, payload);
    return frame;
}

}  // namespace

std::vector<test::Octets> defragment(const std::vector<test::Octets>& frames) {
    std::vector<test::Octets> out;
    std::map<Key, test::SlowReassembly> held;
    for (const test::Octets& frame : frames) {
        if (!is_fragment(frame)) {
            out.push_back(frame);
            continue;
        }
        const std::size_t end =
            std::min<std::size_t>(frame.size(), kIp + load_be16(&frame[kIp + 2]));
        if (end < kHeaders || test::slow_sum({&frame[kIp], 20}) != 0xffff) continue;
        const std::uint16_t field = load_be16(&frame[kIp + 6]);
        test::SlowReassembly& datagram = held[key_of(frame)];
        const auto answer = datagram.add(
            std::size_t{8} * (field & kOffset),
            {frame.begin() + kHeaders, frame.begin() + static_cast<std::ptrdiff_t>(end)},
            (field & kMore) != 0);
        if (answer != test::SlowReassembly::Answer::kComplete) continue;
        out.push_back(whole(frame, datagram.payload()));
        held.erase(key_of(frame));
    }
    return out;
}

}  // namespace lb::bench
