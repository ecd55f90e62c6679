#include "dp/table/tables.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "dp/table/plan.h"
#include "tests/support/golden_select.h"

namespace lb::table {
namespace {

Endpoint endpoint(const char* text) { return Endpoint::parse(text).value(); }

TEST(dispatch, finds_listeners_sets_and_members) {
    Dispatch::Input input;
    input.listeners.resize(2);
    input.listeners[0].endpoint = endpoint("10.0.0.1:5060");
    input.listeners[1].endpoint = endpoint("[fd00::1]:5060");
    input.sets.push_back(test::plain_set(3, 7));
    input.sets.push_back(test::plain_set(2, -4));
    const auto dispatch = Dispatch::build(std::move(input));
    EXPECT_EQ(dispatch->find_listener(endpoint("[fd00::1]:5060")), 1);
    EXPECT_EQ(dispatch->find_listener(endpoint("10.0.0.1:5061")), kNoListener);
    EXPECT_EQ(dispatch->find_set(-4), &dispatch->sets()[1]);
    EXPECT_EQ(dispatch->find_set(0), nullptr);
    MemberPosition position;
    ASSERT_TRUE(dispatch->find_member(dispatch->sets()[1].members[1].id, position));
    EXPECT_EQ(position.set, 1U);
    EXPECT_EQ(position.member, 1U);
    EXPECT_FALSE(dispatch->find_member(DestinationId{12345}, position));
}

// A branch of ours carries it: of two listeners that differ in anything it is another one.
TEST(dispatch, every_listener_has_its_mark) {
    std::set<std::uint64_t> marks;
    constexpr const char* kEndpoints[] = {"192.0.2.10:5060", "192.0.2.10:5061", "192.0.2.11:5060",
                                          "[c000:20a::]:5060", "[c000:20a::1]:5060"};
    for (const char* text : kEndpoints) marks.insert(listener_mark(endpoint(text)));
    EXPECT_EQ(marks.size(), std::size(kEndpoints));
    EXPECT_FALSE(marks.contains(0));
}

TEST(dispatch, empty_tables_answer) {
    const auto dispatch = Dispatch::build({});
    EXPECT_EQ(dispatch->find_listener(endpoint("10.0.0.1:5060")), kNoListener);
    EXPECT_EQ(dispatch->find_set(1), nullptr);
    EXPECT_FALSE(dispatch->is_destination(endpoint("10.0.0.1:5060")));
}

// Spec 8: the port matches if equal, or if the destination has none.
TEST(dispatch, is_destination) {
    struct Row {
        const char* host_port;
        const char* source;
        bool expected;
    };
    constexpr Row kRows[] = {
        {"10.0.0.0", "10.0.0.0:40000", true},       {"10.0.0.0:5060", "10.0.0.0:40000", false},
        {"10.0.0.0:5060", "10.0.0.0:5060", true},   {"10.0.0.0;transport=udp", "10.0.0.0:1", true},
        {"10.0.0.0;a=b:c", "10.0.0.0:1", true},     {"u:p@10.0.0.0", "10.0.0.0:1", true},
        {"u:p@10.0.0.0:5060", "10.0.0.0:1", false}, {"[::1]", "10.0.0.0:1", true},
        {"[::1]:5060", "10.0.0.0:1", false},        {"10.0.0.0:", "10.0.0.0:1", true},
        {"10.0.0.0", "10.0.0.1:5060", false},
    };
    for (const Row& row : kRows) {
        Dispatch::Input input;
        input.sets.push_back(test::plain_set(1));
        input.sets[0].texts = {};
        input.sets[0].texts.push_back({"sip:x", "", "", row.host_port});
        input.sets[0].members[0].flags = kDisabled;  // any state
        EXPECT_EQ(Dispatch::build(std::move(input))->is_destination(endpoint(row.source)),
                  row.expected)
            << row.host_port << " " << row.source;
    }
}

TEST(dispatch, unresolved_members_are_no_source_and_not_usable) {
    Dispatch::Input input;
    input.sets.push_back(test::plain_set(2));
    input.sets[0].members[0].endpoint = {};
    const auto dispatch = Dispatch::build(std::move(input));
    EXPECT_FALSE(dispatch->is_destination({}));
    EXPECT_EQ(dispatch->plan(dispatch->sets()[0]).pick(0), 1U);
}

Dispatch::Input next_generation(const Dispatch& now) {
    Dispatch::Input input;
    input.services = now.services();
    input.sets = now.sets().copy();
    input.cursors = now.cursors();
    input.previous = &now;
    return input;
}

TEST(dispatch, a_state_change_keeps_pointers_and_the_plans_of_other_sets) {
    Dispatch::Input input = test::input_for(test::plain_set(5, 1), Algorithm::kMaglev);
    input.sets.push_back(test::plain_set(4, 2));
    const auto first = Dispatch::build(std::move(input));
    first->cursors()->at(0, 1).last = 3;

    Dispatch::Input change = next_generation(*first);
    change.sets[1].members[0].flags |= kInactive;
    const auto second = Dispatch::build(std::move(change));
    EXPECT_EQ(second->cursors()->at(0, 1).last, 3U);
    EXPECT_EQ(&second->plan(second->sets()[0]), &first->plan(first->sets()[0]));
    EXPECT_NE(&second->plan(second->sets()[1]), &first->plan(first->sets()[1]));
    EXPECT_FALSE(second->plan(second->sets()[1]).usable(0));

    Dispatch::Input reload = next_generation(*second);
    reload.cursors = nullptr;
    EXPECT_EQ(Dispatch::build(std::move(reload))->cursors()->at(0, 1).last, 0U);
}

// What a state change makes: the sets named are new, all else is the same object.
TEST(dispatch, with_changed_shares_what_did_not_change) {
    Dispatch::Input input = test::input_for(test::plain_set(5, 1), Algorithm::kMaglev);
    for (std::int32_t id = 2; id <= 200; ++id) input.sets.push_back(test::plain_set(3, id));
    auto first = Dispatch::build(std::move(input));
    first->cursors()->at(0, 150).last = 2;
    const Set* const untouched = first->find_set(150);

    Set changed = *first->find_set(130);
    changed.members[1].flags |= kInactive;
    std::vector<Set> sets = {changed, *first->find_set(2)};  // one of them only seems to change
    const auto second = Dispatch::with_changed(*first, sets, {7, 8});
    EXPECT_EQ(second->origin(), (Origin{7, 8}));
    EXPECT_EQ(second->sets().size(), 200U);
    EXPECT_EQ(second->find_set(150), untouched);
    EXPECT_EQ(second->find_set(2), first->find_set(2)) << "the same content is the same object";
    EXPECT_NE(second->find_set(130), first->find_set(130));
    EXPECT_EQ(second->cursors(), first->cursors());
    EXPECT_FALSE(second->plan(*second->find_set(130)).usable(1));
    EXPECT_TRUE(first->plan(*first->find_set(130)).usable(1)) << "the old one is as it was";
    EXPECT_EQ(second->index_of(*second->find_set(130)), 129U);
    EXPECT_EQ(second->find_set(130)->texts[1].uri, first->find_set(130)->texts[1].uri);
    const Endpoint source = changed.members[1].endpoint;
    first.reset();
    EXPECT_TRUE(second->is_destination(source));
    EXPECT_EQ(second->find_set(150)->members.size(), 3U);
}

// A host name that resolves to another address moves its destination in the indexes too.
TEST(dispatch, with_changed_follows_addresses) {
    const auto first = Dispatch::build(test::input_for(test::plain_set(3, 1), Algorithm::kCallId));
    Set changed = *first->find_set(1);
    const Endpoint before = changed.members[0].endpoint;
    changed.members[0].endpoint = endpoint("192.0.2.77:5060");
    const auto second = Dispatch::with_changed(*first, {changed}, {});
    EXPECT_TRUE(second->is_destination(endpoint("192.0.2.77:5060")));
    EXPECT_FALSE(second->is_destination(before));
    EXPECT_TRUE(first->is_destination(before));
}

TEST(set_texts, keeps_them_in_one_piece_and_copies_on_write) {
    SetTexts texts;
    texts.push_back({"sip:a@h:5060", "duid=x;weight=2", "x", "a@h:5060"});
    texts.push_back({"sip:b", "", "elsewhere", "other"});
    const SetTexts copy = texts;
    const std::size_t characters = texts.characters();
    EXPECT_EQ(characters, 12U + 15U + 5U + 9U + 5U) << "duid and host_port of the first lie within";
    EXPECT_EQ(texts[0].duid, "x");
    EXPECT_EQ(texts[0].host_port, "a@h:5060");
    EXPECT_EQ(texts[1].duid, "elsewhere");
    EXPECT_EQ(texts[1].host_port, "other");
    EXPECT_EQ(texts[1].attrs, "");
    texts.push_back({"sip:c", "", "", "c"});
    EXPECT_EQ(copy.size(), 2U);
    EXPECT_EQ(texts.size(), 3U);
    EXPECT_EQ(copy[0].uri, texts[0].uri);
    EXPECT_NE(copy, texts);
}

TEST(set_texts, are_equal_if_all_of_them_are) {
    const auto made = [](std::string_view uri, std::string_view attrs, std::string_view duid,
                         std::string_view host_port) {
        SetTexts texts;
        texts.push_back({uri, attrs, duid, host_port});
        return texts;
    };
    const SetTexts one = made("sip:a", "weight=1", "d", "h");
    EXPECT_EQ(one, made("sip:a", "weight=1", "d", "h"));
    EXPECT_NE(one, made("sip:b", "weight=1", "d", "h"));
    EXPECT_NE(one, made("sip:a", "weight=2", "d", "h"));
    EXPECT_NE(one, made("sip:a", "weight=1", "e", "h"));
    EXPECT_NE(one, made("sip:a", "weight=1", "d", "i"));
    EXPECT_NE(one, SetTexts());
}

// A generation must not use anything of an older one that is gone.
TEST(dispatch, generations_outlive_the_one_before) {
    auto dispatch = Dispatch::build(test::input_for(test::plain_set(5, 1), Algorithm::kMaglev));
    for (std::uint32_t i = 0; i < 10; ++i) {
        Dispatch::Input change = next_generation(*dispatch);
        change.sets[0].members[i % 4].flags ^= kInactive;
        dispatch = Dispatch::build(std::move(change));
        EXPECT_NE(dispatch->plan(dispatch->sets()[0]).maglev(i * 0x123456789abcdefULL), kNoIndex);
    }
}

// Brute force of spec 2.3 beside the prepared walk.
TEST(plan, pick_equals_the_walk_of_the_specification) {
    for (std::uint32_t mask = 0; mask < 64; ++mask) {
        for (const bool use_default : {false, true}) {
            Set set = test::plain_set(6);
            for (std::uint32_t i = 0; i < 6; ++i) {
                if (mask >> i & 1) set.members[i].flags = kDisabled;
            }
            const auto plan = SetPlan::build(set, {.use_default = use_default}, nullptr);
            const std::uint32_t n = use_default ? 5 : 6;
            for (std::uint32_t value = 0; value < 13; ++value) {
                std::uint32_t expected = value % n;
                while (set.members[expected].skipped()) {
                    expected = (expected + 1) % n;
                    if (expected != value % n) continue;
                    expected = use_default && !set.members[5].skipped() ? 5 : kNoIndex;
                    break;
                }
                ASSERT_EQ(plan->pick(value), expected)
                    << mask << " " << use_default << " " << value;
            }
        }
    }
}

TEST(plan, a_default_alone_is_an_ordinary_member) {
    const auto plan = SetPlan::build(test::plain_set(1), {.use_default = true}, nullptr);
    EXPECT_EQ(plan->pick(7), 0U);
    EXPECT_EQ(plan->eligible(), 1U);
    EXPECT_FALSE(plan->has_default());
}

// Plans are shared among sets that differ in nothing that a plan is made of, and no others.
TEST(dispatch, sets_of_one_size_have_plans_of_their_own) {
    const auto build = [](Algorithm algorithm, const std::vector<Set>& sets) {
        Dispatch::Input input;
        for (const Set& set : sets) {
            Service service;
            service.set = set.id;
            service.algorithm = algorithm;
            input.services.push_back(service);
            input.sets.push_back(set);
        }
        return Dispatch::build(std::move(input));
    };
    Set first = test::plain_set(2, 1), second = test::plain_set(2, 2);
    for (Member& member : first.members) member.priority = 5;
    for (Member& member : second.members) member.priority = 5;
    second.members[1].priority = 6;
    first.members[0].weight = 100;
    second.members[0].weight = second.members[1].weight = 50;
    for (const bool swapped : {false, true}) {
        const auto sets =
            swapped ? std::vector<Set>{second, first} : std::vector<Set>{first, second};
        const auto mixed = build(Algorithm::kMixed, sets);
        EXPECT_TRUE(mixed->plan(*mixed->find_set(1)).mixed_is_round_robin());
        EXPECT_FALSE(mixed->plan(*mixed->find_set(2)).mixed_is_round_robin());
    }
    second.members[1].priority = 5;
    for (const bool swapped : {false, true}) {
        const auto sets =
            swapped ? std::vector<Set>{second, first} : std::vector<Set>{first, second};
        const auto weights = build(Algorithm::kWeight, sets);
        for (const std::int32_t id : {1, 2}) {
            std::uint32_t cursor = 0, of_second = 0;
            for (int i = 0; i < 100; ++i)
                of_second += weights->plan(*weights->find_set(id)).weight_value(cursor);
            EXPECT_EQ(of_second, id == 1 ? 0U : 50U);
        }
    }
}

TEST(dispatch, a_hundred_thousand_destinations) {
    const auto now = [] { return std::chrono::steady_clock::now(); };
    Dispatch::Input input = test::input_for(test::plain_set(100000), Algorithm::kCallId);
    const auto begin = now();
    const auto first = Dispatch::build(std::move(input));
    const auto built = now();
    Dispatch::Input change = next_generation(*first);
    change.sets[0].members[5].flags |= kInactive;
    const auto copied = now();
    const auto second = Dispatch::build(std::move(change));
    const auto changed = now();
    const auto ms = [](auto d) { return std::chrono::duration<double, std::milli>(d).count(); };
    std::printf("100000 destinations: build %.1f ms, state change %.1f ms, %zu bytes\n",
                ms(built - begin), ms(changed - copied), second->memory_bytes());
    EXPECT_LT(second->memory_bytes(), std::size_t{64} << 20);
    EXPECT_EQ(second->plan(second->sets()[0]).pick(5), 6U);
}

TEST(dispatch, a_thousand_small_sets_with_maglev_stay_small) {
    Dispatch::Input input;
    Service service;
    service.algorithm = Algorithm::kMaglev;
    for (std::int32_t id = 1; id <= 1000; ++id) {
        service.set = id;
        input.services.push_back(service);
        input.sets.push_back(test::plain_set(10, id));
    }
    EXPECT_LT(Dispatch::build(std::move(input))->memory_bytes(), std::size_t{8} << 20);
}

TEST(source_index, agrees_with_a_linear_search) {
    std::mt19937 random(3);
    const auto any_endpoint = [&] {  // few of each, so that all kinds of clashes occur
        const std::uint8_t bytes[16] = {10, static_cast<std::uint8_t>(random() % 6)};
        const bool ipv4 = random() % 2 == 0;
        return Endpoint{ipv4 ? IpAddress::from_ipv4(bytes) : IpAddress::from_ipv6(bytes),
                        static_cast<std::uint16_t>(random() % 4)};
    };
    for (int round = 0; round < 200; ++round) {
        const std::size_t count = random() % 40;
        SourceIndex index(count);
        std::vector<std::pair<Endpoint, std::uint32_t>> all;
        for (std::uint32_t value = 0; value < count; ++value) {
            all.emplace_back(any_endpoint(), value);
            index.insert(all.back().first, value);
        }
        const auto first = [&](const Endpoint& wanted) {
            for (const auto& [endpoint, value] : all) {
                if (endpoint == wanted) return value;
            }
            return SourceIndex::kNone;
        };
        for (int i = 0; i < 100; ++i) {
            const Endpoint source = any_endpoint();
            const std::uint32_t exact = first(source);
            const std::uint32_t expected =
                exact != SourceIndex::kNone ? exact : first({source.address, 0});
            ASSERT_EQ(index.find(source), expected) << source.text();
        }
    }
}

TEST(source_index, forgets_nobody_and_seldom_looks_for_a_stranger) {
    constexpr std::uint32_t kKeys = 3000, kStrangers = 10000;
    const auto numbered = [](std::uint8_t net, std::uint32_t i) {
        const std::uint8_t bytes[4] = {net, 7, static_cast<std::uint8_t>(i >> 8),
                                       static_cast<std::uint8_t>(i)};
        return IpAddress::from_ipv4(bytes);
    };
    SourceIndex index(kKeys);
    for (std::uint32_t i = 0; i < kKeys; ++i) index.insert({numbered(10, i), 5060}, i);
    for (std::uint32_t i = 0; i < kKeys; ++i) EXPECT_TRUE(index.may_have(numbered(10, i))) << i;
    std::uint32_t looked_for = 0;
    for (std::uint32_t i = 0; i < kStrangers; ++i) looked_for += index.may_have(numbered(172, i));
    EXPECT_LT(looked_for, kStrangers / 10);
    EXPECT_FALSE(SourceIndex().may_have(numbered(10, 1)));
}

}  // namespace
}  // namespace lb::table
