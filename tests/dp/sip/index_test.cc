// What reads a field finds the same with the index of its message as without: two ways through one
// grammar, over messages that are broken at random.

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>

#include "dp/sip/parser.h"
#include "dp/sip/uri.h"
#include "tests/dp/sip/sample.h"
#include "tests/support/guarded_bytes.h"

namespace lb::sip {
namespace {

// Not operator== of views: where a view begins matters as much as what it says.
#define EXPECT_SAME_VIEW(a, b)         \
    EXPECT_EQ((a).data(), (b).data()); \
    EXPECT_EQ((a).size(), (b).size())

void expect_same(const Via& a, const Via& b) {
    EXPECT_SAME_VIEW(a.value, b.value);
    EXPECT_SAME_VIEW(a.transport, b.transport);
    EXPECT_SAME_VIEW(a.host, b.host);
    EXPECT_SAME_VIEW(a.port_text, b.port_text);
    EXPECT_SAME_VIEW(a.branch, b.branch);
    EXPECT_SAME_VIEW(a.received, b.received);
    EXPECT_SAME_VIEW(a.received_param, b.received_param);
    EXPECT_SAME_VIEW(a.rport, b.rport);
    EXPECT_SAME_VIEW(a.rport_param, b.rport_param);
    EXPECT_SAME_VIEW(a.maddr, b.maddr);
    EXPECT_SAME_VIEW(a.sent_by, b.sent_by);
    EXPECT_EQ(a.port, b.port);
}

void expect_same(const NameAddr& a, const NameAddr& b) {
    EXPECT_SAME_VIEW(a.whole, b.whole);
    EXPECT_SAME_VIEW(a.uri, b.uri);
    EXPECT_SAME_VIEW(a.params, b.params);
    EXPECT_SAME_VIEW(a.tag, b.tag);
}

void expect_same(const Uri& a, const Uri& b) {
    EXPECT_EQ(a.scheme, b.scheme);
    EXPECT_SAME_VIEW(a.user, b.user);
    EXPECT_SAME_VIEW(a.password, b.password);
    EXPECT_SAME_VIEW(a.host, b.host);
    EXPECT_SAME_VIEW(a.port_text, b.port_text);
    EXPECT_SAME_VIEW(a.host_port, b.host_port);
    EXPECT_SAME_VIEW(a.params, b.params);
    EXPECT_SAME_VIEW(a.headers, b.headers);
    EXPECT_EQ(a.port, b.port);
    EXPECT_EQ(a.user_phone, b.user_phone);
    EXPECT_EQ(a.has_user, b.has_user);
}

void expect_same_uri(std::string_view text, const TextIndex& index) {
    Uri with, without;
    const bool good = parse_uri(text, with, &index);
    ASSERT_EQ(good, parse_uri(text, without)) << text;
    if (good) expect_same(with, without);
    EXPECT_EQ(has_lws(text, &index), has_lws(text, nullptr)) << text;
    for (const std::string_view name : {"lr", "user", "transport"}) {
        EXPECT_EQ(find_param(with.params, name, &index), find_param(with.params, name)) << text;
    }
}

void expect_same_value(std::string_view value, const TextIndex& index) {
    SCOPED_TRACE(value);
    std::string_view rest, other_rest;
    Via via, other_via;
    if (parse_via(value, via, rest, &index)) {
        ASSERT_TRUE(parse_via(value, other_via, other_rest));
        expect_same(via, other_via);
        EXPECT_SAME_VIEW(rest, other_rest);
    } else {
        EXPECT_FALSE(parse_via(value, other_via, other_rest));
    }
    NameAddr addr, other;
    if (parse_name_addr(value, addr, rest, &index)) {
        ASSERT_TRUE(parse_name_addr(value, other, other_rest));
        expect_same(addr, other);
        EXPECT_SAME_VIEW(rest, other_rest);
        expect_same_uri(addr.uri, index);
    } else {
        EXPECT_FALSE(parse_name_addr(value, other, other_rest));
    }
    ASSERT_EQ(parse_from_to(value, addr, &index), parse_from_to(value, other));
    expect_same(addr, other);
    expect_same_uri(value, index);
}

void expect_same_message(std::string_view text) {
    const test::GuardedBytes bytes(text);
    const auto message = std::make_unique<Message>();
    parse(bytes.text(), *message);
    std::string_view rest = message->header, name;
    HeaderField field;
    while (next_header(rest, name, field)) expect_same_value(field.value, message->index);
    expect_same_uri(message->request_uri, message->index);
}

TEST(TextIndex, SamplesReadAlike) {
    expect_same_message(test::kInvite);
    expect_same_message(test::kTortuous);
}

TEST(TextIndex, BrokenMessagesReadAlike) {
    constexpr std::string_view kOdd =
        "\"\\<>;,:@=?[] \t\r\n/%*+~!\x80\xff"
        "a0.";
    std::mt19937 random(2026);
    for (int round = 0; round < 4000 && !testing::Test::HasFailure(); ++round) {
        std::string text(random() % 2 == 0 ? test::kInvite : test::kTortuous);
        for (unsigned changes = 1 + static_cast<unsigned>(random() % 6); changes > 0; --changes) {
            const std::size_t at = 1 + random() % (text.size() - 1);
            const char c = kOdd[random() % kOdd.size()];
            if (random() % 3 == 0) {
                text.insert(at, 1 + random() % 70, c);
            } else {
                text[at] = c;
            }
        }
        expect_same_message(text);
    }
}

}  // namespace
}  // namespace lb::sip
