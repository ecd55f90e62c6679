#include "dp/net/fragment.h"

#include <gtest/gtest.h>

#include <random>

#include "dp/net/frame.h"
#include "tests/support/frames.h"
#include "tests/support/guarded_bytes.h"

namespace lb::net {
namespace {

using test::FrameSpec;
using test::Octets;

FrameSpec spec_of(bool ipv6, bool tagged) {
    FrameSpec spec;
    if (ipv6) spec.source = "2001:db8::1", spec.target = "2001:db8::2";
    if (tagged) spec.vlan = 100;
    return spec;
}

// Fragment by fragment as the hand-made builder has it.
TEST(Fragment, WritesWhatTheHandMadeFramesHave) {
    std::mt19937 random(21);
    for (int round = 0; round < 3000; ++round) {
        const bool ipv6 = round % 2 != 0;
        FrameSpec spec = spec_of(ipv6, round % 4 > 1);
        const std::size_t size = random() % 6000;
        const Octets udp = test::udp_datagram(spec, test::random_octets(random, size));
        spec.padding = random() % 5;
        spec.dont_fragment = random() % 2 == 0;
        const Octets whole = test::ip_frame(spec, udp);
        const auto mtu =
            static_cast<std::uint16_t>(ipv6 ? 1280 + random() % 3000 : 68 + random() % 3000);
        const FragmentPlan plan = plan_fragments(whole, mtu);

        const std::size_t ip_header = ipv6 ? 40 : 20;
        if (udp.size() + ip_header <= mtu) {
            ASSERT_EQ(plan.count, 1U);
            continue;
        }
        const std::size_t piece = (mtu - ip_header - (ipv6 ? 8 : 0)) / 8 * 8;
        const std::size_t count = (udp.size() + piece - 1) / piece;
        ASSERT_EQ(plan.count, count > kFragmentsOutMax ? 0 : count);

        spec.id = static_cast<std::uint32_t>(random()) & (ipv6 ? 0xffffffff : 0xffff);
        spec.padding = 0;
        spec.dont_fragment = false;
        for (std::uint32_t i = 0; i < plan.count; ++i) {
            const std::size_t offset = i * piece;
            const ConstBytes part =
                ConstBytes(udp).subspan(offset, std::min(piece, udp.size() - offset));
            const Octets expected = test::ip_frame(spec, part, offset, i + 1 < count);
            Octets out(expected.size());
            ASSERT_EQ(write_fragment(whole, plan, i, spec.id, out), expected.size());
            ASSERT_EQ(out, expected);
            const std::size_t ethernet = spec.vlan >= 0 ? 18 : 14;
            ASSERT_LE(out.size() - ethernet, mtu);
            Octets small(expected.size() - 1);
            ASSERT_EQ(write_fragment(whole, plan, i, spec.id, small), 0U);
        }
    }
}

TEST(Fragment, RefusesWhatItCannotSplit) {
    std::mt19937 random(22);
    const Octets udp = test::udp_datagram(FrameSpec(), test::random_octets(random, 3000));
    FrameSpec options;
    options.ip_options = {1, 1, 1, 1};
    FrameSpec six = spec_of(true, false);
    six.extensions = {{60, 0, 0, 1, 4, 0, 0, 0, 0}};
    Octets arp = test::ethernet(FrameSpec(), true);
    arp.resize(60);
    store_be16(&arp[12], 0x0806);

    EXPECT_EQ(plan_fragments(test::ip_frame(options, udp), 1500).count, 0U);
    EXPECT_EQ(plan_fragments(test::ip_frame(six, udp), 1500).count, 0U);
    EXPECT_EQ(plan_fragments(test::ip_frame(FrameSpec(), udp, 0, true), 1500).count, 0U);
    EXPECT_EQ(plan_fragments(arp, 1500).count, 0U);
    EXPECT_EQ(plan_fragments({}, 1500).count, 0U);
    const Octets whole = test::ip_frame(FrameSpec(), udp);
    EXPECT_EQ(plan_fragments(whole, 27).count, 0U);
    EXPECT_EQ(plan_fragments(whole, 28).count, 0U);  // 376 fragments: too many
    EXPECT_EQ(plan_fragments(whole, 43).count, 0U);
    EXPECT_EQ(plan_fragments(whole, 44).count, 126U);
    EXPECT_EQ(plan_fragments(whole, 52).count, 94U);
}

TEST(Fragment, AsManyAsThereMayBe) {
    for (const bool ipv6 : {false, true}) {
        const std::uint16_t mtu = ipv6 ? 56 : 28;  // eight bytes in each
        for (const std::size_t more : {0U, 1U}) {
            const Octets udp =
                test::udp_datagram(FrameSpec(), Octets(8 * kFragmentsOutMax - 8 + more));
            const FragmentPlan plan =
                plan_fragments(test::ip_frame(spec_of(ipv6, false), udp), mtu);
            EXPECT_EQ(plan.count, more == 0 ? kFragmentsOutMax : 0U) << ipv6;
        }
    }
}

TEST(Fragment, EveryPrefixIsSafe) {
    for (const bool ipv6 : {false, true}) {
        const FrameSpec spec = spec_of(ipv6, true);
        const Octets whole = test::udp_frame(spec, Octets(300, 'x'));
        for (std::size_t size = 0; size < whole.size(); ++size) {
            const test::GuardedBytes guarded(test::text_of(whole).substr(0, size));
            EXPECT_EQ(plan_fragments(as_bytes(guarded.text()), 128).count, 0U) << size;
        }
    }
}

TEST(CompleteChecksums, DoesWhatTheDeviceWouldDo) {
    std::mt19937 random(23);
    for (int i = 0; i < 400; ++i) {
        const bool ipv6 = i % 2 != 0;
        const FrameSpec spec = spec_of(ipv6, i % 4 > 1);
        const Octets payload = test::random_octets(random, random() % 200);
        Octets expected = test::udp_frame(spec, payload);
        Octets frame = expected;
        const std::size_t ip = spec.vlan >= 0 ? 18 : 14;
        store_be16(&frame[ip + (ipv6 ? 46 : 26)], static_cast<std::uint16_t>(random() | 1));
        if (!ipv6) store_be16(&frame[ip + 10], 0);
        Packet packet = test::packet_of(frame);
        complete_checksums(packet);
        ASSERT_EQ(frame, expected);
    }
}

TEST(CompleteChecksums, LeavesOtherFramesAlone) {
    FrameSpec spec;
    for (const std::size_t size : {0U, 5U, 14U, 18U, 20U, 33U, 34U, 40U}) {
        Octets whole = test::udp_frame(spec, Octets(10, 'x'));
        const Octets before(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        test::GuardedBytes guarded(test::text_of(before));
        Packet packet = test::packet_of(guarded.bytes(), size);
        complete_checksums(packet);
        EXPECT_EQ(guarded.text(), test::text_of(before)) << size;
    }
    // An IP header that says it is longer than the frame.
    spec.ip_options = Octets(40, 1);
    for (std::size_t size = 34; size < 74; ++size) {
        const Octets whole = test::udp_frame(spec, Octets(10, 'x'));
        const Octets before(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        test::GuardedBytes guarded(test::text_of(before));
        Packet packet = test::packet_of(guarded.bytes(), size);
        complete_checksums(packet);
        EXPECT_EQ(guarded.text(), test::text_of(before)) << size;
    }
}

}  // namespace
}  // namespace lb::net
