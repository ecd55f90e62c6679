#include "dp/table/call_load.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "dp/table/random.h"
#include "tests/support/golden_select.h"

namespace lb::table {
namespace {

struct Fixture {
    std::shared_ptr<CallLoad> calls =
        CallLoad::create({.hash_size = 4, .expire_s = 100, .initexpire_s = 10, .key = {1, 2}});
    Set set = test::plain_set(3);
    std::shared_ptr<const LoadSlots> slots = calls->slots_for(set);

    std::uint32_t load(std::size_t member) const { return calls->load((*slots)[member]); }
    CallLoad::Begin start(std::string_view call_id, std::size_t member, std::uint32_t now) {
        EXPECT_TRUE(calls->reserve((*slots)[member], 0));
        DestinationId id{};
        return calls->begin(calls->call_key(call_id), (*slots)[member], now, id);
    }
    bool known(std::string_view call_id, std::uint32_t now) const {
        DestinationId id{};
        return calls->find(calls->call_key(call_id), now, id);
    }
};

TEST(call_load, life_of_a_call) {
    Fixture f;
    EXPECT_EQ(f.start("a", 1, 0), CallLoad::Begin::kStored);
    EXPECT_EQ(f.load(1), 1U);
    EXPECT_EQ(f.calls->load_of(f.set.members[1].id), 1U);
    DestinationId id{};
    ASSERT_TRUE(f.calls->find(f.calls->call_key("a"), 5, id));
    EXPECT_EQ(id, f.set.members[1].id);
    EXPECT_FALSE(f.known("A", 5)) << "a Call-ID is compared exactly";
    f.calls->end(f.calls->call_key("a"));
    EXPECT_EQ(f.load(1), 0U);
    f.calls->end(f.calls->call_key("a"));  // a retransmitted BYE
    EXPECT_EQ(f.load(1), 0U);
    EXPECT_EQ(f.calls->calls(), 0U);
}

TEST(call_load, expiry) {
    Fixture f;
    f.start("never answered", 0, 0);
    f.start("answered", 0, 0);
    f.calls->confirm(f.calls->call_key("answered"));
    f.calls->confirm(f.calls->call_key("answered"));  // the 200 comes twice
    f.calls->expire(9, 1000);
    EXPECT_EQ(f.load(0), 2U);
    f.calls->expire(10, 1000);
    EXPECT_EQ(f.load(0), 1U);
    f.calls->expire(99, 1000);
    EXPECT_EQ(f.load(0), 1U);
    f.calls->expire(100, 1000);
    EXPECT_EQ(f.load(0), 0U);
}

TEST(call_load, a_challenge_shortens_and_the_second_invite_renews) {
    auto calls = CallLoad::create({.hash_size = 4, .expire_s = 7200, .initexpire_s = 7200});
    const Set set = test::plain_set(1);
    const auto slots = calls->slots_for(set);
    const std::uint64_t call = calls->call_key("c");
    DestinationId id{};
    ASSERT_TRUE(calls->reserve((*slots)[0], 1));
    ASSERT_EQ(calls->begin(call, (*slots)[0], 0, id), CallLoad::Begin::kStored);
    calls->challenged(call, 1);
    EXPECT_TRUE(calls->find(call, 32, id));
    EXPECT_FALSE(calls->find(call, 33, id));
    calls->renew(call, 2);
    EXPECT_TRUE(calls->find(call, 7000, id));
    calls->confirm(call);
    calls->challenged(call, 3);  // of a later INVITE
    calls->end_unconfirmed(call);
    EXPECT_TRUE(calls->find(call, 7000, id));
}

// A challenge gives a call no more time than it had.
TEST(call_load, a_challenge_does_not_prolong) {
    Fixture f;  // a call that is not answered lasts 10 s
    f.start("c", 0, 0);
    f.calls->challenged(f.calls->call_key("c"), 1);
    EXPECT_TRUE(f.known("c", 9));
    EXPECT_FALSE(f.known("c", 10));
}

TEST(call_load, full_buckets_refuse_and_expired_entries_make_room) {
    auto calls = CallLoad::create({.hash_size = 1, .expire_s = 10, .initexpire_s = 10});
    const Set set = test::plain_set(1);
    const auto slots = calls->slots_for(set);
    DestinationId id{};
    std::uint32_t stored = 0;
    for (std::uint64_t call = 1; call <= 200; ++call) {
        ASSERT_TRUE(calls->reserve((*slots)[0], 0));
        if (calls->begin(call, (*slots)[0], 0, id) == CallLoad::Begin::kStored) {
            ++stored;
        } else {
            calls->release((*slots)[0]);
        }
    }
    EXPECT_EQ(stored, 64U);  // two buckets
    EXPECT_EQ(calls->refused(), 136U);
    EXPECT_EQ(calls->load((*slots)[0]), 64U);
    ASSERT_TRUE(calls->reserve((*slots)[0], 0));
    EXPECT_EQ(calls->begin(201, (*slots)[0], 10, id), CallLoad::Begin::kStored);
    EXPECT_LE(calls->calls(), 64U);
}

TEST(call_load, loads_outlive_their_sets_while_calls_last) {
    Fixture f;
    f.start("a", 2, 0);
    const Set other = test::plain_set(3, 9);
    f.slots = f.calls->slots_for(other);
    f.slots = f.calls->slots_for(f.set);
    EXPECT_EQ(f.load(2), 1U);
}

TEST(call_load, a_member_without_duid_has_no_load) {
    Fixture f;
    const MemberText text = f.set.texts[0];
    f.set.texts.push_back({text.uri, text.attrs, "", text.host_port});
    f.set.members[0].text = static_cast<std::uint32_t>(f.set.texts.size() - 1);
    EXPECT_EQ((*f.calls->slots_for(f.set))[0], kNoLoadSlot);
}

// Slots that a set holds or a call counts on are nobody else's; the others are given out again.
TEST(call_load, slots_are_used_again_when_there_are_no_more) {
    Fixture f;
    f.start("a", 2, 0);
    const LoadSlot counted = (*f.slots)[2];
    const auto many = [&](std::int32_t id, std::size_t count) {
        Set set;
        const MemberText text = f.set.texts[0];
        set.texts.push_back({text.uri, text.attrs, text.duid, text.host_port});
        Member member;
        for (std::size_t i = 0; i < count; ++i) {
            member.id =
                DestinationId{static_cast<std::uint32_t>(id) << 24 | static_cast<std::uint32_t>(i)};
            set.members.push_back(member);
        }
        return f.calls->slots_for(set);
    };
    const auto distinct = [](const LoadSlots& slots) {
        std::set<LoadSlot> all;
        for (std::size_t i = 0; i < slots.size(); ++i) all.insert(slots[i]);
        return all;
    };
    auto first = many(1, kLoadSlotsMax - 4);
    EXPECT_EQ((*many(2, 1))[0], kNoLoadSlot);
    EXPECT_EQ(distinct(*first).size(), kLoadSlotsMax - 4);
    f.slots = nullptr;
    first = nullptr;
    const auto second = many(3, kLoadSlotsMax - 2);
    const std::set<LoadSlot> used = distinct(*second);
    EXPECT_EQ(used.size(), kLoadSlotsMax - 2);
    EXPECT_FALSE(used.contains(kNoLoadSlot));
    EXPECT_FALSE(used.contains(counted));
    for (std::size_t i = 0; i < second->size(); ++i) ASSERT_TRUE(f.calls->reserve((*second)[i], 0));
    EXPECT_EQ(f.calls->load_of(DestinationId{1U << 24}), 0U) << "its slot is another one's";
    EXPECT_EQ(f.calls->load_of(DestinationId{3U << 24}), 1U);
    EXPECT_EQ((*many(4, 1))[0], kNoLoadSlot);
}

// Many threads start and end the same few calls: nothing is counted twice or lost, no limit is
// passed. Meant for ThreadSanitizer as much as for its asserts.
TEST(call_load, races) {
    constexpr std::uint32_t kMaxload = 5;
    Fixture f;
    std::atomic<bool> passed{false};
    std::atomic<std::uint64_t> stored{0};
    const auto work = [&](std::uint64_t seed) {
        for (int i = 0; i < 30000; ++i) {
            const std::uint64_t number = next_random(seed);
            const std::uint64_t call = number % 40 + 1;
            const LoadSlot slot = (*f.slots)[number / 64 % 3];
            DestinationId id{};
            if (number >> 32 & 1) {
                f.calls->end(call);
            } else if (f.calls->reserve(slot, kMaxload)) {
                if (f.calls->begin(call, slot, 0, id) == CallLoad::Begin::kStored) {
                    ++stored;
                } else {
                    f.calls->release(slot);
                }
            }
            for (std::size_t member = 0; member < 3; ++member) {
                if (f.load(member) > kMaxload) passed = true;
            }
        }
    };
    std::vector<std::thread> threads;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) threads.emplace_back(work, seed);
    for (std::thread& thread : threads) thread.join();
    EXPECT_FALSE(passed);
    EXPECT_GT(stored, 1000U);
    EXPECT_EQ(f.load(0) + f.load(1) + f.load(2), f.calls->calls());
    for (std::uint64_t call = 1; call <= 40; ++call) {
        f.calls->end(call);
        DestinationId id{};
        EXPECT_FALSE(f.calls->find(call, 0, id)) << "a call had two entries";
    }
    EXPECT_EQ(f.load(0) + f.load(1) + f.load(2), 0U);
    EXPECT_EQ(f.calls->calls(), 0U);
}

}  // namespace
}  // namespace lb::table
