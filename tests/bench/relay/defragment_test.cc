#include "tests/bench/relay/defragment.h"

#include <gtest/gtest.h>

#include "dp/net/fragment.h"
#include "tests/bench/relay/workload.h"

namespace lb::bench {
namespace {

std::vector<test::Octets> cut(const test::Octets& frame, std::uint16_t mtu, std::uint32_t id) {
    std::vector<test::Octets> pieces;
    const net::FragmentPlan plan = net::plan_fragments(frame, mtu);
    for (std::uint32_t i = 0; i < plan.count; ++i) {
        test::Octets piece(2048);
        piece.resize(net::write_fragment(frame, plan, i, id, piece));
        pieces.push_back(std::move(piece));
    }
    return pieces;
}

std::string payload(const test::Octets& frame) {
    return std::string(test::text_of(frame).substr(34));
}

TEST(Defragment, PutsMixedFragmentsOfTwoDatagramsTogether) {
    const auto whole = make_workload("invite1200", 3, 1, "");
    const auto a = cut(whole[0], 576, 7), b = cut(whole[1], 576, 8);
    ASSERT_EQ(a.size(), 3U);
    const auto out = defragment({a[2], b[0], whole[2], a[0], b[1], a[1], b[2]});
    ASSERT_EQ(out.size(), 3U);
    EXPECT_EQ(out[0], whole[2]);
    EXPECT_EQ(payload(out[1]), payload(whole[0]));
    EXPECT_EQ(payload(out[2]), payload(whole[1]));
    EXPECT_EQ(test::slow_sum({&out[1][14], 20}), 0xffff);
}

TEST(Defragment, LeavesOutWhatIsNotWholeAndKeepsWhatIsNotIpv4) {
    const auto whole = make_workload("invite1200", 1, 1, "");
    const auto pieces = cut(whole[0], 576, 7);
    EXPECT_TRUE(defragment({pieces[0], pieces[2]}).empty());
    const auto ipv6 = make_workload("ipv6", 1, 1, "");
    EXPECT_EQ(defragment(ipv6), ipv6);
}

TEST(Defragment, LengthsThatLieAreNotBelieved) {
    const auto pieces = cut(make_workload("invite1200", 1, 1, "")[0], 576, 7);
    for (std::size_t size = 0; size < pieces[0].size(); size += 7) {
        const test::Octets part(pieces[0].begin(),
                                pieces[0].begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_LE(defragment({part, pieces[1], pieces[2]}).size(), size <= 34 ? 1U : 0U) << size;
    }
}

}  // namespace
}  // namespace lb::bench
