// What reads a field finds the same with the index of its message as without. With it, values of
// the usual shape take a way of their own, so that this is the test of the two ways through one
// grammar: over messages that are broken at random, and over values made of usual and odd parts.

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <span>
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
    EXPECT_SAME_VIEW(a.host, b.host);
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
    EXPECT_SAME_VIEW(a.text, b.text);
    EXPECT_EQ(a.has_user, b.has_user);
}

void expect_same_uri(std::string_view text, const TextIndex& index) {
    Uri with, without;
    const bool good = parse_uri(text, with, &index);
    ASSERT_EQ(good, parse_uri(text, without)) << text;
    if (good) expect_same(with, without);
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
    const bool strict = parse_from_to_strictly(value, addr, &index);
    ASSERT_EQ(strict, parse_from_to_strictly(value, other));
    EXPECT_EQ(strict, parse_from_to(value, other) &&
                          other.uri.find_first_of(" \t\r\n") == std::string_view::npos);
    expect_same(addr, other);
    expect_same_uri(value, index);
}

void expect_same_message(std::string_view text) {
    const test::GuardedBytes bytes(text);
    const auto message = std::make_unique<Message>();
    parse(bytes.text(), *message);
    std::string_view rest = message->header, name;
    HeaderLine field;
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

using Random = std::mt19937;
using Parts = std::span<const std::string_view>;

std::string_view one_of(Parts parts, Random& random) { return parts[random() % parts.size()]; }

// The first part, which is the usual one, half of the time.
std::string_view part_of(Parts parts, Random& random) {
    return random() % 2 == 0 ? parts[0] : one_of(parts, random);
}

constexpr std::string_view kHosts[] = {"198.18.37.22",
                                       "voip.example.com",
                                       "a",
                                       "10.0.0.1",
                                       "a-very_long.host-name.example.com",
                                       "[2001:db8::1]",
                                       "h%41",
                                       "h+x",
                                       "",
                                       "[::1",
                                       "1.2.3.4 ",
                                       "h&h",
                                       "\xc3\xa4.example"};
constexpr std::string_view kPorts[] = {
    ":5060",       "",       ":62000", ":1",     ":65535", ":65536",    ":0",  ":",     ":005060",
    ":0000005060", ":50x60", " :5060", ": 5060", ":5060 ", ":12345678", ":-1", ":5060!"};

std::string random_via(Random& random) {
    static constexpr std::string_view kProtocols[] = {
        "SIP/2.0/UDP ",  "SIP/2.0/TCP ", "sip/2.0/udp ", "SIP / 2.0/UDP ",
        "SIP/2.0/UDP  ", "SIP/2.0/UDP",  "SIP/3.0/UDP ", " SIP/2.0/UDP "};
    static constexpr std::string_view kParams[] = {
        ";branch=z9hG4bK-yjhx0vmwhdovvzx2qnlu0qm3",
        ";rport",
        ";branch=z9hG4bK1",
        ";branch=z9hG4bK-of-as-many-characters-as-one-load-of-the-index-ha",   // 57
        ";branch=z9hG4bK-of-as-many-characters-as-one-load-of-the-index-has",  // 58
        ";branch=z9hG4bK-of-as-many-characters-as-one-load-of-the-index-ha:s",
        ";rport=5060",
        ";received=192.0.2.1",
        ";received=2001:db8::1",
        ";maddr=224.0.1.75",
        ";ttl=1",
        ";BRANCH=z9hG4bK2",
        ";rPort",
        ";branch",
        ";branch=",
        ";rport=",
        ";branchx=1",
        ";xbranch=1",
        ";rportx",
        ";rport-x=2",
        ";rpor",
        ";alias",
        ";x=[::1]",
        ";x=\"a;b,c\"",
        ";branch=a@b",
        ";branch=a=b",
        " ;rport",
        "; rport",
        ";rport ",
        ";branch =x",
        ";branch= x",
        ";",
        ";;",
        ";=x",
        ",SIP/2.0/UDP h",
        "\r\n ;rport",
        "\x1b"
        "branch=x",
        ";branch\x1d"
        "x",
        ";r\x10ort",
        ";extension-of-unusual-length-that-goes-over-many-words-of-the-index=and-so-does-its-value",
    };
    std::string via(part_of(kProtocols, random));
    via += part_of(kHosts, random);
    via += part_of(kPorts, random);
    for (unsigned count = static_cast<unsigned>(random() % 5); count > 0; --count) {
        via += random() % 2 == 0 ? kParams[random() % 2] : one_of(kParams, random);
    }
    return via;
}

std::string random_uri(Random& random) {
    static constexpr std::string_view kSchemes[] = {
        "sip:", "sips:", "SIP:", "tel:", "sip :", "s:", "", "http:"};
    static constexpr std::string_view kUsers[] = {"8289@",      "",     "alice@", "a:pw@",   "@",
                                                  "a&b=c;d?e@", "a@b@", "a b@",   "%41+-~@", ":@"};
    static constexpr std::string_view kTails[] = {
        "",        ";lr",        ";transport=udp;user=phone",
        ";lr?a=b", "?a=b",       ";x=a@b",
        ";",       ";a;b=\"?\"", "?@",
        "/x",      ">",          "<"};
    std::string uri(part_of(kSchemes, random));
    uri += part_of(kUsers, random);
    uri += part_of(kHosts, random);
    if (random() % 2 == 0) uri += part_of(kPorts, random);
    return uri += part_of(kTails, random);
}

std::string random_name_addr(Random& random) {
    static constexpr std::string_view kBegins[] = {"<",
                                                   "\"Phone 2659\" <",
                                                   "Phone <",
                                                   "Phone 2659 <",
                                                   "\"\"<",
                                                   "\"a\\\"b\" <",
                                                   "\"a, b\"<",
                                                   "\"a",
                                                   "",
                                                   " <",
                                                   "\"a\" \"b\" <",
                                                   "\\\"a\\\" <",
                                                   "a, b <",
                                                   "a;b <",
                                                   "a\t<",
                                                   "a\r\n <",
                                                   "\xc3\xa4 <",
                                                   "< ",
                                                   "\"<a>\" <"};
    static constexpr std::string_view kEnds[] = {">",
                                                 ">;tag=79guc7ff",
                                                 ">;TAG=x",
                                                 ">;tag=",
                                                 ">;tag=a@b",
                                                 "> ;tag=x",
                                                 ">;tag =x",
                                                 ">;tag=x;y",
                                                 ">;y;tag=x",
                                                 ">,<sip:b>",
                                                 " >",
                                                 "> ",
                                                 ">;tag=\"x\"",
                                                 "",
                                                 ";tag=1",
                                                 ">;tagx=1",
                                                 ">x",
                                                 ">;",
                                                 "\x1b"
                                                 "tag=x",
                                                 ">>",
                                                 ">;expires=60"};
    std::string text(part_of(kBegins, random));
    text += random_uri(random);
    return text += part_of(kEnds, random);
}

// One byte more, less or other than there was.
void mutate(std::string& text, Random& random) {
    constexpr std::string_view kOdd =
        "\"\\<>;,:@=?[] \t\r\n/%*+\x80"
        "a0.";
    const std::size_t at = random() % (text.size() + 1);
    const char c = kOdd[random() % kOdd.size()];
    switch (random() % 3) {
        case 0:
            text.insert(at, 1, c);
            break;
        case 1:
            text.erase(at, 1);
            break;
        default:
            if (at < text.size()) text[at] = c;
    }
}

// The value at the end of a header section, and of a text that ends right behind it; the reader is
// given all of it and less.
void expect_same_anywhere(const std::string& value, Random& random) {
    const std::string line = std::string(1 + random() % 66, 'x') + ":" + value;
    for (const std::string& text : {line, line + "\r\n\r\n"}) {
        const test::GuardedBytes bytes(text);
        const auto index = std::make_unique<TextIndex>();
        scan_header(bytes.text(), *index);
        const std::string_view whole = bytes.text().substr(line.size() - value.size());
        expect_same_value(whole.substr(0, value.size()), *index);
        expect_same_value(whole.substr(0, random() % (value.size() + 1)), *index);
    }
}

void expect_same_values(std::string (*make)(Random&)) {
    Random random(3261);
    for (int round = 0; round < 20000 && !testing::Test::HasFailure(); ++round) {
        std::string value = make(random);
        for (auto changes = random() % 4; changes > 1; --changes) mutate(value, random);
        if (value.find("\n\r\n") != std::string::npos || value.find("\n\n") != std::string::npos)
            continue;  // an empty line: what follows is no header
        expect_same_anywhere(value, random);
    }
}

TEST(TextIndex, ViasReadAlike) { expect_same_values(random_via); }
TEST(TextIndex, UrisReadAlike) { expect_same_values(random_uri); }
TEST(TextIndex, NameAddrsReadAlike) { expect_same_values(random_name_addr); }

// Enough of what is generated is good, or the tests above would say little.
TEST(TextIndex, ManyGeneratedValuesAreGood) {
    Random random(3261);
    int vias = 0, uris = 0, addresses = 0;
    for (int round = 0; round < 1000; ++round) {
        Via via;
        Uri uri;
        NameAddr addr;
        std::string_view rest;
        vias += parse_via(random_via(random), via, rest) ? 1 : 0;
        uris += parse_uri(random_uri(random), uri) ? 1 : 0;
        addresses += parse_from_to(random_name_addr(random), addr) ? 1 : 0;
    }
    EXPECT_GT(vias, 200);
    EXPECT_GT(uris, 400);
    EXPECT_GT(addresses, 400);
}

}  // namespace
}  // namespace lb::sip
