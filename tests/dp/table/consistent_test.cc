// Maglev ring and rendezvous: balance, and how much moves when a member goes down, leaves or comes.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <map>
#include <vector>

#include "dp/table/maglev.h"
#include "dp/table/plan.h"
#include "dp/table/random.h"
#include "dp/table/rendezvous.h"
#include "tests/support/golden_select.h"

namespace lb::table {
namespace {

constexpr std::size_t kKeys = 20000;

using Chooser = std::uint32_t (*)(const SetPlan&, std::uint64_t key);
std::uint32_t by_maglev(const SetPlan& plan, std::uint64_t key) { return plan.maglev(key); }
std::uint32_t by_rendezvous(const SetPlan& plan, std::uint64_t key) { return plan.rendezvous(key); }
std::uint32_t by_modulo(const SetPlan& plan, std::uint64_t key) {
    return plan.pick(static_cast<std::uint32_t>(key >> 32));
}

std::shared_ptr<const SetPlan> plan_of(const Set& set) {
    return SetPlan::build(set, {.parts = kPlanMaglev | kPlanRendezvous}, nullptr);
}

// Where every key of the sample goes, as ids.
std::vector<std::uint32_t> placement(const Set& set, Chooser chooser) {
    const auto plan = plan_of(set);
    std::vector<std::uint32_t> ids;
    std::uint64_t state = 99;
    for (std::size_t i = 0; i < kKeys; ++i) {
        const std::uint32_t index = chooser(*plan, next_random(state));
        ids.push_back(index == kNoIndex ? kNoIndex
                                        : static_cast<std::uint32_t>(set.members[index].id));
    }
    return ids;
}

double moved(const std::vector<std::uint32_t>& a, const std::vector<std::uint32_t>& b) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < a.size(); ++i) count += a[i] != b[i] ? 1 : 0;
    return static_cast<double>(count) / static_cast<double>(a.size());
}

// The largest and smallest load over the mean.
std::pair<double, double> spread(const Set& set, const std::vector<std::uint32_t>& ids) {
    std::map<std::uint32_t, double> loads;
    for (const std::uint32_t id : ids) loads[id] += 1;
    double low = 1e9, high = 0;
    const double mean = static_cast<double>(kKeys) / static_cast<double>(set.members.size());
    for (const Member& member : set.members) {
        const double load = loads[static_cast<std::uint32_t>(member.id)] / mean;
        low = std::min(low, load);
        high = std::max(high, load);
    }
    return {low, high};
}

Set with_one_down(Set set, std::size_t victim) {
    set.members[victim].flags |= kInactive;
    return set;
}

Set without(Set set, std::size_t victim) {
    set.members.erase(set.members.begin() + static_cast<std::ptrdiff_t>(victim));
    return set;
}

TEST(consistent, ring_sizes_are_primes_above_their_members) {
    for (const RingSize& row : kRingSizes) {
        EXPECT_GE(row.slots, row.members_max * 15);
        for (std::uint32_t d = 2; d * d <= row.slots; ++d)
            ASSERT_NE(row.slots % d, 0U) << row.slots;
    }
}

// Property: the ring is full, deterministic, independent of the order of members, and slots differ
// by one.
TEST(consistent, maglev_ring_is_full_and_even) {
    for (const std::size_t count : {1U, 2U, 3U, 10U, 57U, 128U, 129U, 300U}) {
        std::vector<std::uint64_t> identities;
        std::uint64_t state = count;
        for (std::size_t i = 0; i < count; ++i) identities.push_back(next_random(state));
        const MaglevRing ring(identities);
        const MaglevRing again(identities);
        std::vector<std::uint64_t> reversed(identities.rbegin(), identities.rend());
        const MaglevRing mirrored(reversed);

        std::vector<std::uint32_t> slots(count);
        const std::uint64_t slot_width = ~std::uint64_t{0} / ring.slots();
        for (std::uint64_t slot = 0; slot < ring.slots(); ++slot) {
            const std::uint64_t key = slot * slot_width + slot_width / 2;
            const std::uint32_t member = ring.at(key);
            ASSERT_LT(member, count);
            ++slots[member];
            ASSERT_EQ(again.at(key), member);
            ASSERT_EQ(count - 1 - mirrored.at(key), member);
        }
        const auto [low, high] = std::ranges::minmax(slots);
        EXPECT_LE(high - low, 1U) << count;
    }
}

// The main property, N = 2..100: a member that goes down moves its own keys only, and all others
// share them.
TEST(consistent, one_down_moves_exactly_its_own_keys) {
    for (std::size_t n = 2; n <= 100; n += n < 12 ? 1 : 11) {
        const Set set = test::plain_set(n);
        const Set down = with_one_down(set, n / 2);
        const auto victim = static_cast<std::uint32_t>(set.members[n / 2].id);
        for (const Chooser chooser : {by_maglev, by_rendezvous}) {
            const auto before = placement(set, chooser);
            const auto after = placement(down, chooser);
            std::map<std::uint32_t, std::size_t> heirs;
            std::size_t orphans = 0;
            for (std::size_t i = 0; i < kKeys; ++i) {
                ASSERT_NE(after[i], victim);
                if (before[i] != victim) {
                    ASSERT_EQ(after[i], before[i]) << "n=" << n;
                } else {
                    ++orphans;
                    ++heirs[after[i]];
                }
            }
            const double share = static_cast<double>(orphans) / kKeys * static_cast<double>(n);
            EXPECT_NEAR(share, 1.0, 5 * std::sqrt(static_cast<double>(n) / kKeys)) << n;
            if (orphans > 20 * n) {
                EXPECT_EQ(heirs.size(), n - 1) << n;
            }
        }
    }
}

TEST(consistent, a_row_that_leaves_or_comes_moves_little_more_than_its_share) {
    for (const std::size_t n : {2U, 3U, 5U, 10U, 20U, 50U, 100U}) {
        const Set set = test::plain_set(n);
        const Set less = without(set, n / 2);
        const double ideal = 1.0 / static_cast<double>(n);
        const double noise = 5 * std::sqrt(ideal / kKeys);
        EXPECT_NEAR(moved(placement(set, by_rendezvous), placement(less, by_rendezvous)), ideal,
                    noise);
        const double maglev = moved(placement(set, by_maglev), placement(less, by_maglev));
        EXPECT_GE(maglev, ideal - noise);
        EXPECT_LE(maglev, ideal + 0.08) << "n=" << n;
    }
}

TEST(consistent, half_of_them_down_and_all_but_one) {
    Set set = test::plain_set(40);
    for (std::size_t i = 0; i < 40; i += 2) set.members[i].flags |= kDisabled;
    for (const Chooser chooser : {by_maglev, by_rendezvous}) {
        std::map<std::uint32_t, double> loads;
        for (const std::uint32_t id : placement(set, chooser)) loads[id] += 20.0 / kKeys;
        ASSERT_EQ(loads.size(), 20U);
        for (const auto& [id, load] : loads) EXPECT_NEAR(load, 1.0, 0.25) << id;
    }
    for (std::size_t i = 0; i + 1 < 40; ++i) set.members[i].flags |= kDisabled;
    for (const Chooser chooser : {by_maglev, by_rendezvous}) {
        for (const std::uint32_t id : placement(set, chooser)) {
            ASSERT_EQ(id, static_cast<std::uint32_t>(set.members[39].id));
        }
    }
    set.members[39].flags |= kDisabled;
    EXPECT_EQ(placement(set, by_maglev)[0], kNoIndex);
    EXPECT_EQ(placement(set, by_rendezvous)[0], kNoIndex);
}

// Of a destination that the table names twice, each row has a share.
TEST(consistent, a_row_that_is_there_twice_counts_twice) {
    Set set = test::plain_set(4);
    set.members[1].text = set.members[0].text;
    for (const Chooser chooser : {by_maglev, by_rendezvous}) {
        std::map<std::uint32_t, double> loads;
        for (const std::uint32_t id : placement(set, chooser)) loads[id] += 4.0 / kKeys;
        ASSERT_EQ(loads.size(), 4U);
        for (const auto& [id, load] : loads) EXPECT_NEAR(load, 1.0, 0.05) << id;
    }
}

// So few alive that a key seldom finds one on the ring: what is left over is shared as well.
TEST(consistent, two_of_a_thousand_share_all_keys) {
    Set set = test::plain_set(1000);
    for (std::size_t i = 0; i < set.members.size(); ++i) {
        if (i % 500 != 250) set.members[i].flags |= kInactive;
    }
    for (const Chooser chooser : {by_maglev, by_rendezvous}) {
        std::map<std::uint32_t, double> loads;
        for (const std::uint32_t id : placement(set, chooser)) loads[id] += 2.0 / kKeys;
        ASSERT_EQ(loads.size(), 2U);
        for (const auto& [id, load] : loads) EXPECT_NEAR(load, 1.0, 0.1) << id;
    }
}

// Two nodes with rows in another order place every call on the same host.
TEST(consistent, the_order_of_rows_does_not_matter) {
    const Set set = test::plain_set(17);
    Set mirrored = set;
    std::ranges::reverse(mirrored.members);
    EXPECT_EQ(placement(set, by_maglev), placement(mirrored, by_maglev));
    EXPECT_EQ(placement(set, by_rendezvous), placement(mirrored, by_rendezvous));
}

// Tables as they are in the field must not move: without weights, or with equal ones, the ring is
// the one it was before there were weights.
TEST(consistent, equal_weights_leave_the_ring_as_it_is) {
    for (const std::size_t count : {1U, 7U, 128U, 129U, 300U}) {
        std::vector<std::uint64_t> identities;
        std::uint64_t state = count;
        for (std::size_t i = 0; i < count; ++i) identities.push_back(next_random(state));
        const MaglevRing plain(identities);
        const MaglevRing zero(identities, std::vector<std::uint32_t>(count, 0));
        const MaglevRing fifty(identities, std::vector<std::uint32_t>(count, 50));
        for (int i = 0; i < 10000; ++i) {
            const std::uint64_t key = next_random(state);
            ASSERT_EQ(plain.at(key), zero.at(key));
            ASSERT_EQ(plain.at(key), fifty.at(key));
        }
    }
    // The first slots of one ring, recorded before there were weights.
    const MaglevRing recorded(std::vector<std::uint64_t>{11, 22, 33});
    std::string members;
    for (std::uint64_t slot = 0; slot < 24; ++slot) {
        const std::uint64_t width = ~std::uint64_t{0} / recorded.slots();
        members += static_cast<char>('0' + recorded.at(slot * width + width / 2));
    }
    EXPECT_EQ(members, "010121101010221020200101");
}

TEST(consistent, maglev_slots_follow_weights) {
    std::vector<std::uint64_t> identities;
    std::uint64_t state = 5;
    std::vector<std::uint32_t> weights;
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < 40; ++i) {
        identities.push_back(next_random(state));
        weights.push_back(i % 4 == 0 ? 0 : 1 + i * 2);
        sum += weights.back();
    }
    const MaglevRing ring(identities, weights);
    std::vector<std::uint32_t> slots(identities.size());
    const std::uint64_t width = ~std::uint64_t{0} / ring.slots();
    for (std::uint64_t slot = 0; slot < ring.slots(); ++slot) {
        ++slots[ring.at(slot * width + width / 2)];
    }
    for (std::size_t i = 0; i < slots.size(); ++i) {
        const double share =
            static_cast<double>(weights[i]) * ring.slots() / static_cast<double>(sum);
        EXPECT_NEAR(slots[i], share, weights[i] == 0 ? 0 : 1.5) << i;
    }
    // Recorded: all nodes have the same ring, whichever version each runs.
    const MaglevRing recorded(std::vector<std::uint64_t>{11, 22, 33},
                              std::vector<std::uint32_t>{40, 20, 10});
    std::uint64_t fingerprint = 0;
    const std::uint64_t recorded_width = ~std::uint64_t{0} / recorded.slots();
    for (std::uint64_t slot = 0; slot < recorded.slots(); ++slot)
        fingerprint = mix64(fingerprint ^ recorded.at(slot * recorded_width + recorded_width / 2));
    EXPECT_EQ(fingerprint, 4069350133553581712U);
    // A weight too small for a slot of its own gets one all the same.
    std::vector<std::uint32_t> uneven(identities.size(), 100);
    uneven[0] = 1;
    const MaglevRing small(identities, uneven);
    std::size_t found = 0;
    for (std::uint64_t slot = 0; slot < small.slots(); ++slot) {
        if (small.at(slot * width + width / 2) == 0) ++found;
    }
    EXPECT_GE(found, 1U);
    EXPECT_LE(found, 2U);
}

TEST(consistent, maglev_follows_weights) {
    Set set = test::plain_set(4);
    const std::uint16_t weights[] = {10, 20, 30, 40};
    for (std::size_t i = 0; i < 4; ++i) set.members[i].weight = weights[i];
    const auto before = placement(set, by_maglev);
    std::map<std::uint32_t, double> loads;
    for (const std::uint32_t id : before) loads[id] += 100.0 / kKeys;
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_NEAR(loads[static_cast<std::uint32_t>(set.members[i].id)], weights[i], 1.5);
    }
    // Down: its keys alone move, and spread by weight.
    const auto down = placement(with_one_down(set, 3), by_maglev);
    const auto victim = static_cast<std::uint32_t>(set.members[3].id);
    for (std::size_t i = 0; i < kKeys; ++i) {
        if (before[i] == victim) continue;
        ASSERT_EQ(down[i], before[i]);
    }
    EXPECT_NEAR(moved(before, down), 0.4, 0.015);
    // A weight that changes moves little more than the difference of the shares: 4.8 % here.
    set.members[3].weight = 50;
    const double change = moved(before, placement(set, by_maglev));
    EXPECT_GT(change, 0.05);
    EXPECT_LT(change, 0.15);
    // Weight 0 beside others: no keys, as with rendezvous.
    set.members[0].weight = 0;
    for (const std::uint32_t id : placement(set, by_maglev)) {
        ASSERT_NE(id, static_cast<std::uint32_t>(set.members[0].id));
    }
}

// A reload keeps the ring of the plan before it, if that is the one it would make.
TEST(consistent, a_ring_is_kept_only_while_it_is_right) {
    const auto keys_of = [](const SetPlan& plan) {
        std::vector<std::uint32_t> indexes;
        std::uint64_t state = 99;
        for (int i = 0; i < 1000; ++i) indexes.push_back(plan.maglev(next_random(state)));
        return indexes;
    };
    Set set = test::plain_set(4);
    for (Member& member : set.members) member.weight = 10;
    const SetPlan::Context context{.parts = kPlanMaglev};
    const auto before = SetPlan::build(set, context, nullptr);
    Set weight = set, row = set, down = set;
    weight.members[3].weight = 50;
    row.members[3].text = row.members[0].text;
    down.members[3].flags |= kInactive;
    for (const Set& changed : {set, weight, row, down}) {
        EXPECT_EQ(keys_of(*SetPlan::build(changed, context, before.get())),
                  keys_of(*SetPlan::build(changed, context, nullptr)));
    }
}

TEST(consistent, rendezvous_follows_weights) {
    Set set = test::plain_set(4);
    const std::uint16_t weights[] = {10, 20, 30, 40};
    for (std::size_t i = 0; i < 4; ++i) set.members[i].weight = weights[i];
    std::map<std::uint32_t, double> loads;
    const auto before = placement(set, by_rendezvous);
    for (const std::uint32_t id : before) loads[id] += 100.0 / kKeys;
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_NEAR(loads[static_cast<std::uint32_t>(set.members[i].id)], weights[i], 1.5);
    }
    // A weight that changes moves keys to or from its member only.
    set.members[1].weight = 60;
    const auto after = placement(set, by_rendezvous);
    for (std::size_t i = 0; i < kKeys; ++i) {
        if (after[i] != before[i]) {
            ASSERT_EQ(after[i], static_cast<std::uint32_t>(set.members[1].id));
        }
    }
}

TEST(consistent, logarithm) {
    std::uint64_t state = 3;
    for (int i = 0; i < 10000; ++i) {
        const std::uint64_t u = next_random(state) >> (i % 60);
        const double exact = 64 - std::log2(static_cast<double>(u | 1));
        ASSERT_NEAR(static_cast<double>(negative_log2(u)) / std::pow(2.0, 40), exact, 4e-6) << u;
    }
}

// Prints the table of docs/consistent-hashing.md.
TEST(consistent, table_for_the_manual) {
    std::printf(
        "|   N | ideal | down: maglev | down: rendezvous | down: modulo 0 | left: maglev | left: "
        "rendezvous | left: modulo 0 | load maglev | load rendezvous |\n");
    for (const std::size_t n : {2U, 3U, 5U, 10U, 20U, 50U, 100U}) {
        const Set set = test::plain_set(n);
        const Set down = with_one_down(set, n / 2), less = without(set, n / 2);
        std::printf("| %3zu | %5.2f %% |", n, 100.0 / static_cast<double>(n));
        for (const Set& other : {down, less}) {
            for (const Chooser chooser : {by_maglev, by_rendezvous, by_modulo}) {
                const double share = moved(placement(set, chooser), placement(other, chooser));
                std::printf(" %5.2f %% |", 100 * share);
                EXPECT_LE(share, 1.0);
            }
        }
        for (const Chooser chooser : {by_maglev, by_rendezvous}) {
            const auto [low, high] = spread(set, placement(set, chooser));
            std::printf(" %.2f-%.2f |", low, high);
            EXPECT_GT(low, 0.6);
            EXPECT_LT(high, 1.5);
        }
        std::printf("\n");
    }
}

}  // namespace
}  // namespace lb::table
