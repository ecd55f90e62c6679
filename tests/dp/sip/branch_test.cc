#include "dp/sip/branch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "dp/sip/parser.h"
#include "tests/dp/sip/sample.h"

namespace lb::sip {
namespace {

using test::kInvite;
using test::with;

const Secret kSecret = Secret::derive(as_bytes("sixteen bytes or more of it"));

std::uint64_t number_of(std::string_view text) {
    Message message;
    EXPECT_EQ(error_text(parse(text, message)), error_text(Error::kNone)) << text;
    return transaction_number(kSecret, message);
}

std::string as_method(std::string_view method, std::string_view invite = kInvite) {
    const std::string text = with("INVITE sip", std::string(method) + " sip", invite);
    return with("314159 INVITE", "314159 " + std::string(method), text);
}

TEST(Branch, CancelAndAckHaveTheNumberOfTheirInvite) {
    const std::uint64_t invite = number_of(kInvite);
    EXPECT_EQ(number_of(as_method("CANCEL")), invite);
    EXPECT_EQ(number_of(with("com>\r\n", "com>;tag=z\r\n", as_method("ACK"))), invite);
    EXPECT_NE(number_of(with("z9hG4bKa7f3", "z9hG4bKa7f4")), invite);
    EXPECT_NE(number_of(with("192.0.2.10:5062;b", "192.0.2.10:5063;b")), invite);
    Message message;
    ASSERT_EQ(parse(kInvite, message), Error::kNone);
    EXPECT_NE(transaction_number(Secret::derive(as_bytes("another secret, as long")), message),
              invite);
}

// RFC 2543 clients: no branch, branch=0, another form, the bare cookie (RFC 4475 3.3.14).
TEST(Branch, OldClientsAreKnownByTheirFields) {
    for (const std::string_view branch : {"", ";branch=0", ";branch=1-x", ";branch=z9hG4bK"}) {
        const std::string old = with(";branch=z9hG4bKa7f3", branch);
        const std::uint64_t invite = number_of(old);
        EXPECT_EQ(number_of(as_method("CANCEL", old)), invite);
        EXPECT_EQ(number_of(with("com>\r\n", "com>;tag=z\r\n", as_method("ACK", old))), invite);
        EXPECT_NE(number_of(with("3848276298220188511@", "4@", old)), invite);
        EXPECT_NE(number_of(with("tag=a1", "tag=a2", old)), invite);
        EXPECT_NE(number_of(with("bob@example.com SIP", "eve@example.com SIP", old)), invite);
        EXPECT_NE(number_of(with("314159", "314160", old)), invite);
        const std::string bye = as_method("BYE", old);
        EXPECT_NE(number_of(with("com>\r\n", "com>;tag=z\r\n", bye)), number_of(bye));
    }
}

TEST(Branch, PartsDoNotRunIntoEachOther) {
    const std::string old = with(";branch=z9hG4bKa7f3", "");
    EXPECT_NE(number_of(with("bob@example.com SIP", "bob@example.com1 SIP", old)),
              number_of(with("192.0.2.10:5062;", "1192.0.2.10:5062;", old)));
}

// A flag counts as the first branch, so that ;branch=x behind it changes nothing.
TEST(Branch, FirstOfTwoBranchesCounts) {
    Via via;
    std::string_view rest;
    ASSERT_TRUE(parse_via("SIP/2.0/UDP h;branch;branch=x;received=a;received=b", via, rest));
    EXPECT_EQ(via.branch, "");
    EXPECT_EQ(via.received, "a");
    ASSERT_TRUE(parse_via("SIP/2.0/UDP h;rport=1;rport=2;branch=x", via, rest));
    EXPECT_EQ(via.rport, "1");
    EXPECT_EQ(via.rport_param, ";rport=1");
}

TEST(Branch, VeryLongBranch) {
    const std::string branch = "z9hG4bK" + std::string(3000, 'x');
    const std::uint64_t number = number_of(with("z9hG4bKa7f3", branch + "1"));
    EXPECT_EQ(number_of(with("z9hG4bKa7f3", branch + "1")), number);
    EXPECT_NE(number_of(with("z9hG4bKa7f3", branch + "2")), number);
    EXPECT_NE(number_of(with("z9hG4bKa7f3", "z9hG4bK1" + std::string(3000, 'x'))), number);
}

constexpr std::uint64_t kMark = 0xfedcba9876543210;

// Whatever mark is tried first.
bool is_marked(std::string_view branch, const Endpoint& reply_to) {
    const bool marked = read_relay_mark(kSecret, branch, reply_to, kMark) == kMark;
    EXPECT_EQ(read_relay_mark(kSecret, branch, reply_to, kMark + 1) == kMark, marked) << branch;
    return marked;
}

TEST(Branch, RelayBranchChecksTransactionAndReplyAddress) {
    const Endpoint to = *Endpoint::parse("192.0.2.10:5062");
    std::array<char, kBranchSize> text;
    write_relay_branch(kSecret, 0x0123456789abcdef, to, kMark, text.data());
    std::string branch(text.data(), text.size());
    EXPECT_TRUE(branch.starts_with("z9hG4bKsl0123456789abcdef"));
    EXPECT_TRUE(is_marked(branch, to));
    EXPECT_FALSE(is_marked(branch, *Endpoint::parse("192.0.2.10:5063")));
    EXPECT_FALSE(is_marked(branch, *Endpoint::parse("192.0.2.11:5062")));
    EXPECT_FALSE(is_marked(branch + "0", to));
    for (std::size_t i = 0; i < branch.size(); ++i) {
        std::string changed = branch;
        changed[i] = changed[i] == '1' ? '2' : '1';
        EXPECT_FALSE(is_marked(changed, to)) << i;
    }
}

// Whatever part of the endpoint differs: any bit of the address, the port or the family.
TEST(Branch, RelayBranchIsForOneEndpoint) {
    std::vector<Endpoint> endpoints{{}, {IpAddress(), 5060}};
    const auto add = [&](std::string_view text) {
        const Endpoint endpoint = *Endpoint::parse(text);
        endpoints.push_back(endpoint);
        const ConstBytes bytes = endpoint.address.bytes();
        for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
            std::array<std::uint8_t, 16> changed{};
            std::copy(bytes.begin(), bytes.end(), changed.begin());
            changed[bit / 8] = static_cast<std::uint8_t>(changed[bit / 8] ^ 1 << bit % 8);
            endpoints.push_back({endpoint.address.is_ipv4() ? IpAddress::from_ipv4(changed.data())
                                                            : IpAddress::from_ipv6(changed.data()),
                                 endpoint.port});
        }
        for (unsigned bit = 0; bit < 16; ++bit) {
            endpoints.push_back(
                {endpoint.address, static_cast<std::uint16_t>(endpoint.port ^ 1U << bit)});
        }
    };
    add("192.0.2.10:5060");
    add("[c000:20a::]:5060");  // the same first bytes
    for (const Endpoint& made_for : endpoints) {
        std::array<char, kBranchSize> text;
        write_relay_branch(kSecret, 7, made_for, kMark, text.data());
        for (const Endpoint& asked : endpoints) {
            EXPECT_EQ(is_marked({text.data(), text.size()}, asked), asked == made_for)
                << made_for.text() << " and " << asked.text();
        }
    }
}

// Nothing but what is written like ours: other texts of the same numbers are none.
TEST(Branch, DigitsAreLowerCase) {
    const Endpoint to = *Endpoint::parse("192.0.2.10:5062");
    for (std::uint64_t transaction = 0; transaction < 64; ++transaction) {
        std::array<char, kBranchSize> text;
        write_relay_branch(kSecret, transaction * 0x0123456789abcdef, to, kMark, text.data());
        const std::string branch(text.data(), text.size());
        ASSERT_TRUE(is_marked(branch, to)) << branch;
        for (std::size_t i = 0; i < branch.size(); ++i) {
            for (unsigned c = 0; c < 256; ++c) {
                std::string changed = branch;
                changed[i] = static_cast<char>(c);
                ASSERT_EQ(is_marked(changed, to), changed == branch) << changed;
            }
        }
    }
}

TEST(Branch, ProbeBranchCarriesItsNumber) {
    std::array<char, kBranchSize> text;
    write_probe_branch(kSecret, 42, text.data());
    const std::string branch(text.data(), text.size());
    std::uint64_t number = 0;
    EXPECT_TRUE(check_probe_branch(kSecret, branch, number));
    EXPECT_EQ(number, 42u);
    std::string changed = branch;
    changed[20] = changed[20] == '1' ? '2' : '1';
    EXPECT_FALSE(check_probe_branch(kSecret, changed, number));
    EXPECT_FALSE(is_marked(branch, {}));
}

TEST(Branch, CookieDependsOnCallIdAndSecret) {
    EXPECT_EQ(dialog_cookie(kSecret, "a@b"), dialog_cookie(kSecret, "a@b"));
    EXPECT_NE(dialog_cookie(kSecret, "a@b"), dialog_cookie(kSecret, "a@c"));
}

struct EndpointRow {
    std::string_view via;
    std::string_view endpoint;  // empty: none
};

constexpr EndpointRow kEndpointRows[] = {
    {"SIP/2.0/UDP 192.0.2.1;branch=x", "192.0.2.1:5060"},
    {"SIP/2.0/UDP 192.0.2.1:5070;rport", "192.0.2.1:5070"},
    {"SIP/2.0/UDP h.example;received=192.0.2.2;rport=6000", "192.0.2.2:6000"},
    {"SIP/2.0/UDP [2001:db8::1];received=2001:db8::9:255", "[2001:db8::9:255]:5060"},
    {"SIP/2.0/UDP [2001:db8::1];received=[2001:db8::9]", "[2001:db8::9]:5060"},
    {"SIP/2.0/UDP [2001:db8::1]:5071", "[2001:db8::1]:5071"},
    {"SIP/2.0/UDP h.example:5070", ""},
    {"SIP/2.0/UDP 192.0.2.1;received=h.example", ""},
    {"SIP/2.0/UDP 255.255.255.255", ""},
    {"SIP/2.0/UDP 224.0.0.1", ""},
    {"SIP/2.0/UDP 0.0.0.0", ""},
    {"SIP/2.0/UDP 192.0.2.1;rport=0", ""},
    {"SIP/2.0/UDP 192.0.2.1;rport=x", ""},
    {"SIP/2.0/UDP 192.0.2.1;rport=1", "192.0.2.1:1"},
    {"SIP/2.0/UDP 192.0.2.1;rport = 65535", "192.0.2.1:65535"},
    {"SIP/2.0/UDP 192.0.2.1;rport=65536", ""},
    {"SIP/2.0/UDP 192.0.2.1;rport=5a60", ""},
    {"SIP/2.0/UDP 192.0.2.1;rport=0005060", "192.0.2.1:5060"},
    {"SIP/2.0/UDP 192.0.2.1;rport=00005060", "192.0.2.1:5060"},
    {"SIP/2.0/UDP 192.0.2.1;rport=000000005060", "192.0.2.1:5060"},
    {"SIP/2.0/UDP 192.0.2.1;rport=100005060", ""},
};

TEST(Branch, ReplyEndpoint) {
    for (const EndpointRow& row : kEndpointRows) {
        Via via;
        std::string_view rest;
        ASSERT_TRUE(parse_via(row.via, via, rest)) << row.via;
        const auto endpoint = reply_endpoint(via);
        EXPECT_EQ(endpoint ? endpoint->text() : "", row.endpoint) << row.via;
    }
}

}  // namespace
}  // namespace lb::sip
